/* config_store: what the files config*.c share: memory, places, errors, and the tree of a YAML file. Only they include
 * this.
 *
 * All memory of a configuration is one block of CONFIG_MEMORY_MAX bytes, taken from front to back and freed as a
 * whole (pages never touched cost nothing). When it is used up, config_allocate() returns NULL and the store
 * remembers; the functions here return early then, and config_load() reports it once.
 * @thread as base/config.h
 */
#ifndef PENSTOCK_BASE_CONFIG_STORE_H
#define PENSTOCK_BASE_CONFIG_STORE_H

#include "base/config.h"
#include "base/option.h"

#define CONFIG_MEMORY_MAX ((size_t)16 << 20)
#define CONFIG_FILE_MAX ((size_t)1 << 20)
#define CONFIG_NODES_MAX 32768

/* ---- places ------------------------------------------------------------------------------------------------ */

enum config_place_kind {
    CONFIG_PLACE_FILE,
    CONFIG_PLACE_SET,
    CONFIG_PLACE_DEFAULT
}; /* in the order of errors */

struct config_place {
    enum config_place_kind kind;
    size_t line; /* in the file, from 1, 0 for the file as a whole; the number of the --set */
    size_t column;
};

/* Where a value that is not a default came from. */
struct config_origin {
    struct config_origin *next;
    const void *field;
    struct config_place place;
    const char *variables; /* of the environment, ", " between them; "" for none */
    bool refused; /* it was wrong (and is reported), the default is still in the field */
};

struct config_problem {
    struct config_problem *next;
    struct config_place place;
    const char *text; /* with the place in front */
};

struct config_store {
    const char *file; /* name, as given; NULL for none */
    struct config_problem *problems; /* by place: file, sets, defaults */
    size_t problems_count;
    struct config_origin *origins;
    char *memory; /* the rest of the block */
    size_t memory_left;
    bool exhausted;
};

/* ---- the tree of a file ------------------------------------------------------------------------------------ */

enum config_node_kind {
    CONFIG_NODE_NOTHING, /* "", ~ or null without quotes */
    CONFIG_NODE_SCALAR,
    CONFIG_NODE_SEQUENCE,
    CONFIG_NODE_MAPPING,
    CONFIG_NODE_ALIAS,
    CONFIG_NODE_TAGGED,
};

/* Nodes stand in the order of the file: behind a mapping its names and values by turns, behind a sequence its items. */
struct config_node {
    enum config_node_kind kind;
    struct slice text; /* of a scalar; terminated too */
    const char *name; /* set while it is applied: dotted, of a mapping */
    size_t parent; /* index; the root's is its own */
    size_t end; /* index behind everything below it */
    struct config_place place;
};

struct config_tree {
    struct config_node *nodes;
    size_t count;
    size_t limit;
    bool whole; /* false when a syntax error ended it early; what was read before is here */
};

/* Parses YAML 1.1 (libyaml). A syntax error is reported to the config. Pure but for that. */
void config_file_parse(struct config *config, struct slice text, struct config_tree *ret_tree);

/* The value of a --set of a list or map, e.g. "[a, b]"; all nodes get this place. */
void config_file_parse_set(struct config *config, struct slice text, struct config_place place,
    const char *name, struct config_tree *ret_tree);

/* ---- config_apply.c ---------------------------------------------------------------------------------------- */

/* Sets what the tree says; reports what is wrong with it. */
void config_apply_tree(struct config *config, struct config_tree *tree);
void config_apply_set(struct config *config, size_t number, const char *set);

/* ---- config_value.c ---------------------------------------------------------------------------------------- */

/* Sets the option of this full name from nodes[index]; reports what is wrong. */
void config_set_value(struct config *config, const struct option *option, const char *name,
    const struct config_tree *tree, size_t index);

/* Sets one entry of a map. */
void config_set_entry(struct config *config, const struct option *option, const char *map_name,
    struct config_map *map, const struct config_node *name, const struct config_node *value);

/* Reports nodes[index] when an entry of the same name stands before it in its mapping. */
bool config_is_repeated(
    struct config *config, const struct config_tree *tree, size_t index, const char *name);

/* Gives the element of this name, a new one with the defaults if need be; NULL when there are too many (reported). */
void *config_add_element(struct config *config, const struct option_collection *collection, struct slice name,
    struct config_place place);

/* Fills the config (collection and element NULL) or an element from the table. */
void config_set_defaults(struct config *config, const struct option_collection *collection, void *element);

/* ---- config_drop.c ----------------------------------------------------------------------------------------- */

/* Behind the sets, where there is no file: files.drop, which takes what is put into gateway.data/drop as lines of
 * unorganized text. What is set of it stays, and it is not there where its lines would have nowhere to go. */
void config_add_drop(struct config *config);

/* ---- config_check.c ---------------------------------------------------------------------------------------- */

/* Reports what no value can be blamed for alone: bounds between options, listeners beyond loopback. */
void config_check(struct config *config);

/* Whether a row's bound allows this value beside the numbers of this configuration, which allow at least (at most) *ret_limit. */
bool config_is_within(
    const struct option *option, struct config *config, uint64_t value, uint64_t *ret_limit);

/* ---- config_store.c ---------------------------------------------------------------------------------------- */

void *config_allocate(struct config_store *store, size_t size);
char *config_keep(struct config_store *store, struct slice text);

/* As config_report(), for places and names without a value. name may be NULL in a file. */
void config_report_at(struct config *config, struct config_place place, const char *name, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* Remembers where field's value comes from; the last one counts. NULL without memory. */
struct config_origin *config_note_origin(struct config *config, const void *field, struct config_place place);
/* NULL: a default. */
struct config_origin *config_find_origin(const struct config *config, const void *field);

/* The full name of the option that field belongs to, "" when there is none. */
const char *config_find_name(struct config *config, const void *field);

/* PREFIX.NAME, or NAME alone when the prefix is empty. */
const char *config_join(struct config_store *store, const char *prefix, struct slice name);

/* A row's member in the element when it is a row of a collection, else in config, element NULL. */
static inline void *config_member(const struct option *option, struct config *config, void *element)
{
    return (element ? (char *)element : (char *)config) + option->offset;
}

static inline size_t *config_elements_count(
    const struct config *config, const struct option_collection *collection)
{
    return (size_t *)((char *)config + collection->count);
}

static inline void *config_element(
    const struct config *config, const struct option_collection *collection, size_t index)
{
    return *(char **)((char *)config + collection->elements) + index * collection->size;
}

/* The first member of every element's struct. */
static inline char **config_element_name(void *element)
{
    return element;
}

/* For tests: as config_load(), with less memory. */
int config_load_within(
    struct config **ret_config, const char *file, const char *const *sets, size_t sets_count, size_t memory);

#endif
