/* regex_found: what a match of PCRE2 has found, and the memory for its ways back. PCRE2 keeps that of its largest match until it is told to free all of it; here what is more
 * than usual texts take goes back at once. Compiled code has a stack of its own, and takes nothing here.
 *
 * It belongs to one thread. @thread one
 */
#ifndef PENSTOCK_BASE_REGEX_FOUND_H
#define PENSTOCK_BASE_REGEX_FOUND_H

#include "base/bytes.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_FOUND_KEPT ((size_t)256 << 10) /* bytes */

struct regex_found;

/* places: how many groups it can tell of, the whole match being the first. NULL: memory is gone. */
struct regex_found *regex_found_new(uint32_t places);
void regex_found_free(struct regex_found *found); /* takes NULL */

/* As pcre2_match(), from the text's beginning. */
int regex_found_match(struct regex_found *found, const pcre2_code *code, struct slice text, uint32_t options,
    pcre2_match_context *limits);

/* Where the groups of the last match begin and end: twice as many numbers as places. */
const size_t *regex_found_places(const struct regex_found *found);

#endif
