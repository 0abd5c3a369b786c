/* types: --map-column-java and --map-column-hive in the words of an import; see sqoop_internal.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "sqoop/sqoop_internal.h"

#define TYPES_TEXT ((size_t)64 * 1024)

static const struct {
    const char *java, *cast;
} types_known[] = {
    {"String", "text"},
    {"Integer", "int4"},
    {"Long", "int8"},
    {"Float", "float4"},
    {"Double", "float8"},
    {"Boolean", "bool"},
    {"java.math.BigDecimal", "numeric"},
    {"java.sql.Date", "date"},
    {"java.sql.Time", "time"},
    {"java.sql.Timestamp", "timestamp"},
};

/* What java.net.URLDecoder makes of it, so that a name can have a comma in it: %2C; without the blanks around it. */
static int types_decode(struct slice from, struct bytes *text, struct error *error)
{
    while (from.length && isspace((unsigned char)*from.data))
        from = (struct slice){from.data + 1, from.length - 1};
    while (from.length && isspace((unsigned char)from.data[from.length - 1]))
        from.length--;
    for (size_t i = 0; i < from.length; i++) {
        char byte = from.data[i] == '+' ? ' ' : from.data[i];
        if (byte == '%' && from.length - i > 2 && isxdigit((unsigned char)from.data[i + 1]) &&
            isxdigit((unsigned char)from.data[i + 2])) {
            const char digits[] = {from.data[i + 1], from.data[i + 2], '\0'};
            byte = (char)strtoul(digits, NULL, 16);
            i += 2;
        }
        if (bytes_add(text, &byte, 1, error))
            return -1;
    }
    return 0;
}

static const char *types_find(struct slice java)
{
    static const char package[] = "java.lang.";

    if (java.length > sizeof package - 1 && memcmp(java.data, package, sizeof package - 1) == 0)
        java = (struct slice){java.data + sizeof package - 1, java.length - sizeof package + 1};
    for (size_t i = 0; i < sizeof types_known / sizeof *types_known; i++)
        if (slice_is(java, types_known[i].java))
            return types_known[i].cast;
    return NULL;
}

/* An option of pairs COLUMN=TYPE with commas between them. */
struct types_option {
    const char *name; /* with its dashes */
    const char *made; /* the import's */
    bool java; /* the types are Java's; else they are Hive's, as they stand */
};

static int types_say(struct bytes *text, const struct types_option *option, const struct bytes *type,
    struct slice pair, struct error *error)
{
    const char *cast = option->java ? types_find(bytes_slice(type)) : NULL;

    if (!cast && option->java)
        return error_set(error, ERROR_REJECT,
            "%.*s: allowed: String, Integer, Long, Float, Double, Boolean, java.math.BigDecimal, java.sql.Date, java.sql.Time, java.sql.Timestamp",
            (int)(pair.length < 100 ? pair.length : 100), pair.data);
    const struct slice said = cast ? slice_of(cast) : bytes_slice(type);
    return bytes_print(text, error, "=%.*s", (int)said.length, said.data);
}

/* "id=String" */
static int types_pair(
    struct sqoop_line *line, const struct types_option *option, struct slice pair, struct error *error)
{
    const char *equal = memchr(pair.data, '=', pair.length);
    const size_t length = equal ? (size_t)(equal - pair.data) : 0;
    const struct slice given = {
        pair.data + (equal ? length + 1 : 0), equal ? pair.length - length - 1 : pair.length};
    cleanup_bytes struct bytes text, type;

    bytes_init(&text, TYPES_TEXT);
    bytes_init(&type, TYPES_TEXT);
    if (types_decode((struct slice){pair.data, length}, &text, error) || types_decode(given, &type, error))
        return -1;
    if (!text.length || (!option->java && !type.length) || memchr(given.data, '=', given.length))
        return error_set(error, ERROR_REJECT,
            "\"%.*s\" is not COLUMN=TYPE; several of them have commas between them",
            (int)(pair.length < 100 ? pair.length : 100), pair.data);
    if (types_say(&text, option, &type, pair, error))
        return -1;
    const char *kept = words_keep(line->order, text.data, text.length, error);
    return kept ? words_add_pair(&line->order->import, option->made, kept, error) : -1;
}

static int types_pairs(struct sqoop_line *line, const struct types_option *option, struct error *error)
{
    const char *at = parse_value(line, option->name + 2);

    while (at) {
        const size_t length = strcspn(at, ",");
        if (types_pair(line, option, (struct slice){at, length}, error))
            return error_wrap(error, "%s", option->name);
        at = at[length] ? at + length + 1 : NULL;
    }
    return 0;
}

int types_translate(struct sqoop_line *line, struct error *error)
{
    if (text_is_direct(line) && parse_value(line, "map-column-java"))
        return words_note(line->order, error, "--map-column-java changes nothing with --direct, as in Sqoop");
    return types_pairs(line, &(const struct types_option){"--map-column-java", "--column-type", true}, error);
}

int types_translate_hive(struct sqoop_line *line, struct error *error)
{
    return types_pairs(line, &(const struct types_option){"--map-column-hive", "--hive-type", false}, error);
}
