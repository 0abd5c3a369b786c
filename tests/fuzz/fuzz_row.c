/* Fuzzes records of JSON as rows of columns (libFuzzer), with jansson as the oracle of their values. A row is refused for not being JSON just as the scanner
 * refuses it:
 *   CC=clang cmake -S . -B build-fuzz -DPENSTOCK_TESTS=ON -DPENSTOCK_FUZZ=ON -DPENSTOCK_SANITIZE=ON
 *   cmake --build build-fuzz --target fuzz_row && build-fuzz/fuzz_row -max_total_time=60 tests/fuzz/corpus/row */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

/* jansson has enumerators of the same names. */
#define JSON_NULL SCAN_NULL
#define JSON_TRUE SCAN_TRUE
#define JSON_FALSE SCAN_FALSE
#define JSON_STRING SCAN_STRING
#define JSON_ARRAY SCAN_ARRAY
#define JSON_OBJECT SCAN_OBJECT
#include "lake/row.h"
#undef JSON_NULL
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    enum form_type type;
} columns[] = {{"i", FORM_INTEGER}, {"n", FORM_NUMBER}, {"b", FORM_BOOLEAN}, {"s", FORM_STRING},
    {"t", FORM_TIME}, {"x", FORM_SCALAR}, {"j", FORM_JSON}};
enum { COUNT = sizeof columns / sizeof *columns, REST = COUNT };

static struct error error;
static struct form strict, lenient;
static struct row_shape *strict_shape, *lenient_shape;
static struct column_batch *batch;

static void begin(void)
{
    size_t count;

    strict.file = lenient.file = FORM_PARQUET;
    lenient.misfits_rest = true;
    for (size_t i = 0; i < COUNT; i++)
        if (form_add_column(&strict, slice_of(columns[i].name), columns[i].type) ||
            form_add_column(&lenient, slice_of(columns[i].name), columns[i].type))
            abort();
    if (row_shape_new(&strict_shape, "s", RECORD_FORMAT_JSON, &strict, &error) ||
        row_shape_new(&lenient_shape, "s", RECORD_FORMAT_JSON, &lenient, &error))
        abort();
    const struct column_field *fields = row_shape_fields(lenient_shape, &count);
    if (column_batch_new(&batch, fields, count, ROW_VALUES_MAX, &error))
        abort();
}

static json_t *load(struct slice text)
{
    return json_loadb(text.data, text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static struct slice text_of(size_t place)
{
    return column_slice(&batch->columns[place], 0);
}

static bool is_text(size_t place, const json_t *value)
{
    return slice_equal(text_of(place), (struct slice){json_string_value(value), json_string_length(value)});
}

static void check_integer(const json_t *value)
{
    int64_t integer;

    memcpy(&integer, batch->columns[0].fixed, sizeof integer);
    assert(json_is_integer(value) ? integer == json_integer_value(value)
                                  : json_is_real(value) && (double)integer == json_real_value(value));
}

static void check_number(const json_t *value)
{
    double number;

    memcpy(&number, batch->columns[1].fixed, sizeof number);
    assert(json_is_number(value) && number == json_number_value(value));
}

static void check_time(const json_t *value)
{
    int64_t time, right;

    memcpy(&time, batch->columns[4].fixed, sizeof time);
    assert(decode_rfc3339(
               (struct slice){json_string_value(value), json_string_length(value)}, &right, &error) == 0);
    assert(time == right);
}

static void check_scalar(size_t place, const json_t *value)
{
    json_t *said = NULL;

    if (json_is_string(value)) {
        assert(is_text(place, value));
        return;
    }
    said = load(text_of(place));
    assert(said && json_equal(said, value) && !json_is_object(value) && !json_is_array(value));
    json_decref(said);
}

/* What stands in the column is this. */
static void check_value(size_t place, const json_t *value)
{
    json_t *said = NULL;

    switch (columns[place].type) {
    case FORM_INTEGER:
        check_integer(value);
        break;
    case FORM_NUMBER:
        check_number(value);
        break;
    case FORM_BOOLEAN:
        assert(json_is_boolean(value) && batch->columns[place].fixed[0] == json_is_true(value));
        break;
    case FORM_STRING:
        assert(json_is_string(value) && is_text(place, value));
        break;
    case FORM_TIME:
        check_time(value);
        break;
    case FORM_SCALAR:
        check_scalar(place, value);
        break;
    case FORM_JSON:
        said = load(text_of(place));
        assert(said && json_equal(said, value));
        json_decref(said);
    }
}

/* What is no value of its column, where the oracle knows it for sure. */
static bool fits(enum form_type type, const json_t *value)
{
    return (type == FORM_INTEGER && json_is_integer(value)) ||
           (type == FORM_NUMBER && json_is_number(value)) ||
           (type == FORM_BOOLEAN && json_is_boolean(value)) ||
           (type == FORM_STRING && json_is_string(value)) ||
           (type == FORM_SCALAR && !json_is_object(value) && !json_is_array(value)) || type == FORM_JSON;
}

/* Each member stands in its column or in the rest. Returns those that do not fit. */
static size_t check_columns(json_t *root, json_t *rest)
{
    size_t misfits = 0;

    for (size_t i = 0; i < COUNT; i++) {
        const json_t *value = json_object_get(root, columns[i].name);
        const bool valid = batch->columns[i].valid[0];
        if (valid) {
            assert(value);
            check_value(i, value);
        } else if (value && !json_is_null(value)) {
            assert(!fits(columns[i].type, value));
            assert(json_equal(json_object_get(rest, columns[i].name), value));
            misfits++;
        }
        if (valid || !value || json_is_null(value))
            assert(!json_object_get(rest, columns[i].name));
        json_object_del(root, columns[i].name);
        json_object_del(rest, columns[i].name);
    }
    return misfits;
}

static void check_rest(json_t *root, bool *ret_misfits)
{
    const bool has_rest = batch->columns[REST].valid[0];
    json_t *rest = has_rest ? load(text_of(REST)) : json_object();

    assert(rest);
    if (json_is_object(root)) {
        assert(!has_rest || json_object_size(rest));
        *ret_misfits = check_columns(root, rest) > 0;
    } else {
        *ret_misfits = true;
    }
    assert(json_equal(root, rest));
    json_decref(rest);
}

static void check_json(struct slice text, struct slice kept)
{
    const struct row row = {.kept = kept};
    struct slice ignored;
    bool misfits;

    column_batch_clear(batch);
    if (row_add(lenient_shape, &row, batch, &error))
        abort();
    const bool refused = row_check(strict_shape, text, &ignored, &error) != 0;
    json_t *root = load(text);
    if (!root)
        return; /* numbers that are too large for it, names with U+0000 */
    check_rest(root, &misfits);
    assert(refused == misfits);
    json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size); /* of exactly its size */
    const struct slice document = {text, size};
    struct error scanned;
    struct slice kept;

    if (!batch)
        begin();
    if (size)
        memcpy(text, data, size);
    const bool valid = json_scan_document(document, NULL, NULL, &scanned) == 0;
    const bool taken = row_check(lenient_shape, document, &kept, &error) == 0;
    assert(taken == valid);
    if (taken)
        check_json(document, kept);
    else
        assert(strcmp(error.text + strlen("not JSON: "), scanned.text) == 0);
    free(text);
    return 0;
}
