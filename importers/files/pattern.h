/* pattern: which files a watch takes.
 *
 *     /srv/drop/{site}/{sensor_id}.log
 *     \________/\____________________/
 *        root     what a path is held against, component by component
 *
 *     *       any bytes but '/'                 [abc] [a-z]   one of these bytes      **      as a whole component: any number of
 *     ?       one byte but '/'                  [!a-z]        one that is not                 directories, none too
 *     {name}  one or more bytes but '/',        \             takes the next byte as it is
 *             captured under the name ([a-z0-9_], each once)
 *
 * It is a matter of bytes: names of files have no encoding. A '.' that a component begins with is matched by a literal '.' only, as shells do; "**" does not go
 * through such directories either. At the end, "**" takes every file below. Each *, ** and {name} takes as little as lets the rest match, from the left to the
 * right: of "2026-11-22.log", {a}-{b}.log captures "2026" and "11-22". Between two of them in a component is something else. As every one of them may take any
 * length, what stands behind one is best found as early as possible, and only the last one is ever made longer: a match costs at most the length of the pattern
 * times the length of the path, whatever both say. Pure. @thread any
 */
#ifndef PENSTOCK_FILES_PATTERN_H
#define PENSTOCK_FILES_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

#define FILE_CAPTURES_MAX 16
#define FILE_PATTERN_MAX 4096 /* bytes */
#define FILE_COMPONENTS_MAX 63 /* behind the root */

struct file_pattern;

/* name: the pattern's; value: in the path that was matched. */
struct file_capture {
    const char *name;
    struct slice value;
};

/* In the order of the pattern. */
struct file_match {
    size_t count;
    struct file_capture captures[FILE_CAPTURES_MAX];
};

/* ERROR_REJECT says what and where: '{' otherwise, an unclosed '[', empty components, "." (but as the first) and "..", too long, too many captures. */
int file_pattern_compile(struct file_pattern **ret_pattern, const char *text, struct error *error);

void file_pattern_free(struct file_pattern **pattern);

#define cleanup_file_pattern __attribute__((cleanup(file_pattern_free)))

/* The directory that all of its files are below: what stands before the first component with something else than literal bytes, and never the last component.
 * "/srv/drop/x*.log" -> "/srv/drop", "a.log" -> ".", "/a.log" -> "/". */
const char *file_pattern_root(const struct file_pattern *pattern);

/* path: relative to the root, without a '/' in front. ret_match: NULL when nobody wants to know; written on success only. */
bool file_pattern_match(const struct file_pattern *pattern, struct slice path, struct file_match *ret_match);

/* file_pattern_match() for files to be taken: temporary names only when the pattern ends as they do ("*.tmp" takes "a.tmp", "*" does not). */
bool file_pattern_takes(const struct file_pattern *pattern, struct slice path, struct file_match *ret_match);

/* Whether it captures something under this name. */
bool file_pattern_captures(const struct file_pattern *pattern, const char *name);

/* The whole path, with the root in front (where it is "." there is nothing in front). */
bool file_pattern_match_whole(const struct file_pattern *pattern, struct slice path);

/* May a file below this directory match? Relative to the root; "" is the root. */
bool file_pattern_enters(const struct file_pattern *pattern, struct slice directory);

/* Names that are left out unless a pattern has them literally: ".*", "*.tmp", "*.part", "*~". */
bool file_name_is_temporary(struct slice name);

#endif
