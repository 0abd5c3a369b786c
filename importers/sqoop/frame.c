/* frame: the frame in which eval prints an answer; see sqoop.h. Drawn as Sqoop's ResultSetPrinter does it; types are as wide as PostgreSQL's JDBC driver says that they are
 * (TypeInfoCache.getDisplaySize()), whatever the values.
 */
#include "base/shown.h"
#include "sqoop/sqoop.h"

#define FRAME_WIDTH_MAX 20

/* Widths that are no number of characters. */
enum {
    FRAME_MODIFIER = -1, /* char(n), varchar(n) */
    FRAME_BITS = -2,
    FRAME_NUMERIC = -3,
    FRAME_TIME = -4,
    FRAME_TIME_ZONE = -5,
};

/* Types that may be narrower than the widest column, by their OIDs; an array is as wide as its element. */
static const struct {
    uint32_t type, array;
    int width;
} frame_types[] = {
    {16, 1000, 1}, /* bool */
    {18, 1002, 1}, /* "char" */
    {21, 1005, 6}, /* int2 */
    {23, 1007, 11}, /* int4 */
    {26, 1028, 10}, /* oid */
    {700, 1021, 15}, /* float4 */
    {1042, 1014, FRAME_MODIFIER}, /* bpchar */
    {1043, 1015, FRAME_MODIFIER}, /* varchar */
    {1082, 1182, 13}, /* date */
    {1083, 1183, FRAME_TIME}, /* time */
    {1266, 1270, FRAME_TIME_ZONE}, /* timetz */
    {1560, 1561, FRAME_BITS}, /* bit */
    {1562, 1562, FRAME_BITS}, /* varbit */
    {1700, 1231, FRAME_NUMERIC}, /* numeric */
};

static int frame_time(int32_t modifier)
{
    return 8 + (modifier < 0 ? 7 : modifier == 0 ? 0 : modifier == 1 ? 3 : modifier + 1);
}

static int frame_measure(int width, int32_t modifier)
{
    switch (width) {
    case FRAME_TIME:
        return frame_time(modifier);
    case FRAME_TIME_ZONE:
        return frame_time(modifier) + 6;
    case FRAME_BITS:
        return modifier < 0 ? FRAME_WIDTH_MAX : modifier;
    case FRAME_MODIFIER:
        return modifier < 4 ? FRAME_WIDTH_MAX : modifier - 4;
    case FRAME_NUMERIC:
        return modifier < 4 ? FRAME_WIDTH_MAX : 1 + ((modifier - 4) >> 16) + (((modifier - 4) & 0xffff) != 0);
    default:
        return width;
    }
}

size_t sqoop_frame_width(uint32_t type, int32_t modifier)
{
    for (size_t i = 0; i < sizeof frame_types / sizeof *frame_types; i++) {
        if (frame_types[i].type != type && frame_types[i].array != type)
            continue;
        const int width = frame_measure(frame_types[i].width, modifier);
        return width < FRAME_WIDTH_MAX ? (size_t)width : FRAME_WIDTH_MAX;
    }
    return FRAME_WIDTH_MAX;
}

/* As Java counts characters: those beyond the first 65536 twice. */
static size_t frame_length(struct slice text)
{
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        length += (byte & 0xc0) != 0x80;
        length += byte >= 0xf0;
    }
    return length;
}

static int frame_fill(char with, size_t count, struct bytes *text, struct error *error)
{
    if (bytes_reserve(text, count, error))
        return -1;
    memset(text->data + text->length, with, count);
    text->length += count;
    return 0;
}

int sqoop_frame_rule(const size_t *widths, size_t count, struct bytes *text, struct error *error)
{
    size_t length = 1;

    for (size_t i = 0; i < count; i++)
        length += widths[i] + 3;
    return frame_fill('-', length, text, error) || bytes_add(text, "\n", 1, error) ? -1 : 0;
}

int sqoop_frame_row(
    const char *const *values, const size_t *widths, size_t count, struct bytes *text, struct error *error)
{
    if (bytes_add(text, "| ", 2, error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const size_t begin = text->length;
        if (shown_add(text, values[i] ? values[i] : "(null)", error))
            return -1;
        const size_t length = frame_length((struct slice){text->data + begin, text->length - begin});
        if ((length < widths[i] && frame_fill(' ', widths[i] - length, text, error)) ||
            bytes_add(text, " | ", 3, error))
            return -1;
    }
    return bytes_add(text, "\n", 1, error);
}
