/* letter_time: times in a dead letter's line; apart from letter_parse.c, for jansson and decode/ use the same names. */
#include "dead_letter/letter.h"

#include "decode/decode.h"

int letter_read_time(struct slice text, int64_t *ret_time, struct error *error)
{
    return decode_rfc3339(text, ret_time, error);
}
