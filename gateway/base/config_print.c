/* config_print: the effective configuration as YAML that config_load() takes; see config.h */
#include "base/config_store.h"

#define CONFIG_COMMENT_COLUMN 40
#define CONFIG_DEPTH_MAX 8

struct config_printer {
    const struct config *config;
    struct bytes *text;
    struct error *error;
    char section[256]; /* that is open */
};

/* A $ doubled, a line break escaped, so that reading it back gives the same text. */
static int config_print_text(struct config_printer *printer, const char *value)
{
    struct error *error = printer->error;
    struct bytes *text = printer->text;

    if (bytes_add_text(text, "\"", error))
        return -1;
    for (const char *next = value; *next; next++) {
        bool line_break = *next == '\n';
        const char *before = *next == '$' ? "$" : *next == '"' || *next == '\\' || line_break ? "\\" : "";
        if (bytes_print(text, error, "%s%c", before, line_break ? 'n' : *next))
            return -1;
    }
    return bytes_add_text(text, "\"", error);
}

static int config_print_list(struct config_printer *printer, const struct config_list *list)
{
    if (bytes_add_text(printer->text, "[", printer->error))
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (bytes_add_text(printer->text, i ? ", " : "", printer->error) ||
            config_print_text(printer, list->items[i]))
            return -1;
    return bytes_add_text(printer->text, "]", printer->error);
}

static int config_print_member(
    struct config_printer *printer, const struct option *option, const void *member)
{
    switch (option->type) {
    case OPTION_BOOL:
        return bytes_add_text(printer->text, *(const bool *)member ? "true" : "false", printer->error);
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return option_print_number(option->type, *(const uint64_t *)member, printer->text, printer->error);
    case OPTION_ADDRESSES:
    case OPTION_TEXTS:
        return config_print_list(printer, member);
    case OPTION_ENUM:
        return bytes_add_text(printer->text, *(char *const *)member, printer->error);
    default:
        return config_print_text(printer, *(char *const *)member);
    }
}

/* "# penstock.yaml:3, environment SITE" behind the value of the line that began at start. */
static int config_print_source(struct config_printer *printer, const void *field, size_t start)
{
    const struct config_origin *origin = config_find_origin(printer->config, field);
    size_t used = printer->text->length - start;
    int pad = used < CONFIG_COMMENT_COLUMN ? (int)(CONFIG_COMMENT_COLUMN - used) : 1;
    struct bytes *text = printer->text;
    int failed;

    if (bytes_print(text, printer->error, "%*s# ", pad, ""))
        return -1;
    if (!origin)
        failed = bytes_add_text(text, "default", printer->error);
    else if (origin->place.kind == CONFIG_PLACE_SET)
        failed = bytes_add_text(text, "--set", printer->error);
    else
        failed =
            bytes_print(text, printer->error, "%s:%zu", printer->config->store->file, origin->place.line);
    if (!failed && origin && *origin->variables)
        failed = bytes_print(text, printer->error, ", environment %s", origin->variables);
    return failed ? failed : bytes_add_text(text, "\n", printer->error);
}

/* Where the line begins that is being printed. */
static size_t config_line_start(const struct config_printer *printer)
{
    size_t start = printer->text->length;

    while (start && printer->text->data[start - 1] != '\n')
        start--;
    return start;
}

/* Opens the sections of a name that are not open, and prints its last part behind the right blanks. */
static int config_print_name(struct config_printer *printer, const char *name)
{
    size_t same = 0; /* where the parts that are open end */
    size_t depth = 0;

    for (size_t i = 0; name[i] && name[i] == printer->section[i]; i++)
        if (name[i] == '.') {
            same = i + 1;
            depth++;
        }
    for (const char *dot; (dot = strchr(name + same, '.')); depth++) {
        size_t length = (size_t)(dot - name) - same;
        if (bytes_print(
                printer->text, printer->error, "%*s%.*s:\n", (int)depth * 2, "", (int)length, name + same))
            return -1;
        same += length + 1;
    }
    memcpy(printer->section, name, same);
    printer->section[same] = '\0';
    return bytes_print(printer->text, printer->error, "%*s%s:", (int)depth * 2, "", name + same);
}

/* Most names need no quotes in YAML; those that may, get them. */
static bool config_is_plain_name(const char *name)
{
    bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

    return letter &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

/* A name is no value: a $ in it means nothing. */
static int config_print_entry_name(struct config_printer *printer, size_t depth, const char *name)
{
    if (bytes_print(printer->text, printer->error, "%*s", (int)depth * 2, ""))
        return -1;
    return config_is_plain_name(name)
               ? bytes_add_text(printer->text, name, printer->error)
               : option_print_quoted(slice_of(name), SIZE_MAX, printer->text, printer->error);
}

static int config_print_entry(
    struct config_printer *printer, const struct option *option, size_t depth, const struct config_pair *pair)
{
    size_t start = printer->text->length;
    bool hidden = option_secrecy(option, slice_of(pair->name)) == OPTION_SECRET;

    if (config_print_entry_name(printer, depth, pair->name) ||
        bytes_add_text(printer->text, ": ", printer->error) ||
        config_print_text(printer, hidden ? "(secret)" : pair->value))
        return -1;
    return config_print_source(printer, &pair->value, start);
}

static int config_print_map(struct config_printer *printer, const struct option *option,
    const struct config_map *map, const char *name)
{
    size_t depth = 1;

    if (config_print_name(printer, name))
        return -1;
    size_t start = config_line_start(printer);
    if (map->count == 0) {
        if (bytes_add_text(printer->text, " {}", printer->error))
            return -1;
        return config_print_source(printer, map, start);
    }
    if (bytes_add_text(printer->text, "\n", printer->error))
        return -1;
    for (const char *next = name; *next; next++)
        depth += *next == '.';
    for (size_t i = 0; i < map->count; i++)
        if (config_print_entry(printer, option, depth, &map->items[i]))
            return -1;
    return 0;
}

/* element is NULL for a row of struct config. */
static int config_print_option(struct config_printer *printer, const struct option *option, void *element)
{
    const struct option_collection *collection = option_collection_of(option);
    const char *base = element ? (const char *)element : (const char *)printer->config;
    char name[256];
    struct bytes joined = {name, 0, sizeof name, sizeof name};

    if (collection
            ? bytes_print(&joined, printer->error, "%s.%s.%s", collection->name,
                  *config_element_name(element), option->name + strlen(collection->name) + strlen(".*."))
            : bytes_add(&joined, option->name, strlen(option->name) + 1, printer->error))
        return -1;
    if (option->type == OPTION_MAP)
        return config_print_map(printer, option, (const void *)(base + option->offset), name);
    if (config_print_name(printer, name))
        return -1;
    size_t start = config_line_start(printer);
    if (bytes_add_text(printer->text, " ", printer->error) ||
        config_print_member(printer, option, base + option->offset))
        return -1;
    return config_print_source(printer, base + option->offset, start);
}

/* All rows of each element. rows: how many the collection has, from its first one on. */
static int config_print_elements(struct config_printer *printer, const struct option_collection *collection,
    const struct option *first, size_t rows)
{
    size_t count = *config_elements_count(printer->config, collection);

    for (size_t i = 0; i < count; i++)
        for (size_t row = 0; row < rows; row++)
            if (config_print_option(printer, first + row, config_element(printer->config, collection, i)))
                return -1;
    return 0;
}

/* Rows of a collection stand together. */
int config_print(const struct config *config, struct bytes *text, struct error *error)
{
    struct config_printer printer = {config, text, error, ""};
    size_t rows;

    for (size_t first = 0; first < option_count; first += rows) {
        const struct option_collection *collection = option_collection_of(&option_table[first]);
        for (rows = 1; collection && first + rows < option_count &&
                       option_collection_of(&option_table[first + rows]) == collection;)
            rows++;
        if (collection ? config_print_elements(&printer, collection, &option_table[first], rows)
                       : config_print_option(&printer, &option_table[first], NULL))
            return -1;
    }
    return 0;
}
