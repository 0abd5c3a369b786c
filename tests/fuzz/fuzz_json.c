/* Fuzzes the scanner, what it finds, and the array pass of the decoder (libFuzzer):
 *   CC=clang cmake -S . -B build-fuzz -DPENSTOCK_TESTS=ON -DPENSTOCK_FUZZ=ON -DPENSTOCK_SANITIZE=ON
 *   cmake --build build-fuzz --target fuzz_json && build-fuzz/fuzz_json -max_total_time=60 */
#include <assert.h>
#include <stdlib.h>

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;

static void check_value(struct slice text, const struct json_value *value)
{
    if (value->type == JSON_ABSENT)
        return;
    assert(value->text.data >= text.data);
    assert(value->text.data + value->text.length <= text.data + text.length);
    if (value->type == JSON_STRING) {
        char *out = malloc(value->text.length);
        assert(json_unescape(value, out) <= value->text.length);
        free(out);
        return;
    }
    int64_t time;
    assert(json_scan_document(value->text, NULL, NULL, &error) == 0);
    decode_time(value, &time, &error);
}

/* An array is taken if the document is (its elements may be as deep as a document), and its elements are documents. */
static void check_array(struct slice text, bool taken, bool too_deep)
{
    struct decoder decoder;
    struct slice element;
    int next;

    if (decoder_start(&decoder, DECODE_JSON, text, &error)) {
        assert(!taken);
        return;
    }
    const bool array = decoder.in_array;
    while ((next = decoder_next(&decoder, &element, &error)) > 0)
        assert(!array || json_scan_document(element, NULL, NULL, &error) == 0);
    assert(!array || (next == 0) == taken || too_deep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const wanted[] = {"", "/a", "/a/b", "/0", "/1/a", "/a/0", "/"};
    enum { COUNT = sizeof wanted / sizeof *wanted };
    static struct json_pointers *pointers;
    struct json_value values[COUNT];
    struct slice text = {(const char *)data, size};

    if (!pointers && json_pointers_compile(&pointers, wanted, COUNT, &error))
        abort();
    bool taken = json_scan_document(text, pointers, values, &error) == 0;
    assert(taken == (json_scan_document(text, NULL, NULL, &error) == 0));
    check_array(text, taken, !taken && strstr(error.text, "nested"));
    for (size_t i = 0; taken && i < COUNT; i++)
        check_value(text, &values[i]);
    return 0;
}
