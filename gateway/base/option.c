/* option: finding rows by name, and the name that was probably meant; see option.h */
#include "base/option.h"

#include <ctype.h>

/* The part of *rest before its first dot; *rest is what follows. */
static struct slice option_next_part(struct slice *rest)
{
    const char *dot = rest->length ? memchr(rest->data, '.', rest->length) : NULL;
    size_t length = dot ? (size_t)(dot - rest->data) : rest->length;
    struct slice part = {rest->data, length};
    size_t used = dot ? length + 1 : length;

    rest->data += used;
    rest->length -= used;
    return part;
}

/* Whether the parts of name are the first ones of the row's name; ret_rest is what the row has behind them. */
static bool option_starts(const struct option *option, struct slice name, struct slice *ret_rest)
{
    struct slice rest = slice_of(option->name);

    while (name.length) {
        struct slice part = option_next_part(&rest);
        struct slice given = option_next_part(&name);
        if (!slice_is(part, "*") && !slice_equal(part, given))
            return false;
    }
    *ret_rest = rest;
    return true;
}

const struct option *option_find(struct slice name)
{
    struct slice rest;

    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (option_starts(option, name, &rest) && rest.length == 0)
            return option;
    return NULL;
}

const struct option *option_find_map(struct slice name, struct slice *ret_entry)
{
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        struct slice rest = name;
        struct slice own = slice_of(option->name);
        bool same = option->type == OPTION_MAP;
        while (same && own.length) {
            struct slice part = option_next_part(&own);
            struct slice given = option_next_part(&rest);
            same = slice_is(part, "*") || slice_equal(part, given);
        }
        if (same) {
            *ret_entry = rest;
            return option;
        }
    }
    return NULL;
}

bool option_is_section(struct slice name)
{
    struct slice rest;

    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (option_starts(option, name, &rest) && rest.length)
            return true;
    return false;
}

size_t option_children(struct slice section, struct slice *names)
{
    size_t count = 0;
    struct slice rest;

    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        if (!option_starts(option, section, &rest) || rest.length == 0)
            continue;
        struct slice child = option_next_part(&rest);
        if (count && slice_equal(names[count - 1], child)) /* rows of a section stand together */
            continue;
        if (count < OPTION_CHILDREN_MAX)
            names[count++] = child;
    }
    return count;
}

/* ---- collections ------------------------------------------------------------------------------------------- */

const struct option_collection *option_collection_at(
    struct slice name, struct slice *ret_element, struct slice *ret_rest)
{
    for (const struct option_collection *next = option_collections;
         next < option_collections + option_collections_count; next++) {
        size_t length = strlen(next->name);
        if (name.length <= length || memcmp(name.data, next->name, length) || name.data[length] != '.')
            continue;
        *ret_rest = (struct slice){name.data + length + 1, name.length - length - 1};
        *ret_element = option_next_part(ret_rest);
        return next;
    }
    return NULL;
}

const struct option_collection *option_collection_of(const struct option *option)
{
    struct slice element, rest;
    const struct option_collection *found = option_collection_at(slice_of(option->name), &element, &rest);

    return found && slice_is(element, "*") ? found : NULL;
}

bool option_is_live(const struct option *option)
{
    const struct option_collection *collection = option_collection_of(option);

    return collection ? collection->live : option->live;
}

const struct option_collection *option_collection_named(struct slice name)
{
    for (const struct option_collection *next = option_collections;
         next < option_collections + option_collections_count; next++)
        if (slice_is(name, next->name))
            return next;
    return NULL;
}

bool option_is_element_name(struct slice name)
{
    if (name.length == 0 || name.length > OPTION_ELEMENT_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.length; i++)
        if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_' && name.data[i] != '-')
            return false;
    return true;
}

/* ---- what was meant ---------------------------------------------------------------------------------------- */

/* Levenshtein's distance, letter case ignored, one row at a time. Both are at most OPTION_ELEMENT_NAME_MAX long. */
static size_t option_distance(struct slice a, struct slice b)
{
    size_t row[OPTION_ELEMENT_NAME_MAX + 1];

    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            bool same = tolower((unsigned char)a.data[i - 1]) == tolower((unsigned char)b.data[j - 1]);
            size_t least = diagonal + !same;
            diagonal = row[j];
            if (row[j] + 1 < least)
                least = row[j] + 1;
            if (row[j - 1] + 1 < least)
                least = row[j - 1] + 1;
            row[j] = least;
        }
    }
    return row[b.length];
}

struct slice option_nearest(struct slice text, const struct slice *names, size_t count)
{
    struct slice nearest = {NULL, 0};
    size_t least = SIZE_MAX;

    if (text.length > OPTION_ELEMENT_NAME_MAX)
        return nearest;
    for (size_t i = 0; i < count; i++) {
        size_t longer = text.length > names[i].length ? text.length : names[i].length;
        size_t distance = option_distance(text, names[i]);
        /* A third of the letters may be wrong, and two in a short name; never all of them. */
        if (distance < least && distance * 3 <= longer + 2 && distance < text.length) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

const char *option_nearest_elsewhere(struct slice text)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    if (text.length < 3 || text.length > OPTION_ELEMENT_NAME_MAX)
        return NULL;
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        size_t distance = option_distance(text, slice_of(strrchr(option->name, '.') + 1));
        if (distance <= 1 && distance < least) {
            least = distance;
            nearest = option->name;
        }
    }
    return nearest;
}
