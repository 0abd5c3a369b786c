/* option: everything a user can configure, one row each.
 *
 * The YAML parser, --set, `check`, --help, the JSON schema and the README's table all read option_table. A row's name
 * is its place in the YAML file; `*` stands for a name that the user chooses (a stream's), see struct option_collection.
 * The functions here know single values; base/config.h is the whole. All are pure, but option_expand() reads the
 * environment.
 * @thread any
 */
#ifndef PENSTOCK_BASE_OPTION_H
#define PENSTOCK_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define OPTION_TEXT_MAX 4096 /* bytes of one text, after ${NAME} is replaced */
#define OPTION_LINES_MAX 65536 /* of one that may have several lines: a chain of certificates fits */
#define OPTION_ELEMENT_NAME_MAX 64
#define OPTION_ELEMENT_NAME_ALLOWED "1 to 64 of the characters A-Z a-z 0-9 _ -"
#define OPTION_STREAMS_MAX 1000
#define OPTION_SUBSCRIPTIONS_MAX 16
#define OPTION_WATCHES_MAX 64
#define OPTION_LAND_TOPICS_MAX 64
#define OPTION_MAP_MAX 16 /* entries of a map of labels or headers */
#define OPTION_PROPERTIES_MAX 64 /* entries of a map of librdkafka's properties */
#define OPTION_TOPICS_MAX 256 /* entries of a map of MQTT topics */
#define OPTION_ENTRY_NAME_MAX 128 /* bytes of the name of an entry */
#define OPTION_LIST_MAX 16 /* entries of a list */
#define OPTION_CHILDREN_MAX 32 /* names in one section */

enum option_type {
    OPTION_TEXT, /* char * */
    OPTION_NAME, /* char *, "" or up to 64 of A-Z a-z 0-9 . _ - */
    OPTION_ENUM, /* char *, one of the row's allowed words */
    OPTION_ADDRESSES, /* struct config_list of HOST:PORT, and of unix:/PATH where the row says so */
    OPTION_TEXTS, /* struct config_list; none, one, or several */
    OPTION_BOOL, /* bool */
    OPTION_COUNT, /* uint64_t */
    OPTION_SIZE, /* uint64_t, bytes */
    OPTION_DURATION, /* int64_t, microseconds */
    OPTION_MAP, /* struct config_map; the names are the user's, see struct option_map */
};

/* What becomes of the value of an entry whose name says that it is a secret. Each does what the one before does. */
enum option_secrecy {
    OPTION_PUBLIC,
    OPTION_UNQUOTED, /* no message shows it: it should be no secret, but may be one in the wrong place */
    OPTION_SECRET, /* config_print() does not either */
};

/* The entries that a map may have. */
struct option_map {
    const char *entry; /* what one is, in messages */
    const char *names; /* which are allowed, in words */
    const char *pattern; /* the same for the JSON schema */
    bool (*allows)(struct slice name);
    const char *types; /* of a value in the JSON schema */
    size_t most; /* entries */
    bool lines; /* a value may have line breaks */
    enum option_secrecy secrecy; /* of the values of names that option_is_secret() knows */
};

enum option_relation { OPTION_FREE, OPTION_AT_LEAST, OPTION_AT_MOST };

/* A range that depends on another option: at least (at most) other * times / parts. */
struct option_bound {
    enum option_relation relation;
    const char *other;
    unsigned times;
    unsigned parts;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset; /* of the member, in the struct of its collection's element or in struct config */
    const char *initial; /* the default, as a user would write it */
    const char *unit; /* of a number, in words: "a size", "a number of files"; NULL for others */
    uint64_t least; /* of a number, in bytes or microseconds; of a text, its length */
    uint64_t most;
    const char *zero; /* what 0, or no address, means where that is allowed, too; else NULL */
    bool paths; /* OPTION_ADDRESSES: Unix sockets are some, too */
    const char *
        allowed; /* OPTION_ENUM: the words, separated by blanks; a text, texts or a map: what they are; else NULL */
    const struct option_map *map; /* of an OPTION_MAP; else NULL */
    struct option_bound bound;
    bool live; /* a reload takes it over; a collection's rows: see its own */
    const char *help;
};

extern const struct option option_table[];
extern const size_t option_count;

/* A section whose elements the user names: the rows "NAME.*.REST" are those of one element. */
struct option_collection {
    const char *name; /* "streams" */
    const char *element; /* what one is, in messages: "stream" */
    size_t size; /* of an element's struct, whose first member is char *name */
    size_t elements; /* offsets in struct config: of the pointer to the first element, */
    size_t count; /* and of their number (size_t) */
    size_t most;
    bool list; /* the file may also have a list without names: its elements are called 1, 2, ... */
    bool live; /* a reload takes it over */
};

extern const struct option_collection option_collections[];
extern const size_t option_collections_count;

/* A default that only one of the streams that exist without a configuration has. */
struct option_stream_default {
    const char *stream;
    const char *name; /* of the row */
    const char *initial;
};

extern const struct option_stream_default option_stream_defaults[];
extern const size_t option_stream_defaults_count;

/* ---- names ------------------------------------------------------------------------------------------------- */

static inline bool option_is_list(const struct option *option)
{
    return option->type == OPTION_ADDRESSES || option->type == OPTION_TEXTS;
}

/* The row of this name, with any stream's name in the place of `*`; NULL when there is none. */
const struct option *option_find(struct slice name);

/* The row of the map that an entry of this name belongs to, and the entry: "kafka.properties.linger.ms" is linger.ms of
 * kafka.properties. NULL when there is none. */
const struct option *option_find_map(struct slice name, struct slice *ret_entry);

/* Whether options lie below this name, e.g. "lake.roll"; "" is the whole. */
bool option_is_section(struct slice name);

/* The names directly in a section, in the table's order, each once. At most OPTION_CHILDREN_MAX. */
size_t option_children(struct slice section, struct slice *names);

/* The collection that a row belongs to; NULL for a row of struct config. */
const struct option_collection *option_collection_of(const struct option *option);

/* The one of exactly this name; NULL when there is none. */
const struct option_collection *option_collection_named(struct slice name);

/* The one that a full name lies in: "streams.readings.key" is key of the element readings. NULL when it lies in none. The
 * element's name may be one that is not allowed; rest is empty for the element itself. */
const struct option_collection *option_collection_at(
    struct slice name, struct slice *ret_element, struct slice *ret_rest);

bool option_is_element_name(struct slice name);

/* Whether a reload takes it over; else the next start does. */
bool option_is_live(const struct option *option);

/* The one of names that text was most likely meant to be (edit distance, letter case does not count), else an empty
 * slice. */
struct slice option_nearest(struct slice text, const struct slice *names, size_t count);

/* The full name of the option whose last part text was most likely meant to be; else NULL. */
const char *option_nearest_elsewhere(struct slice text);

/* ---- maps, and secrets in them ------------------------------------------------------------------------------ */

extern const struct option_map option_labels;
extern const struct option_map option_topics;
extern const struct option_map option_headers;
extern const struct option_map option_properties; /* librdkafka's */
extern const struct option_map option_property_files;

/* Whether a property of this name holds a password, a private key, or the like. */
bool option_is_secret(struct slice name);

/* What becomes of the value of this entry of a map. */
enum option_secrecy option_secrecy(const struct option *option, struct slice entry);

/* As much of a name as a message may show: without the blank behind its colon, "sasl.password:hunter2" is a name. */
struct slice option_shown_name(struct slice name);

/* ---- values ------------------------------------------------------------------------------------------------
 * The text of their errors is "found X; allowed: Y", and a suggestion where there is one. */

/* A number of the row's type within its range (its bound is the whole configuration's business). */
int option_parse_number(
    const struct option *option, struct slice text, uint64_t *ret_value, struct error *error);
int option_parse_bool(struct slice text, bool *ret_value, struct error *error);

/* For all types whose value is a text, and for each text in a list or map. Its message quotes the text. */
int option_check_text(const struct option *option, struct slice text, struct error *error);

/* Bytes that a text may have, in a list or map too. */
size_t option_text_most(const struct option *option);

/* Appends text with each ${NAME} replaced by the environment's value and $$ by $, and to variables the names of those
 * used, ", " between them. With secret no message shows anything of the text but a ${NAME} that is all of it. */
int option_expand(
    struct slice text, bool secret, struct bytes *out, struct bytes *variables, struct error *error);

/* What may stand there, in words: "a size from 1MiB to 1GiB, at most journal.segment_size / 4". */
int option_print_allowed(const struct option *option, struct bytes *text, struct error *error);

/* Appends a number of this type with its unit: 16MiB, 10s. */
int option_print_number(enum option_type type, uint64_t value, struct bytes *text, struct error *error);

/* Appends the value between double quotes in YAML's double-quoted form: control characters, quotes and backslashes are
 * escaped. Behind `most` bytes it is cut and ends in "...". */
int option_print_quoted(struct slice value, size_t most, struct bytes *text, struct error *error);

#define OPTION_QUOTED_MAX 60 /* bytes of a value that a message shows */

/* ---- printing the table ------------------------------------------------------------------------------------ */

/* The README's table (Markdown). */
int option_print_table(struct bytes *text, struct error *error);

/* For --help: at most 110 columns wide. */
int option_print_help(struct bytes *text, struct error *error);

/* The JSON schema (2020-12) of the configuration file. */
int option_print_schema(struct bytes *text, struct error *error);

#endif
