/* lines: how much of a block of a file is whole lines. Pure. @thread any
 *
 * The block begins with a whole code unit; its lengths are bytes of the file, whatever its encoding makes of them. */
#ifndef PENSTOCK_FILES_LINES_H
#define PENSTOCK_FILES_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "files/charset.h"

#define LINES_BREAK_MAX 4 /* CR and LF in UTF-16 */

struct lines_cut {
    size_t length; /* of whole lines, with their line breaks; 0: there is none */
    size_t
        part; /* when none is there because the first is longer than most: what of it is a part, at most `most` bytes, cut between characters */
};

/* A line is longer than `most` when it has more bytes before its line break, LF or CRLF. Lines behind the first long one are left for later. */
struct lines_cut lines_cut(enum charset charset, const char *block, size_t length, size_t most);

/* Behind the first line break, and behind the last one; 0: there is none. */
size_t lines_first(enum charset charset, const char *block, size_t length);
size_t lines_last(enum charset charset, const char *block, size_t length);

/* A line without its line break, if it has one. */
size_t lines_text(enum charset charset, const char *line, size_t length);

/* Nothing but blanks and line breaks: no records for those who read JSON. */
bool lines_are_blank(const char *block, size_t length);

#endif
