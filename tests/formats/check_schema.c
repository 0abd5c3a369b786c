/* check_schema: documents held against schemas, for test_schema.py, which knows what a foreign validator says of them.
 *
 * Reads pairs of lines, a schema and a document; writes a line for each: "valid", "invalid WHY", or "schema WHY" where it is no schema.
 *   check_schema <pairs
 *   check_schema bench SCHEMA_FILE DOCUMENT_FILE   nanoseconds of a scan, and of a check behind it: the least of many rounds */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "decode/decode.h"

static struct schema_scratch *scratch;
static struct error error;

static int check(struct slice text, struct slice document)
{
    __attribute__((cleanup(schema_free))) struct schema *schema = NULL;

    if (schema_compile(&schema, text, &error))
        return printf("schema %s\n", error.text);
    if (json_scan_document(document, NULL, NULL, &error))
        return printf("document %s\n", error.text);
    if (schema_scratch_fit(scratch, schema, &error))
        abort();
    schema_scratch_renew(scratch, SCHEMA_STEPS_BODY);
    return schema_check(schema, scratch, document, &error) ? printf("invalid %s\n", error.text)
                                                           : printf("valid\n");
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct slice read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    char *text = calloc(1, 1 << 20);

    if (!file || !text)
        abort();
    const size_t length = fread(text, 1, 1 << 20, file);
    fclose(file);
    return (struct slice){text, length};
}

static int bench(const char *schema_name, const char *document_name)
{
    enum { ROUNDS = 50, TIMES = 20000 };
    struct slice document = read_file(document_name);
    double scan = 1e9, checked = 1e9;
    struct schema *schema;

    if (schema_compile(&schema, read_file(schema_name), &error) ||
        schema_scratch_fit(scratch, schema, &error) || json_scan_document(document, NULL, NULL, &error) ||
        schema_check(schema, scratch, document, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        double from = seconds();
        for (int i = 0; i < TIMES; i++)
            json_scan_document(document, NULL, NULL, &error);
        const double between = seconds();
        for (int i = 0; i < TIMES; i++)
            schema_check(schema, scratch, document, &error);
        const double to = seconds();
        scan = between - from < scan ? between - from : scan;
        checked = to - between < checked ? to - between : checked;
    }
    printf("%zu bytes: scan %.0f ns, check %.0f ns\n", document.length, scan * 1e9 / TIMES,
        checked * 1e9 / TIMES);
    schema_free(&schema);
    return 0;
}

int main(int count, char **arguments)
{
    char *lines[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    ssize_t lengths[2];

    if (schema_scratch_new(&scratch, &error))
        abort();
    if (count == 4 && strcmp(arguments[1], "bench") == 0)
        return bench(arguments[2], arguments[3]);
    while ((lengths[0] = getline(&lines[0], &sizes[0], stdin)) > 0 &&
           (lengths[1] = getline(&lines[1], &sizes[1], stdin)) > 0)
        check((struct slice){lines[0], (size_t)lengths[0]}, (struct slice){lines[1], (size_t)lengths[1]});
    free(lines[0]);
    free(lines[1]);
    schema_scratch_free(&scratch);
    return 0;
}
