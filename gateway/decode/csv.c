/* csv: see csv.h */
#include "decode/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_escape.h"
#include "base/utf8.h"
#include "decode/json_internal.h"

/* ---- fields of a row ------------------------------------------------------------------------------------------------ */

struct csv_field {
    struct slice text; /* without the quotes around it; those inside are still doubled */
    bool quoted;
};

/* The quote that closes a field whose text begins or goes on here; NULL: none does. */
static const char *field_close(const char *p, const char *end)
{
    while ((p = memchr(p, '"', (size_t)(end - p))) && end - p > 1 && p[1] == '"')
        p += 2;
    return p;
}

bool csv_is_open(const struct csv_form *form, bool open, struct slice line)
{
    const char *p = line.data, *end = p + line.length;

    if (!open && !memchr(p, '"', line.length))
        return false;
    for (;;) {
        if (!open && p < end && *p == '"') {
            open = true;
            p++;
        }
        if (open && !(p = field_close(p, end)))
            return true;
        open = false;
        p = memchr(p, form->delimiter, (size_t)(end - p));
        if (!p)
            return false;
        p++;
    }
}

static struct slice row_text(struct slice row)
{
    row.length -= row.length && row.data[row.length - 1] == '\n';
    row.length -= row.length && row.data[row.length - 1] == '\r';
    return row;
}

bool csv_is_blank(struct slice row)
{
    return row_text(row).length == 0;
}

/* What is left of a row; data NULL: nothing, not even an empty field. */
static int row_next(
    const struct csv_form *form, struct slice *rest, struct csv_field *ret_field, struct error *error)
{
    const char *from = rest->data, *end = from + rest->length, *to;

    *ret_field = (struct csv_field){.quoted = from < end && *from == '"'};
    if (ret_field->quoted) {
        to = field_close(++from, end);
        if (!to)
            return error_set(error, ERROR_REJECT, "a quoted field has no closing quote");
        ret_field->text = (struct slice){from, (size_t)(to++ - from)};
        if (to < end && *to != form->delimiter)
            return error_set(error, ERROR_REJECT, "a quoted field has text behind its closing quote");
    } else {
        to = memchr(from, form->delimiter, rest->length);
        to = to ? to : end;
        ret_field->text = (struct slice){from, (size_t)(to - from)};
    }
    *rest = to < end ? (struct slice){to + 1, (size_t)(end - to - 1)} : (struct slice){NULL, 0};
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

struct csv_out {
    char *at, *end;
};

static int out_add(struct csv_out *out, const char *data, size_t length, struct error *error)
{
    if ((size_t)(out->end - out->at) < length)
        return error_set(error, ERROR_RETRY, "the object needs more room");
    out->at = mempcpy(out->at, data, length);
    return 0;
}

/* What cannot stand in a string as it is: one character. */
static int out_add_special(struct csv_out *out, const char *p, const char *end, struct error *error)
{
    char escaped[JSON_ESCAPE_MAX];
    const size_t sequence = utf8_sequence(p, (size_t)(end - p));

    if (sequence == 0)
        return error_set(error, ERROR_REJECT, "its text is not valid UTF-8");
    return sequence > 1 ? out_add(out, p, sequence, error)
                        : out_add(out, escaped, (size_t)(json_escape(escaped, *p) - escaped), error);
}

static int out_add_string(struct csv_out *out, const struct csv_field *field, struct error *error)
{
    const char *p = field->text.data, *end = p + field->text.length;

    if (out_add(out, "\"", 1, error))
        return -1;
    while (p < end) {
        const char *special = json_string_plain(p, end);
        if (out_add(out, p, (size_t)(special - p), error))
            return -1;
        p = special;
        if (p == end)
            break;
        if (out_add_special(out, p, end, error))
            return -1;
        p += utf8_need((unsigned char)*p) + (field->quoted && *p == '"');
    }
    return out_add(out, "\"", 1, error);
}

static bool field_is_number(const struct csv_field *field)
{
    const struct slice text = field->text;
    struct error ignored;

    /* What begins so is a number or nothing; blanks may stand behind one. */
    return !field->quoted && text.length && memchr("-0123456789", text.data[0], 11) &&
           memchr("0123456789", text.data[text.length - 1], 10) &&
           json_scan_document(text, NULL, NULL, &ignored) == 0;
}

/* ---- the header ----------------------------------------------------------------------------------------------------- */

/* The names as objects have them: "NAME": one behind the other. */
struct csv_header {
    size_t count;
    struct slice *names; /* in text */
    char text[];
};

void csv_header_free(struct csv_header **header)
{
    if (*header)
        free((*header)->names);
    free(*header);
    *header = NULL;
}

static int name_compare(const void *one, const void *other)
{
    const struct slice *a = one, *b = other;
    const int order = memcmp(a->data, b->data, a->length < b->length ? a->length : b->length);

    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int header_check(const struct csv_header *header, struct error *error)
{
    struct slice *sorted = malloc(header->count * sizeof *sorted);
    size_t twice = 0;

    if (!sorted)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE: malloc failed */
    memcpy(sorted, header->names, header->count * sizeof *sorted);
    qsort(sorted, header->count, sizeof *sorted, name_compare);
    for (size_t i = 1; i < header->count && !twice; i++)
        twice = slice_equal(sorted[i - 1], sorted[i]) ? i : 0;
    if (twice)
        error_set(error, ERROR_REJECT, "the header has the name %.*s twice", (int)sorted[twice].length - 1,
            sorted[twice].data);
    free(sorted);
    return twice ? -1 : 0;
}

static int header_fill(struct csv_header *header, const struct csv_form *form, struct slice row, size_t room,
    struct error *error)
{
    struct csv_out out = {header->text, header->text + room};
    struct csv_field field;

    for (; row.data; header->count++) {
        struct slice *name = &header->names[header->count];
        name->data = out.at;
        if (row_next(form, &row, &field, error))
            return error_wrap(error, "the header");
        if (field.text.length && memchr(field.text.data, '\0', field.text.length))
            return error_set(error, ERROR_REJECT, "the header has a NUL in a name");
        if (out_add_string(&out, &field, error) || out_add(&out, ":", 1, error))
            return error_wrap(error, "the header");
        name->length = (size_t)(out.at - name->data);
    }
    return header_check(header, error);
}

int csv_header_new(
    struct csv_header **ret_header, const struct csv_form *form, struct slice row, struct error *error)
{
    struct csv_header *header __attribute__((cleanup(csv_header_free))) = NULL;
    size_t most = 1, room;

    row = row_text(row);
    for (size_t i = 0; i < row.length; i++)
        most += row.data[i] == form->delimiter;
    room = JSON_ESCAPE_MAX * row.length + 3 * most;
    header = calloc(1, sizeof *header + room);
    if (header)
        header->names = calloc(most, sizeof *header->names);
    if (!header || !header->names)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE: calloc failed */
    if (header_fill(header, form, row, room, error))
        return -1;
    *ret_header = header;
    header = NULL;
    return 0;
}

/* ---- a row ---------------------------------------------------------------------------------------------------------- */

static int object_add(struct csv_out *out, const struct csv_form *form, struct slice name,
    const struct csv_field *field, struct error *error)
{
    if (out_add(out, name.data, name.length, error))
        return -1;
    return form->numbers && field_is_number(field) ? out_add(out, field->text.data, field->text.length, error)
                                                   : out_add_string(out, field, error);
}

int csv_object(const struct csv_header *header, const struct csv_form *form, struct slice row, char *out,
    size_t room, size_t *ret_length, struct error *error)
{
    struct csv_out to = {out, out + room};
    struct slice rest = row_text(row);
    struct csv_field field;
    size_t count = 0;

    for (; rest.data; count++) {
        if (row_next(form, &rest, &field, error))
            return -1;
        if (count < header->count && (out_add(&to, count ? "," : "{", 1, error) ||
                                         object_add(&to, form, header->names[count], &field, error)))
            return -1;
    }
    if (count != header->count)
        return error_set(
            error, ERROR_REJECT, "it has %zu fields, and the header has %zu names", count, header->count);
    if (out_add(&to, "}", 1, error))
        return -1;
    *ret_length = (size_t)(to.at - out);
    return 0;
}
