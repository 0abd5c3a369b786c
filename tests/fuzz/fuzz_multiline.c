/* Fuzzes which lines are one record (libFuzzer): a byte for the rules, one for the encoding, one for what is too long, then the file. Every
 * byte is in one record, records are whole lines or parts of a long one, and a block that ends earlier cuts off no other records. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "files/lines.h"
#include "files/multiline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct multiline_options options[] = {{"java", "", "", 3}, {"python", "", "", 500},
    {"go", "", "", 500}, {"none", "^\\d", "", 500}, {"none", "", "^\\s", 2},
    {"none", "^(a+)+$", "^\\s|b", 500}};
#define OPTIONS (sizeof options / sizeof *options)

static struct multiline *rules(size_t which)
{
    static struct multiline *made[OPTIONS];
    struct error error;

    if (!made[which])
        assert(multiline_new(&made[which], &options[which], &error) == 0);
    return made[which];
}

static void check_cut(const struct multiline_cut *cut, uint8_t state, size_t rest, size_t most)
{
    assert(cut->length <= rest && cut->part <= most && cut->part <= rest && cut->open <= rest);
    assert(!cut->length + !cut->part + !cut->open >= 2); /* one of them, or none */
    assert(cut->length || (!cut->state && !cut->within));
    assert(!cut->within || state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum charset charsets[] = {CHARSET_UTF8, CHARSET_UTF16LE, CHARSET_UTF16BE, CHARSET_LATIN1};

    if (size < 4)
        return 0;
    struct multiline *multiline = rules(data[0] % OPTIONS);
    const enum charset charset = charsets[data[1] % 4];
    const size_t most = 4 + data[2], length = size - 4, early = (size_t)data[3] * length / 255;
    char *text = malloc(length + (length == 0));
    size_t at = 0;
    uint8_t state = 0;

    assert(text);
    memcpy(text, data + 4, length);
    /* As far as a block that ends early says. */
    for (bool waits = true; at < length;) {
        const struct multiline_cut cut =
            multiline_cut(multiline, state, MULTILINE_ENDS, charset, text + at, length - at, most);
        check_cut(&cut, state, length - at, most);
        const size_t taken = cut.length + cut.part;
        assert(taken);
        if (waits && at <= early) {
            const struct multiline_cut sooner =
                multiline_cut(multiline, state, MULTILINE_WAITS, charset, text + at, early - at, most);
            check_cut(&sooner, state, early - at, most);
            waits = sooner.length + sooner.part > 0;
            assert(!sooner.length || (sooner.length == cut.length && sooner.state == cut.state));
        }
        at += taken;
        state = cut.state;
    }
    assert(at == length);
    free(text);
    return 0;
}
