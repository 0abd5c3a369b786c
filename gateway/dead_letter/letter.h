/* letter: what the two directions of a dead letter's line agree on. Room-internal. */
#ifndef PENSTOCK_DEAD_LETTER_LETTER_H
#define PENSTOCK_DEAD_LETTER_LETTER_H

#include <stdint.h>

#include "base/bytes.h"

#define LETTER_BASE64 "_base64" /* behind the name of a member that is no text */

/* A time as a value in JSON: RFC 3339 in UTC with microseconds, in quotes; outside the years 1 to 9999, which that cannot say,
 * the number of microseconds. letter_read_time() reads the text between the quotes. */
int letter_print_time(int64_t time, struct bytes *out, struct error *error);
int letter_read_time(struct slice text, int64_t *ret_time, struct error *error);

#endif
