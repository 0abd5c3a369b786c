/* increment: which rows of a table an incremental import reads: those whose check column is behind the last value, up to a bound below which no row can come any more.
 *
 * Naively (`> last`, and the greatest value that is seen becomes the next last one) a row is lost whose transaction commits after one that took a later value. So the
 * bound is taken first, then every transaction is waited for that writes to the table at that moment, and only then the snapshot is taken. Whole numbers and numeric
 * are read as (low, high], high being the greatest value; dates and timestamps as [low, high), high being the server's clock, or the beginning of the oldest
 * transaction that is still open: it may yet write that time. What this cannot know is left to `lag`: ids that were taken long before their INSERT, times that come
 * from the clocks of clients. Values are as the database writes them.
 */
#ifndef PENSTOCK_TABLE_INCREMENT_H
#define PENSTOCK_TABLE_INCREMENT_H

#include <stdbool.h>
#include <stdint.h>

#define INCREMENT_VALUE_MAX 256
#define INCREMENT_NAME_MAX 256
#define INCREMENT_NOTE_MAX 320

enum increment_mode {
    INCREMENT_NOT,
    INCREMENT_APPEND, /* rows are only added */
    INCREMENT_LASTMODIFIED, /* rows are changed, too: the column is a date or a timestamp */
};

struct increment_options {
    enum increment_mode mode;
    const char *column; /* exact, or in small letters */
    const char *last; /* as the user writes it; NULL: from the beginning */
    const char *job; /* whose increment this is: the manifest says so (published.h); NULL: nobody's */
    unsigned
        lag; /* seconds for dates and timestamps, else a number: what is newer than this is left to the next import */
};

/* What one import reads. */
struct increment {
    enum increment_mode mode;
    char column[INCREMENT_NAME_MAX]; /* exact */
    char type[INCREMENT_NAME_MAX]; /* as SQL casts to it */
    bool timed; /* [low, high); else (low, high] */
    char low[INCREMENT_VALUE_MAX]; /* "": open */
    char high
        [INCREMENT_VALUE_MAX]; /* the next import's last value, never before low; "": there is no row yet, nothing is read */
    uint64_t nulls; /* rows that have no value in the column, as the bound was taken: never read */
    char note[INCREMENT_NOTE_MAX]; /* for people; "": none */
};

#endif
