/* import_value: values on the command line of `penstock import`; see import_options.h. */
#include <errno.h>
#include <stdlib.h>

#include "command/import_options.h"

/* ---- lists ------------------------------------------------------------------------------------------------------- */

int import_list_add(struct import_list *list, const char *text, struct error *error)
{
    if (list->count == IMPORT_NAMES_MAX)
        return error_set(error, ERROR_REJECT, "more than %d names", IMPORT_NAMES_MAX);
    const char **grown = realloc(list->names, (list->count + 1) * sizeof(*grown));
    if (!grown)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    list->names = grown;
    list->names[list->count++] = text;
    return 0;
}

/* A text of which `kept` takes care. */
static int list_add_made(
    struct import_options *options, struct import_list *list, char *text, struct error *error)
{
    if (!text)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    if (import_list_add(&options->kept, text, error)) {
        free(text);
        return -1;
    }
    return import_list_add(list, text, error);
}

static int take_names(
    struct import_options *options, struct import_list *list, const char *value, struct error *error)
{
    for (const char *at = value;; at++) {
        const size_t length = strcspn(at, ",");
        if (length == 0)
            return error_set(error, ERROR_REJECT, "\"%s\" has an empty name in it", value);
        if (list_add_made(options, list, strndup(at, length), error))
            return -1;
        at += length;
        if (!*at)
            return 0;
    }
}

/* The schema is named exactly: in quotes. */
static int take_schema(
    struct import_options *options, struct import_list *list, const char *value, struct error *error)
{
    char *text = malloc(2 * strlen(value) + sizeof "\"\".*"), *to = text;

    if (text) {
        *to++ = '"';
        for (const char *at = value; *at; at++) {
            if (*at == '"')
                *to++ = '"';
            *to++ = *at;
        }
        memcpy(to, "\".*", sizeof "\".*");
    }
    return list_add_made(options, list, text, error);
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

/* One character, or one of the escapes that Sqoop's user guide lists: \b \n \r \t \" \' \\ \0, \0OOO octal, \0xHH hexadecimal. */
static int take_character(const char *value, char *ret_character, struct error *error)
{
    static const char plain[] = "b\bn\nr\rt\t\"\"''\\\\";
    char *end = NULL;
    unsigned long number;

    if (value[0] && !value[1]) {
        *ret_character = value[0];
        return 0;
    }
    if (value[0] == '\\' && value[1] && !value[2] && value[1] != '0') {
        for (const char *at = plain; *at; at += 2) {
            if (*at == value[1]) {
                *ret_character = at[1];
                return 0;
            }
        }
    }
    if (value[0] == '\\' && value[1] == '0') {
        const bool hexadecimal = value[2] == 'x';
        const char *digits = value + (hexadecimal ? 3 : 1);
        number = strtoul(digits, &end, hexadecimal ? 16 : 8);
        if (end != digits && !*end && number < 256 && *digits != '-' && *digits != '+') {
            *ret_character = (char)number;
            return 0;
        }
    }
    return error_set(error, ERROR_REJECT, "\"%s\" is not one character", value);
}

static int take_number(
    const struct import_row *row, const char *value, unsigned *ret_number, struct error *error)
{
    char *end;

    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (end == value || *end || errno || *value < '0' || *value > '9' || number < row->least ||
        number > row->most)
        return error_set(
            error, ERROR_REJECT, "\"%s\" is not a number from %u to %u", value, row->least, row->most);
    *ret_number = (unsigned)number;
    return 0;
}

static int take_size(const char *value, size_t *ret_size, struct error *error)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    char *end;

    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != value && !errno; i++) {
        if (strcmp(end, units[i].unit) == 0 && number > 0 && number <= READ_ROW_MAX >> units[i].shift &&
            *value != '-') {
            *ret_size = (size_t)number << units[i].shift;
            return 0;
        }
    }
    return error_set(error, ERROR_REJECT, "\"%s\" is not a size from 1 to 1GiB", value);
}

static int take_choice(
    const struct import_row *row, const char *value, unsigned *ret_choice, struct error *error)
{
    unsigned number = 0;

    for (const char *at = row->choices; *at; number++) {
        const size_t length = strcspn(at, "|");
        if (strlen(value) == length && memcmp(at, value, length) == 0) {
            *ret_choice = number;
            return 0;
        }
        at += length + (at[length] == '|');
    }
    return error_set(error, ERROR_REJECT, "\"%s\" is none of %s", value, row->choices);
}

static int take_decimal(struct pg_type_options *types, const char *value, struct error *error)
{
    char *end;
    unsigned long precision = strtoul(value, &end, 10), scale = 0;
    bool good = end != value && *end == ',';

    if (good) {
        const char *second = end + 1;
        scale = strtoul(second, &end, 10);
        good = end != second && !*end;
    }
    if (!good || precision < 1 || precision > COLUMN_DECIMAL_PRECISION_MAX || scale > precision)
        return error_set(error, ERROR_REJECT, "\"%s\" is not PRECISION,SCALE with at most %d digits", value,
            COLUMN_DECIMAL_PRECISION_MAX);
    types->numeric_precision = (uint8_t)precision;
    types->numeric_scale = (uint8_t)scale;
    return 0;
}

static int take_enclosed(
    const struct import_row *row, struct delimited_options *delimited, const char *value, struct error *error)
{
    delimited->quoting = (enum delimited_quoting)row->least;
    return take_character(value, &delimited->enclosure, error);
}

int import_value_take(
    struct import_options *options, const struct import_row *row, const char *value, struct error *error)
{
    void *at = (char *)options + row->offset;

    options->delimiters_given |= row->delimiter;
    switch (row->kind) {
    case TAKE_TEXT:
        *(const char **)at = value;
        return 0;
    case TAKE_FLAG:
        *(bool *)at = true;
        return 0;
    case TAKE_LIST:
        return import_list_add(at, value, error);
    case TAKE_NAMES:
        return take_names(options, at, value, error);
    case TAKE_SCHEMA:
        return take_schema(options, at, value, error);
    case TAKE_ALL:
        return import_list_add(at, row->choices, error);
    case TAKE_CHARACTER:
        return take_character(value, at, error);
    case TAKE_SLICE:
        *(struct slice *)at = slice_of(value);
        return 0;
    case TAKE_NUMBER:
        return take_number(row, value, at, error);
    case TAKE_SIZE:
        return take_size(value, at, error);
    case TAKE_CHOICE:
        return take_choice(row, value, at, error);
    case TAKE_ENCLOSED:
        return take_enclosed(row, at, value, error);
    case TAKE_RESUME:
        if (take_choice(row, value ? value : "", at, error))
            return -1;
        ++*(unsigned *)at;
        return 0;
    case TAKE_DECIMAL:
        return take_decimal(at, value, error);
    }
    return error_set(error, ERROR_FATAL, "unknown kind of option");
}
