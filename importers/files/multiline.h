/* multiline: which lines of a file are one record. Pure. @thread files
 *
 * A record's first line puts it into a state; each line behind it is held against the rules of that state, and the first one that takes it
 * says the next state. A line that no rule takes begins the next record, and a state without rules ends its record at once. State 0 is
 * before a record's first line; a first line that no rule takes is a record by itself.
 *
 * The presets know the stack traces of
 *   java    what the JVM prints, from the line with the exception on: its frames, causes, and what was suppressed. Behind a message of several
 *           lines, which look as any other lines do, the frames and the rest begin a record
 *   python  from "Traceback (most recent call last):" up to and with the line of the exception; groups of exceptions
 *   go      panic: and fatal error:, and the goroutines behind it
 * The log line before a trace is a record of its own; for those that belong together there is `start`.
 *
 * A line of more than `most` bytes is a record by itself, and parts of it are cut as lines_cut() does. A record that would get longer than
 * `most` bytes, or `lines` lines, is cut between two lines, and goes on behind the cut in a state that is not 0.
 */
#ifndef PENSTOCK_FILES_MULTILINE_H
#define PENSTOCK_FILES_MULTILINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "files/charset.h"

struct multiline;

struct multiline_options {
    const char *preset; /* none, java, python, go */
    const char
        *start; /* patterns (base/regex.h); "": none. With both, what matches neither is a record by itself */
    const char *next;
    uint64_t lines; /* of a record, at most */
};

/* Whether there is anything about several lines in them. */
bool multiline_is_wanted(const struct multiline_options *options);

/* ERROR_REJECT: a pattern is none. */
int multiline_new(
    struct multiline **ret_multiline, const struct multiline_options *options, struct error *error);
void multiline_free(struct multiline **multiline);

enum multiline_end {
    MULTILINE_WAITS, /* more may come behind the block */
    MULTILINE_LINES, /* nothing has come for long: what there is of whole lines is the record */
    MULTILINE_ENDS, /* nothing will come: the last line needs no line break */
};

struct multiline_cut {
    size_t length; /* of the first record's lines, with their line breaks; 0: */
    size_t part; /* the first line is too long, and this is a part of it; 0: */
    size_t open; /* whole lines of a record whose end is not there yet */
    uint8_t state; /* not 0: the record goes on behind them, for it is too long */
    bool within; /* they belong to one that went on so */
    unsigned given_up; /* lines for which a pattern took too long (base/regex.h): as if it did not match */
};

/* state: what the cut before this one said; one that these rules do not know is 0. The block begins with a line. */
struct multiline_cut multiline_cut(struct multiline *multiline, uint8_t state, enum multiline_end end,
    enum charset charset, const char *block, size_t length, size_t most);

#endif
