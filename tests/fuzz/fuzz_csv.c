/* Fuzzes rows of CSV (libFuzzer): a byte that says the form, then text whose first row is the header. What comes out is JSON, needs just the
 * room that it takes, and a row ends where the same row alone does. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/csv.h"
#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first row, with its line break. */
static struct slice first_row(const struct csv_form *form, struct slice text)
{
    size_t at = 0;

    for (bool open = false; at < text.length;) {
        const char *from = text.data + at, *feed = memchr(from, '\n', text.length - at);
        const struct slice line = {from, feed ? (size_t)(feed - from) + 1 : text.length - at};
        open = csv_is_open(form, open, line);
        at += line.length;
        if (!open)
            break;
    }
    return (struct slice){text.data, at};
}

/* In blocks without a byte to spare. */
static void take_row(const struct csv_header *header, const struct csv_form *form, struct slice row)
{
    char *copy = malloc(row.length + 1), *out = malloc((size_t)64 << 10);
    struct error error;
    size_t length, again;

    assert(copy && out);
    memcpy(copy, row.data, row.length);
    copy = realloc(copy, row.length + (row.length == 0));
    row.data = copy;
    if (csv_object(header, form, row, out, (size_t)64 << 10, &length, &error) == 0) {
        char *small = malloc(length);
        assert(json_scan_document((struct slice){out, length}, NULL, NULL, &error) == 0);
        assert(csv_object(header, form, row, small, length, &again, &error) == 0);
        assert(again == length && memcmp(small, out, length) == 0);
        assert(csv_object(header, form, row, small, length - 1, &again, &error) == -1);
        assert(error.kind == ERROR_RETRY);
        free(small);
    } else
        assert(error.kind == ERROR_REJECT);
    free(out);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_header *header = NULL;
    struct error error;

    if (size < 1 || size > 4096)
        return 0;
    const struct csv_form form = {",;\t|"[data[0] & 3], data[0] & 4};
    struct slice rest = {(const char *)data + 1, size - 1};
    struct slice row = first_row(&form, rest);
    if (csv_header_new(&header, &form, row, &error))
        assert(error.kind == ERROR_REJECT);
    while (header && (rest = (struct slice){rest.data + row.length, rest.length - row.length}, rest.length)) {
        row = first_row(&form, rest);
        assert(row.length > 0);
        take_row(header, &form, row);
    }
    csv_header_free(&header);
    return 0;
}
