/* option_map: what may be the names in a map, and which of them have a secret behind them; see option.h */
#include "base/option.h"

#include "base/utf8.h"

#define MAP_DIGITS "0123456789"
#define MAP_LETTERS "abcdefghijklmnopqrstuvwxyz"

static bool option_consists_of(struct slice name, const char *characters)
{
    for (size_t i = 0; i < name.length; i++)
        if (!memchr(characters, name.data[i], strlen(characters)))
            return false;
    return true;
}

static bool option_contains(struct slice name, const char *part)
{
    return name.length && memmem(name.data, name.length, part, strlen(part));
}

static bool option_ends(struct slice name, const char *end)
{
    size_t length = strlen(end);

    return name.length >= length && !memcmp(name.data + name.length - length, end, length);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

static bool option_is_label(struct slice name)
{
    static const char *const taken[] = {"stream", "key", "time", "time_source", "schema_result"};

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (slice_is(name, taken[i]))
            return false;
    return name.length && name.length <= OPTION_ELEMENT_NAME_MAX &&
           option_consists_of(name, MAP_LETTERS MAP_DIGITS "_") && !memchr(MAP_DIGITS, name.data[0], 10);
}

static bool option_is_header(struct slice name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return false;
    return name.length && name.length <= OPTION_ENTRY_NAME_MAX;
}

/* Whether it is a pattern is seen when it is compiled. */
static bool option_is_topic(struct slice name)
{
    for (size_t i = 0; i < name.length;) {
        size_t length = utf8_sequence(name.data + i, name.length - i);
        if (length == 0 || utf8_is_control(name.data + i))
            return false;
        i += length;
    }
    return name.length && name.length <= OPTION_ENTRY_NAME_MAX;
}

static bool option_is_property(struct slice name)
{
    return name.length && name.length <= OPTION_ENTRY_NAME_MAX &&
           option_consists_of(name, MAP_LETTERS MAP_DIGITS "._-");
}

const struct option_map option_labels = {
    .entry = "label",
    .names =
        "1 to 64 of the characters a-z 0-9 _, no digit in front, and not stream, key, time, time_source, schema_result",
    .pattern = "^[a-z_][a-z0-9_]{0,63}$",
    .allows = option_is_label,
    .types = "\"string\"",
    .most = OPTION_MAP_MAX,
};

const struct option_map option_headers = {
    .entry = "header",
    .names = "1 to 128 of the printable ASCII characters, no blanks",
    .pattern = "^[!-~]{1,128}$",
    .allows = option_is_header,
    .types = "\"string\"",
    .most = OPTION_MAP_MAX,
};

const struct option_map option_topics = {
    .entry = "topic pattern",
    .names = "1 to 128 bytes of UTF-8 without control characters",
    .pattern = "^[^\\\\x00-\\\\x1f\\\\x7f-\\\\x9f]{1,128}$",
    .allows = option_is_topic,
    .types = "\"string\"",
    .most = OPTION_TOPICS_MAX,
};

#define MAP_PROPERTY                                                          \
    .entry = "property", .names = "1 to 128 of the characters a-z 0-9 . _ -", \
    .pattern = "^[a-z0-9._-]{1,128}$", .allows = option_is_property, .most = OPTION_PROPERTIES_MAX

const struct option_map option_properties = {
    MAP_PROPERTY,
    .types = "[\"string\", \"number\", \"boolean\"]",
    .lines = true,
    .secrecy = OPTION_SECRET,
};

const struct option_map option_property_files = {
    MAP_PROPERTY,
    .types = "\"string\"",
    .secrecy = OPTION_UNQUOTED,
};

/* ---- secrets ----------------------------------------------------------------------------------------------- */

bool option_is_secret(struct slice name)
{
    static const char *const parts[] = {"password", "passphrase", "secret", ".key.pem", "oauthbearer.config"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (option_contains(name, parts[i]))
            return true;
    return option_ends(name, ".token");
}

enum option_secrecy option_secrecy(const struct option *option, struct slice entry)
{
    return option->map && option_is_secret(entry) ? option->map->secrecy : OPTION_PUBLIC;
}

struct slice option_shown_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        struct slice before = {name.data, i};
        if (memchr(":= \t\n", name.data[i], 5) && option_is_secret(before))
            return before;
    }
    return name;
}
