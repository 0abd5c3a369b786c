/* delimited_value: see delimited_value.h. */
#include "lake/format/delimited_value.h"

#include "lake/format/json_text.h"
#include "lake/format/value_text.h"

#define HEX_PIECE ((size_t)16 * 1024)

/* As org.apache.hadoop.io.BytesWritable prints: "de ad be ef"; or as PostgreSQL does: "\\xdeadbeef". */
static int value_hex(struct text_out *out, struct slice data, enum delimited_style style, struct error *error)
{
    const bool java = style == DELIMITED_JAVA;
    static const char hex[] = "0123456789abcdef";

    if (!java && text_out_add(out, slice_of("\\x"), error))
        return -1;
    for (size_t i = 0; i < data.length; i += HEX_PIECE) {
        const size_t piece = data.length - i < HEX_PIECE ? data.length - i : HEX_PIECE;
        if (text_out_room(out, 3 * piece, error))
            return -1;
        char *to = text_out_at(out);
        for (size_t j = i; j < i + piece; j++) {
            if (j && java)
                *to++ = ' ';
            *to++ = hex[(unsigned char)data.data[j] >> 4];
            *to++ = hex[data.data[j] & 15];
        }
        text_out_end(out, to);
    }
    return 0;
}

int delimited_value_put(struct text_out *out, const struct column *column, size_t row,
    const struct delimited_options *options, struct error *error)
{
    switch (column->field->type) {
    case COLUMN_BOOL: {
        const struct slice text = column->fixed[row] ? options->true_text : options->false_text;
        if (text.data)
            return text_out_add(out, text, error);
        break;
    }
    case COLUMN_NUMBER:
        return text_out_add(out, column_slice(column, row), error);
    case COLUMN_BYTES:
        return options->style == DELIMITED_ISO
                   ? text_out_base64(out, column_slice(column, row), error)
                   : value_hex(out, column_slice(column, row), options->style, error);
    case COLUMN_LIST:
        return json_text_value(out, column, row, error);
    default:
        break;
    }
    if (text_out_room(out, VALUE_TEXT_MAX, error))
        return -1;
    text_out_end(out, value_text(text_out_at(out), column, row, options->style));
    return 0;
}

const char *delimited_value_alphabet(enum column_type type, const struct delimited_options *options)
{
    static const char *const bytes[] = {
        [DELIMITED_ISO] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=",
        [DELIMITED_JAVA] = " 0123456789abcdef",
        [DELIMITED_POSTGRES] = "\\x0123456789abcdef",
    };
    static const char *const alphabets[] = {
        [COLUMN_BOOL] = "truefals",
        [COLUMN_INT32] = "-0123456789",
        [COLUMN_INT64] = "-0123456789",
        [COLUMN_FLOAT32] = "+-.0123456789eENaInfity",
        [COLUMN_FLOAT64] = "+-.0123456789eENaInfity",
        [COLUMN_DECIMAL] = "-.0123456789",
        [COLUMN_DATE] = " +-0123456789inftyBC",
        [COLUMN_TIME] = ":.0123456789",
        [COLUMN_TIMESTAMP] = " +-:.0123456789TZinftyBC",
        [COLUMN_TIMESTAMP_UTC] = " +-:.0123456789TZinftyBC",
        [COLUMN_UUID] = "-0123456789abcdef",
        [COLUMN_NUMBER] = "+-.0123456789eENaInfity",
        [COLUMN_LIST] = NULL,
    };

    if (type == COLUMN_BOOL && (options->true_text.data || options->false_text.data))
        return NULL;
    return type == COLUMN_BYTES ? bytes[options->style] : alphabets[type];
}
