/* splits: how many read, how large a file gets, and between which bounds, in the words of an import; see sqoop_internal.h. */
#include <stdio.h>
#include <stdlib.h>

#include "sqoop/sqoop_internal.h"

#define MAPPERS "4"
#define MAPPERS_MAX 64 /* connections of an import */
#define SPLIT_ROWS_MAX UINT64_C(4294967295)
#define SPLIT_BYTES_MAX (UINT64_C(1) << 30) /* splits are never that large */

/* 0: it was not said. What is above `most` is as good as that. */
static int splits_number(
    const struct sqoop_line *line, const char *name, uint64_t most, uint64_t *ret_number, struct error *error)
{
    const char *value = parse_value(line, name);
    char *end;

    *ret_number = 0;
    if (!value)
        return 0;
    const unsigned long long number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || number < 1)
        return error_set(error, ERROR_REJECT, "--%s: \"%.40s\" is not a number above 0", name, value);
    *ret_number = number < most ? number : most;
    return 0;
}

static int splits_say(struct sqoop_order *order, const char *option, uint64_t number, struct error *error)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    const char *kept = words_keep(order, text, strlen(text), error);
    return kept ? words_add_pair(&order->import, option, kept, error) : -1;
}

static int splits_connections(struct sqoop_order *order, uint64_t mappers, struct error *error)
{
    if (!mappers)
        return words_add_pair(&order->import, "--connections", MAPPERS, error);
    if (mappers > MAPPERS_MAX &&
        words_note(order, error, "--num-mappers: %d connections are the most", MAPPERS_MAX))
        return -1;
    return splits_say(order, "--connections", mappers < MAPPERS_MAX ? mappers : MAPPERS_MAX, error);
}

/* One mapper makes one file, unless --direct-split-size cuts it; --split-limit is for several. */
static int splits_sizes(struct sqoop_line *line, uint64_t mappers, struct error *error)
{
    uint64_t rows, bytes;

    if (splits_number(line, "split-limit", SPLIT_ROWS_MAX, &rows, error) ||
        splits_number(line, "direct-split-size", SPLIT_BYTES_MAX, &bytes, error))
        return -1;
    if (mappers == 1 && !bytes)
        return words_add(&line->order->import, "--whole", error);
    return (rows && mappers != 1 && splits_say(line->order, "--split-rows", rows, error)) ||
                   (bytes && splits_say(line->order, "--split-size", bytes, error))
               ? -1
               : 0;
}

int splits_translate(struct sqoop_line *line, struct error *error)
{
    struct sqoop_words *words = &line->order->import;
    const char *bounds = parse_value(line, "boundary-query");
    uint64_t mappers;

    if (bounds && parse_value(line, "query") && !parse_value(line, "split-by"))
        return error_set(error, ERROR_REJECT,
            "--boundary-query: with --query nobody knows which column it is about: say so with --split-by");
    return splits_number(line, "num-mappers", UINT64_MAX, &mappers, error) ||
                   splits_sizes(line, mappers, error) || splits_connections(line->order, mappers, error) ||
                   words_add_pair(words, "--split-by", parse_value(line, "split-by"), error) ||
                   words_add_pair(words, "--bounds-query", bounds, error)
               ? -1
               : 0;
}
