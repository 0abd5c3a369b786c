/* option_schema: the JSON schema of a configuration file; see option.h. Formats: JSON Schema 2020-12. */
#include "base/option.h"

#include <inttypes.h>
#include <stdio.h>

#define SCHEMA_HEAD                                                      \
    "{\n"                                                                \
    "  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n" \
    "  \"title\": \"Configuration of penstock\",\n"                      \
    "  \"$defs\": {\"variable\": {\"type\": \"string\", \"pattern\": \"\\\\$\\\\{\"}},\n"
#define SCHEMA_VARIABLE "{\"$ref\": \"#/$defs/variable\"}"
#define SCHEMA_SIZE "^[0-9]+([KMGT]i?B)?$"
#define SCHEMA_TIME "^(0|[0-9]+(us|ms|s|min|h|d))$"
#define SCHEMA_ELEMENT "^[A-Za-z0-9_-]{1,64}$"
#define SCHEMA_ELEMENT_ESCAPED "%5E%5BA-Za-z0-9_-%5D%7B1,64%7D%24" /* the same in a URI's fragment */

/* A word of digits may stand in the file as a number, too. */
static int option_print_words_schema(const struct option *option, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "\"anyOf\": [{\"enum\": [", error))
        return -1;
    for (const char *next = option->allowed; *next;) {
        int length = (int)strcspn(next, " ");
        if (bytes_print(text, error, "%s\"%.*s\"", next == option->allowed ? "" : ", ", length, next) ||
            (strspn(next, "0123456789") == (size_t)length &&
                bytes_print(text, error, ", %.*s", length, next)))
            return -1;
        next += length + (next[length] == ' ');
    }
    return bytes_add_text(text, "]}, " SCHEMA_VARIABLE "]", error);
}

static int option_print_number_schema(const struct option *option, struct bytes *text, struct error *error)
{
    const char *pattern = option->type == OPTION_SIZE ? SCHEMA_SIZE : SCHEMA_TIME;

    if (option->type == OPTION_DURATION) /* the only time without a unit is 0 */
        return bytes_print(text, error,
            "\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": \"%s\"}, " SCHEMA_VARIABLE "]",
            pattern);
    if (bytes_print(text, error,
            "\"anyOf\": [{\"type\": \"integer\", \"minimum\": %" PRIu64 ", \"maximum\": %" PRIu64 "}",
            option->zero ? 0 : option->least, option->most))
        return -1;
    if (option->type == OPTION_SIZE &&
        bytes_print(text, error, ", {\"type\": \"string\", \"pattern\": \"%s\"}", pattern))
        return -1;
    return bytes_add_text(text, ", " SCHEMA_VARIABLE "]", error);
}

static int option_print_list_schema(const struct option *option, struct bytes *text, struct error *error)
{
    return bytes_print(text, error,
        "\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"minItems\": %d, "
        "\"maxItems\": %d}]",
        option->type == OPTION_ADDRESSES && !option->zero, OPTION_LIST_MAX);
}

static int option_print_map_schema(const struct option_map *map, struct bytes *text, struct error *error)
{
    return bytes_print(text, error,
        "\"type\": [\"object\", \"null\"], \"patternProperties\": {\"%s\": {\"type\": %s}}, "
        "\"additionalProperties\": false, \"maxProperties\": %zu",
        map->pattern, map->types, map->most);
}

static int option_print_type_schema(const struct option *option, struct bytes *text, struct error *error)
{
    switch (option->type) {
    case OPTION_ENUM:
        return option_print_words_schema(option, text, error);
    case OPTION_BOOL:
        return bytes_add_text(text, "\"anyOf\": [{\"type\": \"boolean\"}, " SCHEMA_VARIABLE "]", error);
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return option_print_number_schema(option, text, error);
    case OPTION_ADDRESSES:
    case OPTION_TEXTS:
        return option_print_list_schema(option, text, error);
    case OPTION_MAP:
        return option_print_map_schema(option->map, text, error);
    default:
        return bytes_add_text(text, "\"type\": [\"string\", \"number\"]", error);
    }
}

/* The items of a collection's list are what its named elements are. */
static int option_print_items_schema(const char *collection, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "\"items\": {\"$ref\": \"#", error))
        return -1;
    for (const char *part = collection;; part = strchr(part, '.') + 1) {
        size_t length = strcspn(part, ".");
        if (bytes_print(text, error, "/properties/%.*s", (int)length, part))
            return -1;
        if (part[length] == '\0')
            break;
    }
    return bytes_add_text(text, "/patternProperties/" SCHEMA_ELEMENT_ESCAPED "\"}, ", error);
}

/* Opens "NAME": { ... "properties": { for the last part of a section's name. A `*` is a pattern. */
static int option_open_schema(struct slice section, struct slice part, size_t depth, bool first,
    struct bytes *text, struct error *error)
{
    const struct option_collection *collection = option_collection_named(section);
    bool list = collection && collection->list;
    bool element = slice_is(part, "*");

    if (bytes_print(text, error, "%s%*s\"%.*s\": {\"type\": [\"object\", %s\"null\"], ", first ? "" : ",\n",
            (int)depth * 2, "", element ? (int)strlen(SCHEMA_ELEMENT) : (int)part.length,
            element ? SCHEMA_ELEMENT : part.data, list ? "\"array\", " : ""))
        return -1;
    if (list && option_print_items_schema(collection->name, text, error))
        return -1;
    return bytes_print(text, error, "\"additionalProperties\": false, \"%s\": {\n",
        collection ? "patternProperties" : "properties");
}

static int option_close_schema(size_t depth, struct bytes *text, struct error *error)
{
    return bytes_print(text, error, "\n%*s}}", (int)depth * 2, "");
}

static int option_print_row_schema(
    const struct option *option, const char *last, size_t depth, struct bytes *text, struct error *error)
{
    if (bytes_print(
            text, error, "%*s\"%s\": {\"description\": \"%s\", ", (int)depth * 2, "", last, option->help) ||
        option_print_type_schema(option, text, error))
        return -1;
    return bytes_add_text(text, "}", error);
}

/* How much of both names, up to and with a dot, is the same; *ret_depth counts the dots. */
static size_t option_common(const char *a, const char *b, size_t *ret_depth)
{
    size_t same = 0;

    *ret_depth = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '.') {
            same = i + 1;
            ++*ret_depth;
        }
    return same;
}

static size_t option_depth(const char *name)
{
    size_t depth = 0;

    for (const char *next = name; *next; next++)
        depth += *next == '.';
    return depth;
}

int option_print_schema(struct bytes *text, struct error *error)
{
    const char *before = "";

    if (bytes_add_text(text,
            SCHEMA_HEAD
            "  \"type\": [\"object\", \"null\"], \"additionalProperties\": false, \"properties\": {\n",
            error))
        return -1;
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        size_t depth;
        size_t same = option_common(before, option->name, &depth);
        bool first = *before == '\0';
        for (size_t open = option_depth(before); open > depth; open--)
            if (option_close_schema(open, text, error))
                return -1;
        const char *part = option->name + same;
        for (const char *dot; (dot = strchr(part, '.')); part = dot + 1, first = true, depth++)
            if (option_open_schema((struct slice){option->name, (size_t)(dot - option->name)},
                    (struct slice){part, (size_t)(dot - part)}, depth + 1, first, text, error))
                return -1;
        if (bytes_add_text(text, first ? "" : ",\n", error) ||
            option_print_row_schema(option, part, depth + 1, text, error))
            return -1;
        before = option->name;
    }
    for (size_t open = option_depth(before); open > 0; open--)
        if (option_close_schema(open, text, error))
            return -1;
    return bytes_add_text(text, "\n}}\n", error);
}
