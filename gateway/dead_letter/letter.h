/* letter: what the two directions of a dead letter's line agree on. Room-internal. */
#ifndef PENSTOCK_DEAD_LETTER_LETTER_H
#define PENSTOCK_DEAD_LETTER_LETTER_H

#include <stdint.h>

#include "base/bytes.h"

#define LETTER_BASE64 "_base64" /* behind the name of a member that is no text */

/* What timestamp_print() writes between its quotes. */
int letter_read_time(struct slice text, int64_t *ret_time, struct error *error);

#endif
