/* shown: texts of a database, of a disk or of a command line for people. They may have any bytes: control characters, which a terminal obeys, and what is not UTF-8
 * are shown as "\x1B". Pure. @thread any
 */
#ifndef PENSTOCK_BASE_SHOWN_H
#define PENSTOCK_BASE_SHOWN_H

#include "base/bytes.h"

#define SHOWN_MAX 9 /* of one character, with the zero */

/* How the first character of a text is shown; returns how many of its bytes that is. length: 1 at least. */
size_t shown_take(const char *text, size_t length, char shown[static SHOWN_MAX]);

int shown_add(struct bytes *out, const char *text, struct error *error);

/* One word of a line that people copy into a shell: its bytes as they are, in single quotes where a shell would take them for something else (POSIX.1-2017, XCU 2.2.2). */
int shown_add_word(struct bytes *out, const char *word, struct error *error);

#endif
