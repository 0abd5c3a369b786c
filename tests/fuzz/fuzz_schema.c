/* Fuzzes schemas and documents held against them: "SCHEMA\nDOCUMENT" (libFuzzer). Whatever is compiled checks whatever is JSON, and a
 * document is equal to itself:
 *   CC=clang cmake -S . -B build-fuzz -DPENSTOCK_TESTS=ON -DPENSTOCK_FUZZ=ON -DPENSTOCK_SANITIZE=ON
 *   cmake --build build-fuzz --target fuzz_schema && build-fuzz/fuzz_schema -max_total_time=60 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;
static struct schema_scratch *scratch;

static int check(const struct schema *schema, struct slice document)
{
    if (schema_scratch_fit(scratch, schema, &error))
        abort();
    schema_scratch_renew(scratch, SCHEMA_STEPS_BODY);
    return schema_check(schema, scratch, document, &error);
}

/* A value is equal to itself; no schema only where a name comes twice, or an exponent is too long. */
static void check_constant(struct slice document)
{
    char *text = malloc(document.length + 16);
    struct schema *schema = NULL;

    const int length =
        snprintf(text, document.length + 16, "{\"const\":%.*s}", (int)document.length, document.data);
    if (schema_compile(&schema, (struct slice){text, (size_t)length}, &error) == 0)
        assert(check(schema, document) == 0);
    else
        assert(strstr(error.text, "comes twice") || strstr(error.text, "15 digits") ||
               strstr(error.text, "at most 64 nested"));
    schema_free(&schema);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *feed = size ? memchr(text, '\n', size) : NULL;
    struct schema *schema = NULL;

    if (!scratch && schema_scratch_new(&scratch, &error))
        abort();
    const struct slice first = {text, feed ? (size_t)(feed - text) : size};
    const struct slice document = {feed ? feed + 1 : "1", feed ? size - first.length - 1 : 1};
    if (json_scan_document(document, NULL, NULL, &error))
        return 0;
    if (!memchr(document.data, '\0', document.length))
        check_constant(document);
    if (schema_compile(&schema, first, &error))
        return 0;
    const int checked = check(schema, document);
    /* Of exactly its size. */
    char *copy = malloc(document.length);
    memcpy(copy, document.data, document.length);
    assert(check(schema, (struct slice){copy, document.length}) == checked);
    free(copy);
    schema_free(&schema);
    return 0;
}
