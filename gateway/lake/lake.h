/* lake: files that are there whole or not at all, and that prove by their names what they hold.
 *
 * The writer keeps one open file per path. A file is named
 *     {stream}+{gateway id}.{epoch, 8 hex digits}+{first}+{last}.{extension}
 * (positions padded to ten digits, growing beyond), is written under a hidden temporary name and appears by rename
 * once it is fsynced. Rules that make it exactly once: a file never mixes epochs; files of a path are published in order;
 * cursor = smallest first position of the open files minus one; after a restart positions inside the range of a
 * listed file are skipped and no new file spans a listed range.
 * @thread the outlet's
 */
#ifndef PENSTOCK_LAKE_LAKE_H
#define PENSTOCK_LAKE_LAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "record/record.h"

struct config_lake;

struct lake_options {
    const char *root; /* directory, or the URL of a store elsewhere; for that */
    const char *spool; /* a directory of this machine, made when missing, for what is not published yet, */
    const struct config_lake *config; /* its options, */
    bool (*give_up)(void *
            context); /* and whether what waits for it should end, asked several times a second; NULL: never */
    /* Why a store elsewhere is asked again and again; once for each wait that is longer than a moment, while it lasts; NULL: nobody wants to know. */
    void (*trouble)(void *context, const struct error *error);
    void *context;
    const char *
        gateway_id; /* or TOPIC+PARTITION, for the records of a partition of Kafka: file_name.h; NULL, of a store elsewhere: it is only looked at */
    bool
        take_over; /* from whoever writes under the same id, who can publish nothing any more; false: a directory of this machine refuses a second
                     * process. Stores elsewhere are taken over in any case */
    const char *json_extension; /* of lines of JSON; NULL: jsonl */
    uint64_t max_open_files;
    uint64_t roll_size; /* bytes, of a table before it is one; 0: never, as for the others */
    uint64_t roll_records;
    int64_t roll_every; /* microseconds since the file was opened */
    int64_t roll_idle; /* microseconds since its last record */
    const struct clock *clock;
};

struct lake;

/* Whether there is a store for config->url, and its options will do; if not, ret_option is the field to blame. @thread main */
int lake_check(const struct config_lake *config, const void **ret_option, struct error *error);

/* Whether the lake can have such files of such a stream; ERROR_REJECT: not with this compression, or these columns. @thread main */
int lake_check_form(
    const char *stream, enum record_format format, const struct form *form, struct error *error);

/* Each open file may need a descriptor; the usual soft limit of 1024 is for everybody. Above the hard one opening fails and
 * is tried again. @thread main, or any other that nobody does it beside */
void lake_raise_descriptors(uint64_t files);

/* Opens the root (making it), deletes own leftovers. ERROR_RETRY when the store is not there at the moment, or another
 * process with the same gateway id writes to it; ERROR_FATAL when the gateway id cannot be part of a file name. The
 * options' strings must outlive the lake. */
int lake_open(struct lake **ret_lake, const struct lake_options *options, struct error *error);
/* Drops what is open without publishing it. */
void lake_close(struct lake **lake);

struct lake_row {
    struct slice path; /* rendered, relative to the root */
    const char *stream;
    enum record_format format;
    const struct rendering *rendering; /* of a file of a table, which it has to outlive; NULL: lines */
    uint32_t epoch;
    uint64_t sequence; /* grows from row to row */
    int64_t
        received; /* microseconds since 1970; for lake_oldest_received(), and formats whose rows say it, as the next */
    struct slice key;
    int64_t time; /* microseconds since 1970 */
    struct slice payload;
};

/* Appends one row. Positions up to replay_until may already be in a published file: the path is listed then and *ret_there
 * says so (nothing is written). ERROR_REJECT: this row can never be stored (a path or stream that no directory or file
 * can be named after); nothing happened. ERROR_RETRY: the lake must be closed and everything behind the cursor read again,
 * with replay_until at the last position that was read; until it is closed every call fails. */
int lake_append(struct lake *lake, const struct lake_row *row, uint64_t replay_until, bool *ret_there,
    struct error *error);

/* Publishes what is due: by age, idleness, or all of it. Size and records are looked at in lake_append(). */
int lake_roll(struct lake *lake, bool all, struct error *error);
/* Publishes the file that holds the oldest position, if any: lets the cursor move when the journal fills. With several, the
 * next ones too, as many as the store publishes at once. */
int lake_roll_oldest(struct lake *lake, bool several, struct error *error);

/* The smallest first position of the open files; 0 when none is open. */
uint64_t lake_oldest(const struct lake *lake);
/* When the record at that position was received; 0 when no file is open. */
int64_t lake_oldest_received(const struct lake *lake);
/* Microseconds (monotonic) at which lake_roll() has something to do; INT64_MAX when never. */
int64_t lake_due(const struct lake *lake);
uint64_t lake_open_files(const struct lake *lake);
uint64_t lake_published(const struct lake *lake); /* files since it was opened */

#endif
