/* What files in the lake are, from options and a schema, and schemas by their names. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lake/forms.h"
#include "lake/schema_file.h"

static struct error error;
static char source[] = "source", parquet[] = "parquet", avro[] = "avro", csv[] = "csv", none[] = "none",
            standard[] = "default", gzip[] = "gzip", snappy[] = "snappy", rest[] = "rest",
            letter[] = "dead-letter";

static struct schema *schema_of(const char *text)
{
    struct schema *schema = NULL;

    cr_assert_eq(schema_compile(&schema, slice_of(text), &error), 0, "%s", error.text);
    return schema;
}

/* Compiles, and is what the form has to say; NULL: what blames `field` with words. */
static void refuses(const struct config_files *files, enum record_format format, const char *schema_text,
    const void *field, const char *words)
{
    struct schema *schema = schema_text ? schema_of(schema_text) : NULL;
    struct form form = {0};
    const void *blamed = NULL;

    cr_assert_eq(form_compile(files, "t", format, schema, &form, &blamed, &error), -1, "%s", words);
    cr_expect_eq(error.kind, ERROR_REJECT);
    cr_expect(strstr(error.text, words), "%s", error.text);
    cr_expect(blamed == field, "%s", words);
    form_clear(&form);
    schema_free(&schema);
}

Test(forms, columns_are_the_properties_of_the_schema)
{
    const struct config_files files = {parquet, standard, rest};
    struct schema *schema = schema_of(
        "{\"properties\":{\"a\":{},\"b\":{\"type\":\"integer\"},\"c\":{\"type\":\"number\"},\"d\":{\"type\":[\"boolean\",\"null\"]},"
        "\"e\":{\"type\":\"string\"},\"f\":{\"type\":\"string\",\"format\":\"date-time\"},\"g\":{\"type\":[\"string\",\"number\"]}}}");
    static const enum form_type types[] = {
        FORM_JSON, FORM_INTEGER, FORM_NUMBER, FORM_BOOLEAN, FORM_STRING, FORM_TIME, FORM_SCALAR};
    struct form form = {0};
    const void *field;

    cr_assert_eq(
        form_compile(&files, "t", RECORD_FORMAT_JSON, schema, &form, &field, &error), 0, "%s", error.text);
    cr_assert_eq(form.file, FORM_PARQUET);
    cr_assert_eq(form.codec, FORM_ZSTD);
    cr_assert(form.misfits_rest);
    cr_assert_eq(form.columns_count, sizeof types / sizeof *types);
    for (size_t i = 0; i < form.columns_count; i++) {
        cr_expect_eq(form.columns[i].type, types[i]);
        cr_expect_eq(form.columns[i].name[0], (char)('a' + i));
    }
    form_clear(&form);
    schema_free(&schema);
}

Test(forms, texts_need_no_schema_and_lines_no_form)
{
    const struct config_files table = {csv, standard, letter}, lines = {source, none, letter};
    struct form form = {0};
    const void *field;

    cr_assert_eq(form_compile(&table, "t", RECORD_FORMAT_TEXT, NULL, &form, &field, &error), 0);
    cr_assert(form.file == FORM_CSV && form.codec == FORM_PLAIN && form.columns_count == 0);
    form_clear(&form);
    cr_assert_eq(form_compile(&lines, "t", RECORD_FORMAT_JSON, NULL, &form, &field, &error), 0);
    cr_assert_eq(form.file, FORM_SOURCE);
}

Test(forms, what_cannot_be_is_blamed_on_its_option)
{
    const struct config_files table = {parquet, standard, letter}, packed = {avro, gzip, letter},
                              lines = {source, gzip, letter}, rows = {csv, snappy, letter};
    static char many[64 * 1024];
    size_t used = 0;

    refuses(&table, RECORD_FORMAT_JSON, NULL, &table.format, "'parquet' needs a schema");
    refuses(&packed, RECORD_FORMAT_TEXT, NULL, &packed.compression, "avro has no gzip");
    refuses(&lines, RECORD_FORMAT_JSON, NULL, &lines.compression, "are not compressed");
    refuses(&rows, RECORD_FORMAT_TEXT, NULL, &rows.compression, "snappy");
    refuses(&table, RECORD_FORMAT_JSON, "{\"properties\":{\"_key\":{}}}", &table.format, "property _key");
    refuses(&table, RECORD_FORMAT_JSON, "{\"properties\":{\"\":{}}}", &table.format, "without a name");
    refuses(&table, RECORD_FORMAT_JSON, "{\"properties\":{\"a\\u0001\":{}}}", &table.format,
        "control characters");
    for (int i = 0; i <= (int)FORM_COLUMNS_MAX; i++)
        used += (size_t)snprintf(
            many + used, sizeof many - used, "%s\"c%d\":{}", i ? "," : "{\"properties\":{", i);
    snprintf(many + used, sizeof many - used, "}}");
    refuses(&table, RECORD_FORMAT_JSON, many, &table.format, "501 properties");
    used = 0;
    for (int i = 0; i < 45; i++)
        used += (size_t)snprintf(
            many + used, sizeof many - used, "%s\"%01000d\":{}", i ? "," : "{\"properties\":{", i);
    snprintf(many + used, sizeof many - used, "}}");
    refuses(&table, RECORD_FORMAT_JSON, many, &table.format, "bytes in the journal");
}

/* ---- by their names ----------------------------------------------------------------------------------------- */

static void no_schema(const char *name, const char *words)
{
    struct schema *schema = NULL;
    uint64_t hash;

    cr_assert_eq(schema_load(name, &schema, &hash, &error), -1);
    cr_expect(strstr(error.text, words), "%s", error.text);
    cr_expect_null(schema);
}

Test(schema_file, is_one_of_our_own_or_a_file)
{
    char path[] = "/tmp/penstock-schema-XXXXXX.json";
    const int file = mkstemps(path, 5);
    struct schema *schema = NULL;
    uint64_t own, hash;

    cr_assert_eq(schema_load("reading.v1", &schema, &own, &error), 0, "%s", error.text);
    cr_assert_gt(schema_properties_count(schema), 0);
    schema_free(&schema);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, "{\"properties\":{\"a\":{}}}", 23), 23);
    cr_assert_eq(schema_load(path, &schema, &hash, &error), 0, "%s", error.text);
    cr_assert_eq(schema_properties_count(schema), 1);
    cr_assert_neq(hash, own);
    schema_free(&schema);
    cr_assert_eq(ftruncate(file, 1), 0);
    no_schema(path, path);
    close(file);
    unlink(path);
    no_schema(path, path);
    no_schema("nothing.v1", "'nothing.v1' is no schema that comes with penstock");
    no_schema(".json", "'.json' is no schema that comes with penstock");
}
