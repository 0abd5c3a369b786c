/* time_internal: what the two readers of times share (time.c, time_format.c); nobody else includes it. */
#ifndef PENSTOCK_DECODE_TIME_INTERNAL_H
#define PENSTOCK_DECODE_TIME_INTERNAL_H

#include "decode/decode.h"

#define SECOND INT64_C(1000000)

struct moment {
    int year, month, day, hour, minute, second;
    int64_t fraction; /* microseconds */
    int offset; /* minutes east of Greenwich */
};

/* Each takes something from the front of the text, or returns -1. */
/* A number of exactly `count` digits that lies within first..last. */
int take_number(struct slice *text, size_t count, int first, int last, int *ret_number);
int take_one_of(struct slice *text, const char *allowed, char *ret_char);
/* Digits behind a point, added to *ret_fraction; those beyond microseconds are dropped. */
int take_fraction(struct slice *text, int64_t *ret_fraction);

int days_in_month(int year, int month);
/* ERROR_REJECT: outside the years, or a leap second where there can be none. */
int moment_time(const struct moment *moment, int64_t *ret_time, struct error *error);

#endif
