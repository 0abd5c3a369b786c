/* timestamp: a moment as text. @thread any */
#ifndef PENSTOCK_BASE_TIMESTAMP_H
#define PENSTOCK_BASE_TIMESTAMP_H

#include <stdint.h>

#include "base/bytes.h"

#define TIMESTAMP_MAX 29 /* bytes that timestamp_print() appends at most */

/* Appends the time (microseconds since 1970 UTC) as a value of JSON: RFC 3339 in UTC with microseconds, in quotes:
 * "2026-01-02T03:04:05.678901Z"; outside the years 1 to 9999, which that cannot say, the number of microseconds. */
int timestamp_print(int64_t time, struct bytes *out, struct error *error);

#endif
