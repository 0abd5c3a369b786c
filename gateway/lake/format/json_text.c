/* json_text: see json_text.h. */
#include "lake/format/json_text.h"

#include "base/json_escape.h"
#include "lake/format/text_word.h"
#include "lake/format/value_text.h"

/* Of bytes that must be escaped (RFC 8259 section 7), in a text of fewer or exactly eight. */
static inline uint64_t json_marks(uint64_t word)
{
    return text_word_below(word, 0x20) | text_word_equal(word, TEXT_WORD_ONES * '"') |
           text_word_equal(word, TEXT_WORD_ONES * '\\');
}

/* There is room for JSON_ESCAPE_MAX times the text, and for eight bytes more. */
static char *json_copy(char *to, struct slice text)
{
    while (text.length) {
        const size_t step = text.length < 8 ? text.length : 8;
        const uint64_t word = text.length < 8 ? text_word_tail(text.data, text.length) : text_word(text.data);
        uint64_t marks = json_marks(word);

        put_u64(to, word);
        if (step < 8)
            marks &= (UINT64_C(1) << 8 * step) - 1;
        if (!marks) {
            to += step;
            text = (struct slice){text.data + step, text.length - step};
            continue;
        }
        const size_t safe = text_word_first(marks);
        to = json_escape(to + safe, text.data[safe]);
        text = (struct slice){text.data + safe + 1, text.length - safe - 1};
    }
    return to;
}

int json_text_string(struct text_out *out, struct slice text, struct error *error)
{
    bool first = true;

    do {
        const size_t piece = text.length < TEXT_OUT_PIECE ? text.length : TEXT_OUT_PIECE;
        if (text_out_room(out, JSON_ESCAPE_MAX * piece + sizeof(uint64_t) + 2, error))
            return -1;
        char *to = text_out_at(out);
        if (first)
            *to++ = '"';
        first = false;
        to = json_copy(to, (struct slice){text.data, piece});
        text = (struct slice){text.data + piece, text.length - piece};
        if (!text.length)
            *to++ = '"';
        text_out_end(out, to);
    } while (text.length);
    return 0;
}

/* Of a number's text: NaN and the infinities end with a letter. */
static bool json_is_number(const char *end)
{
    return end[-1] <= '9';
}

static int json_text_fixed(struct text_out *out, const struct column *column, size_t row, struct error *error)
{
    const enum column_type type = column->field->type;

    if (text_out_room(out, VALUE_TEXT_MAX + 2, error))
        return -1;
    char *to = text_out_at(out);
    *to = '"';
    char *end = value_text(to + 1, column, row, DELIMITED_ISO);
    const bool bare =
        type <= COLUMN_INT64 || type == COLUMN_DECIMAL || (type <= COLUMN_FLOAT64 && json_is_number(end));
    if (bare)
        memmove(to, to + 1, (size_t)(end-- - to) - 1);
    else
        *end++ = '"';
    text_out_end(out, end);
    return 0;
}

static int json_text_bytes(struct text_out *out, struct slice data, struct error *error)
{
    const struct slice quote = {"\"", 1};

    return text_out_add(out, quote, error) || text_out_base64(out, data, error) ||
                   text_out_add(out, quote, error)
               ? -1
               : 0;
}

/* A value that is no list. */
static int json_text_single(
    struct text_out *out, const struct column *column, size_t row, struct error *error)
{
    if (!column->valid[row])
        return text_out_add(out, (struct slice){"null", 4}, error);
    switch (column->field->type) {
    case COLUMN_NUMBER: {
        struct slice text = column_slice(column, row);
        return json_is_number(text.data + text.length) ? text_out_add(out, text, error)
                                                       : json_text_string(out, text, error);
    }
    case COLUMN_STRING:
        return json_text_string(out, column_slice(column, row), error);
    case COLUMN_JSON:
        return text_out_add(out, column_slice(column, row), error);
    case COLUMN_BYTES:
        return json_text_bytes(out, column_slice(column, row), error);
    default:
        return json_text_fixed(out, column, row, error);
    }
}

int json_text_value(struct text_out *out, const struct column *column, size_t row, struct error *error)
{
    const struct column *element = column->element;

    if (!element || !column->valid[row])
        return json_text_single(out, column, row, error);
    const uint32_t begin = column_begin(column, row);
    bool failed = text_out_add(out, (struct slice){"[", 1}, error);
    for (uint32_t i = begin; i < column->ends[row] && !failed; i++)
        failed = (i > begin && text_out_add(out, (struct slice){",", 1}, error)) ||
                 json_text_single(out, element, i, error);
    return failed || text_out_add(out, (struct slice){"]", 1}, error) ? -1 : 0;
}
