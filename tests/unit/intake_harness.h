/* intake_harness: streams, an intake and a hand-over for the tests of intake, all of them the real ones. */
#ifndef PENSTOCK_TESTS_INTAKE_HARNESS_H
#define PENSTOCK_TESTS_INTAKE_HARNESS_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "journal/handover.h"
#include "source/intake.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define COUNT(array) (sizeof array / sizeof *array)

/* 2026-11-21T04:00:00Z */
#define NOW INT64_C(1795233600000000)
#define HOUR (3600 * CLOCK_SECOND)

/* readings   key /sensor_id, time /created_at within 24 h before and 1 h behind
 * lines      text
 * by_header  text, key header:X-Key
 * keyless    JSON
 * events     labels type /event_type, host header:Host, site query:site, ok /ok
 * topics     key /sensor_id, labels type /event_type, unit /unit; Kafka topics ALL, SENSOR_{key}, {type}-{time:%Y}; headers
 *            x-type, x-unit
 * wrapped    the same keys, labels and headers, time /at like readings; value: envelope, topic ALL
 * logs       text, value: envelope, topic ALL
 * blobs      bytes, key header:X-Key, labels type /event_type, unit /unit, time /at
 * wrapped_blobs  bytes, value: envelope, topic ALL
 * in_lines   text, key line:id, labels site line:site, host header:Host, time line:time like readings
 * once       key /sensor_id, sequence /seq, value: envelope; once_in_header: sequence header:X-Key; once_in_lines: text, key header:X-Key, sequence line:id */
enum {
    READINGS,
    LINES,
    BY_HEADER,
    KEYLESS,
    EVENTS,
    TOPICS,
    WRAPPED,
    LOGS,
    BLOBS,
    WRAPPED_BLOBS,
    IN_LINES,
    ONCE,
    ONCE_IN_HEADER,
    ONCE_IN_LINES,
    STREAMS
};

/* What a request says: find() looks here. */
struct request {
    struct slice header;
    struct slice query;
    unsigned asked;
    struct slice line; /* what look() was given: "ID SITE TIME", of which the last ones may be missing */
    unsigned looked;
};

#define LIMITS(record, records) \
    ((struct intake_limits){record, records, "http.max_record", "http.max_records"})

struct fixture {
    struct streams *streams;
    struct intake *intake;
    struct request request;
    struct intake_facts facts;
    struct handover handover;
    struct bytes body; /* of record_at() */
    struct intake_result result;
    struct error error;
};

void set_up_with(struct fixture *f, size_t parts_limit, struct intake_limits limits);
/* 64 KiB of parts, records of 200 bytes, 150 of them. */
void set_up(struct fixture *f);
void tear_down(struct fixture *f);

int take(struct fixture *f, int stream, enum decode_form form, struct slice body);

/* The same behind what the hand-over holds: the body stands within its payloads. */
int add(struct fixture *f, int stream, enum decode_form form, struct slice body);

/* The n-th record of the hand-over, as an outlet will read it; until the next call. */
struct record record_at(struct fixture *f, size_t n);

void expect_counts(struct fixture *f, uint64_t accepted, uint64_t rejected);

#endif
