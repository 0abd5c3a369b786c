/* subscriber_window: what of a broker's bytes the library may see */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "source/subscriber_window.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

#define CONNACK "\x20\2\0\0"
#define CONNACK_5 "\x20\3\0\0\0"
#define SUBACK "\x90\3\0\1\1"
#define SUBACK_5 "\x90\4\0\1\0\1"
#define PINGRESP "\xd0\0"
#define PUBLISH "\x32\7\0\1t\0\1xy" /* QoS 1 */
#define PUBLISH_0 "\x30\4\0\1tx"
#define PUBLISH_5 "\x32\10\0\1t\0\1\0xy"

struct case_ {
    struct slice bytes;
    bool v5, connected;
    size_t packets, wanted;
    const char *error; /* NULL: right */
};

static void assert_case(const struct case_ *c, size_t number)
{
    const struct subscriber_window_rules rules = {c->v5, c->connected, 1000};
    struct subscriber_window window;
    enum subscriber_window_wrong wrong;
    struct error error;
    /* what stands behind the end is not looked at */
    char *bytes = malloc(c->bytes.length);

    memcpy(bytes, c->bytes.data, c->bytes.length);
    const int result =
        subscriber_window_judge((struct slice){bytes, c->bytes.length}, &rules, &window, &wrong, &error);
    cr_assert_eq(result, c->error ? -1 : 0, "%zu: %s", number, result ? error.text : "right");
    cr_assert_eq(window.packets, c->packets, "%zu: %zu packets", number, window.packets);
    if (c->error)
        cr_assert_str_eq(error.text, c->error);
    else
        cr_assert_eq(window.wanted, c->wanted, "%zu: %zu wanted", number, window.wanted);
    cr_assert_eq(wrong, c->error && strstr(c->error, "max_packet") ? SUBSCRIBER_WINDOW_TOO_LARGE
                                                                   : SUBSCRIBER_WINDOW_MALFORMED);
    free(bytes);
}

Test(subscriber_window, what_is_right)
{
    static const struct case_ cases[] = {
        {BYTES(CONNACK), false, false, 1, 0, NULL},
        {BYTES(CONNACK_5), true, false, 1, 0, NULL},
        {BYTES("\x20\2\0\1"), true, false, 1, 0, NULL}, /* a broker that does not know MQTT 5 */
        {BYTES(CONNACK SUBACK PUBLISH PUBLISH_0 PINGRESP), false, false, 5, 0, NULL},
        {BYTES(CONNACK_5 PUBLISH_5 SUBACK_5 PINGRESP), true, false, 4, 0, NULL},
        {BYTES("\xe0\0"), true, true, 1, 0, NULL},
        {BYTES("\xe0\1\x8e"), true, true, 1, 0, NULL},
        {BYTES("\xe0\7\x8e\5\x1f\0\2no"), true, true, 1, 0, NULL},
        {BYTES("\x3a\4\0\1t\0\1"
               "\x30\3\0\1t"),
            false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x3b\5\0\1t\0\1"), false, true, 1, 0, NULL}, /* DUP, RETAIN, no payload */
        /* each property once */
        {BYTES("\x30\x53\0\1t\x4f"
               "\1\1"
               "\2\0\0\0\1"
               "\3\0\1a"
               "\10\0\1b"
               "\11\0\0"
               "\13\x80\1"
               "\x11\0\0\0\1"
               "\x12\0\1c"
               "\x13\0\1"
               "\x15\0\0"
               "\x16\0\0"
               "\x1a\0\0"
               "\x1c\0\0"
               "\x1f\0\0"
               "\x21\0\1"
               "\x22\0\1"
               "\x23\0\1"
               "\x24\1"
               "\x25\1"
               "\x26\0\1k\0\1v"
               "\x27\0\0\0\1"
               "\x28\1"
               "\x29\1"
               "\x2a\1"),
            true, true, 1, 0, NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_case(&cases[i], i);
}

Test(subscriber_window, what_is_not_whole)
{
    static const struct case_ cases[] = {
        {BYTES(""), false, true, 0, 0, NULL},
        {BYTES("\x32"), false, true, 0, 2, NULL},
        {BYTES("\x32\x80"), false, true, 0, 3, NULL},
        {BYTES("\x32\xff\1"), false, true, 0, 258, NULL},
        {BYTES("\x32\7\0\1t\0\1x"), false, true, 0, 9, NULL},
        {BYTES("\x32\x10"), true, true, 0, 18, NULL},
        {BYTES(PUBLISH PUBLISH "\x32"), false, true, 2, 2, NULL},
        {BYTES(PINGRESP "\x90\3\0"), false, true, 1, 5, NULL},
        {BYTES("\x20"), false, false, 0, 2, NULL},
        {BYTES("\x20\2\0"), false, false, 0, 4, NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_case(&cases[i], i);
}

Test(subscriber_window, what_is_wrong)
{
    static const struct case_ cases[] = {
        {BYTES("\x34\7\0\1t\0\1xy"), false, true, 0, 0, "a message of QoS 2, but 1 was subscribed to"},
        {BYTES(PUBLISH "\x36\7"), false, true, 1, 0, "a message of QoS 3, but 1 was subscribed to"},
        {BYTES("\x32\xff\xff\xff\x7f"), false, true, 0, 0,
            "a message of 268435460 bytes, more than mqtt.max_packet (1000)"},
        {BYTES("\x32\xff\xff\xff\xff"), false, true, 0, 0, "a packet whose length has more than four bytes"},
        {BYTES("\x32\xff\xff\xff\xff\1"), false, true, 0, 0,
            "a packet whose length has more than four bytes"},
        {BYTES("\x32\4\0\0\0\1"), false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x32\1x"), false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x32\0"), false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x32\4\0\1t\0"), false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x30\3\0\2t"), false, true, 0, 0, "a message without a topic, or one that ends within it"},
        {BYTES("\x32\5\0\1t\0\1"), true, true, 0, 0, "a packet of type 3 whose properties cannot be so long"},
        {BYTES("\x32\6\0\1t\0\1\1"), true, true, 0, 0,
            "a packet of type 3 whose properties cannot be so long"},
        {BYTES("\x32\6\0\1t\0\1\x80"), true, true, 0, 0,
            "a packet of type 3 whose properties cannot be so long"},
        {BYTES("\x32\12\0\1t\0\1\xff\xff\xff\xff\1"), true, true, 0, 0,
            "a packet of type 3 whose properties cannot be so long"},
        {BYTES("\x30\5\0\1t\1\4"), true, true, 0, 0, "a property 0x04, which MQTT does not have"},
        {BYTES("\x30\5\0\1t\1\0"), true, true, 0, 0, "a property 0x00, which MQTT does not have"},
        {BYTES("\x30\5\0\1t\1\x2b"), true, true, 0, 0, "a property 0x2b, which MQTT does not have"},
        {BYTES("\x30\5\0\1t\1\xff"), true, true, 0, 0, "a property 0xff, which MQTT does not have"},
#define LONGER "a property that is longer than its packet says"
        {BYTES("\x30\5\0\1t\1\1"), true, true, 0, 0, LONGER},
        {BYTES("\x30\7\0\1t\3\2\0\0"), true, true, 0, 0, LONGER},
        {BYTES("\x30\6\0\1t\2\3\0"), true, true, 0, 0, LONGER},
        {BYTES("\x30\7\0\1t\3\3\0\1"), true, true, 0, 0, LONGER},
        {BYTES("\x30\6\0\1t\2\13\x80"), true, true, 0, 0, LONGER},
        {BYTES("\x30\12\0\1t\6\13\xff\xff\xff\xff\1"), true, true, 0, 0, LONGER},
        {BYTES("\x30\7\0\1t\3\x26\0\1"), true, true, 0, 0, LONGER},
        {BYTES("\x30\10\0\1t\4\x26\0\1k"), true, true, 0, 0, LONGER},
        {BYTES("\x30\12\0\1t\6\x26\0\1k\0\1"), true, true, 0, 0, LONGER},
        {BYTES(CONNACK), false, true, 0, 0, "a packet of type 2, which has no place there"},
        {BYTES(CONNACK CONNACK), false, false, 1, 0, "a packet of type 2, which has no place there"},
        {BYTES(PUBLISH), false, false, 0, 0, "a packet of type 3, which has no place there"},
        {BYTES("\x40\2\0\1"), false, true, 0, 0, "a packet of type 4, which has no place there"},
        {BYTES("\x62\2\0\1"), false, true, 0, 0, "a packet of type 6, which has no place there"},
        {BYTES("\0\0"), false, true, 0, 0, "a packet of type 0, which has no place there"},
        {BYTES("\xf0\0"), true, true, 0, 0, "a packet of type 15, which has no place there"},
        {BYTES("\xe0\0"), false, true, 0, 0, "a packet of type 14, which has no place there"},
        {BYTES("\xd1\0"), false, true, 0, 0, "a packet of type 13 with flags 1"},
        {BYTES("\xd0\1"), false, true, 0, 0, "a packet of type 13 with 1 bytes"},
        {BYTES("\xd0\1"), true, true, 0, 0, "a packet of type 13 with 1 bytes"},
        {BYTES("\x20\3"), false, false, 0, 0, "a packet of type 2 with 3 bytes"},
        {BYTES("\x20\1"), true, false, 0, 0, "a packet of type 2 with 1 bytes"},
        {BYTES("\x90\2"), false, true, 0, 0, "a packet of type 9 with 2 bytes"},
        {BYTES("\x90\3"), true, true, 0, 0, "a packet of type 9 with 3 bytes"},
        {BYTES("\x90\xff\xff\xff\x7f"), false, true, 0, 0, "a packet of type 9 with 268435455 bytes"},
        {BYTES("\x90\4\0\1\2\1"), true, true, 0, 0, "a packet of type 9 whose properties cannot be so long"},
        {BYTES("\x20\4\0\0\1\4"), true, false, 0, 0, "a property 0x04, which MQTT does not have"},
        {BYTES("\xe0\2\0\1"), true, true, 0, 0, "a packet of type 14 whose properties cannot be so long"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_case(&cases[i], i);
}

/* Whatever comes, nothing is read behind its end, and what is said of it holds for its front. */
Test(subscriber_window, any_bytes)
{
    const struct subscriber_window_rules rules = {true, true, 100000};
    static const char right[] = PUBLISH_5 SUBACK_5 PINGRESP PUBLISH_5;
    struct subscriber_window window, front;
    enum subscriber_window_wrong wrong;
    struct error error;
    unsigned random = 1;

    for (int round = 0; round < 200000; round++) {
        const size_t length = ((random = random * 1103515245 + 12345) >> 16) % sizeof right;
        char *bytes = malloc(length + !length);
        memcpy(bytes, right, length);
        for (int i = 0; length && i < round % 3; i++) {
            random = random * 1103515245 + 12345;
            bytes[(random >> 16) % length] = (char)(random >> 8);
        }
        const int result =
            subscriber_window_judge((struct slice){bytes, length}, &rules, &window, &wrong, &error);
        cr_assert(window.bytes <= length);
        cr_assert(result == 0 || window.bytes < length);
        cr_assert(window.wanted == 0 || window.wanted > length - window.bytes || result);
        cr_assert_eq(
            subscriber_window_judge((struct slice){bytes, window.bytes}, &rules, &front, &wrong, &error), 0);
        cr_assert_eq(front.packets, window.packets);
        free(bytes);
    }
}
