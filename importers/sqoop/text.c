/* text: format, delimiters, NULL and compression, in the words of an import; see sqoop_internal.h. */
#include <ctype.h>
#include <stdio.h>

#include "sqoop/sqoop_internal.h"

enum text_format { TEXT_PLAIN, TEXT_AVRO, TEXT_PARQUET };

bool text_is_direct(const struct sqoop_line *line)
{
    return parse_value(line, "direct") && !parse_value(line, "query") &&
           !parse_value(line, "as-avrodatafile") && !parse_value(line, "as-parquetfile");
}

static const char *const text_names[] = {
    [TEXT_PLAIN] = "sqoop", [TEXT_AVRO] = "avro", [TEXT_PARQUET] = "parquet"};

/* ---- characters ------------------------------------------------------------------------------------------------------ */

static const char *const text_characters[] = {
    "fields-terminated-by", "lines-terminated-by", "optionally-enclosed-by", "enclosed-by", "escaped-by"};

/* \0 alone is no character; \0X41 is \0x41; of several the first one counts. NULL in *ret_value: none. */
static int text_character(struct sqoop_order *order, const char *name, const char *value,
    const char **ret_value, struct error *error)
{
    *ret_value = value;
    if (strcmp(value, "\\0") == 0) {
        *ret_value = NULL;
        return 0;
    }
    if (*value == '\0')
        return error_set(error, ERROR_REJECT, "--%s: a character is missing", name);
    if (strncmp(value, "\\0X", 3) == 0) {
        char *kept = words_keep(order, value, strlen(value), error);
        if (!kept)
            return -1;
        kept[2] = 'x';
        *ret_value = kept;
        return 0;
    }
    if (*value == '\\' || !value[1])
        return 0;
    if ((unsigned char)*value >= 0x80)
        return error_set(error, ERROR_REJECT, "--%s: a character of ASCII has to be there", name);
    *ret_value = words_keep(order, value, 1, error);
    return !*ret_value ||
                   words_note(order, error,
                       "--%s: there are several characters, and the first one counts, as in Sqoop", name)
               ? -1
               : 0;
}

static int text_say(struct sqoop_order *order, const char *name, const char *value, struct error *error)
{
    char option[64];

    snprintf(option, sizeof option, "--%s", name);
    const char *kept = words_keep(order, option, strlen(option), error);
    return kept ? words_add_pair(&order->import, kept, value, error) : -1;
}

/* Sqoop's way: with one of them, the others are what they are without Hive. */
static bool text_has_hives_delimiters(const struct sqoop_line *line)
{
    bool said = parse_value(line, "mysql-delimiters") != NULL;

    for (size_t i = 0; i < sizeof text_characters / sizeof *text_characters; i++)
        said |= parse_value(line, text_characters[i]) != NULL;
    return hive_is_told(line) && !said;
}

static int text_delimiters(struct sqoop_line *line, struct error *error)
{
    static const char *const mysql[] = {",", "\\n", "'", NULL, "\\\\"};
    const bool as_mysql = parse_value(line, "mysql-delimiters") != NULL;

    if (text_has_hives_delimiters(line))
        return text_say(line->order, "fields-terminated-by", "\\0001", error);
    for (size_t i = 0; i < sizeof text_characters / sizeof *text_characters; i++) {
        const char *name = text_characters[i], *value = parse_value(line, name);
        if (!value && as_mysql)
            value = mysql[i];
        if (!value)
            continue;
        if (text_character(line->order, name, value, &value, error))
            return -1;
        if (!value && i < 2)
            return error_set(
                error, ERROR_REJECT, "--%s: \\0 cannot end anything: choose another character", name);
        if (value && text_say(line->order, name, value, error))
            return -1;
    }
    return 0;
}

/* ---- NULL ------------------------------------------------------------------------------------------------------------ */

/* Sqoop puts the text into a program of Java: its escapes are taken there. What Java does not know stays as it is. */
static const char *text_unescape(struct sqoop_order *order, const char *value, struct error *error)
{
    static const char plain[] = "b\bt\tn\nf\fr\r\"\"''\\\\";
    char *kept = words_keep(order, value, strlen(value), error), *to = kept;

    for (const char *at = kept; at && *at;) {
        const char *known = *at == '\\' && at[1] ? strchr(plain, at[1]) : NULL;
        if (*at != '\\' || !at[1]) {
            *to++ = *at++;
        } else if (isdigit((unsigned char)at[1]) && at[1] < '8') {
            unsigned number = 0;
            const char *from = ++at, *end = from + (*from < '4' ? 3 : 2);
            while (at < end && *at >= '0' && *at < '8')
                number = number * 8 + (unsigned)(*at++ - '0');
            *to++ = (char)number;
        } else if (known && (known - plain) % 2 == 0) {
            *to++ = known[1];
            at += 2;
        } else {
            *to++ = *at++;
            *to++ = *at++;
        }
    }
    if (kept)
        *to = '\0';
    return kept;
}

/* With --direct Sqoop puts the text into E'...' of SQL, where escapes are taken once more: of what has no meaning the backslash goes. */
static const char *text_unescape_again(struct sqoop_order *order, const char *value, struct error *error)
{
    static const char known[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char *kept = words_keep(order, value, strlen(value), error), *to = kept;

    for (const char *at = kept; at && *at;) {
        const char *found = *at == '\\' && at[1] ? strchr(known, at[1]) : NULL;
        at += *at == '\\' && at[1];
        *to++ = found ? meant[found - known] : *at;
        at++;
    }
    if (kept)
        *to = '\0';
    return kept;
}

static const char *text_null(
    struct sqoop_line *line, const char *name, const char *value, struct error *error)
{
    const char *once = text_unescape(line->order, value, error), *twice = once;

    if (once && text_is_direct(line) && parse_value(line, name))
        twice = text_unescape_again(line->order, once, error);
    return twice && strcmp(once, twice) != 0 && strcmp(name, "null-string") == 0 &&
                   words_note(line->order, error,
                       "--null-string: with --direct escapes are taken twice, as in Sqoop: NULL is \"%.100s\", and \"\\\\%.100s\" makes it \"%.100s\"",
                       twice, value, once)
               ? NULL
               : twice;
}

/* There is one text for NULL in COPY. */
static int text_check_nulls(const struct sqoop_line *line, struct error *error)
{
    const char *string = parse_value(line, "null-string"), *other = parse_value(line, "null-non-string");

    return !text_is_direct(line) || (!string && !other) || (string && other && strcmp(string, other) == 0)
               ? 0
               : error_set(error, ERROR_REJECT,
                     "--null-string and --null-non-string have to be the same with --direct, as in Sqoop: say both, or leave --direct out");
}

static int text_nulls(struct sqoop_line *line, struct error *error)
{
    static const char *const names[] = {"null-string", "null-non-string"};
    const bool hive = hive_is_told(line);

    if (text_check_nulls(line, error))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        const char *value = parse_value(line, names[i]);
        /* Hive knows one of them, and of old tables this one. */
        if (!value && hive)
            value = parse_value(line, names[1 - i]);
        if (!value && hive)
            value = "\\\\N";
        if (!value)
            continue;
        value = text_null(line, names[i], value, error);
        if (!value || text_say(line->order, names[i], value, error))
            return -1;
    }
    return 0;
}

/* ---- booleans -------------------------------------------------------------------------------------------------------- */

static int text_booleans(struct sqoop_line *line, struct error *error)
{
    static const char *const names[][2] = {
        {"boolean-true-string", "--true-string"}, {"boolean-false-string", "--false-string"}};

    for (size_t i = 0; i < 2; i++) {
        const char *value = parse_value(line, names[i][0]);
        if (value && !text_is_direct(line)
                ? words_note(
                      line->order, error, "--%s changes nothing without --direct, as in Sqoop", names[i][0])
                : words_add_pair(&line->order->import, names[i][1], value, error))
            return -1;
    }
    return 0;
}

/* ---- what Hive would take for a line --------------------------------------------------------------------------------- */

static int text_hive(struct sqoop_line *line, struct error *error)
{
    const char *replacement = parse_value(line, "hive-delims-replacement");
    const bool drop = parse_value(line, "hive-drop-import-delims") != NULL, direct = text_is_direct(line);

    if (direct && drop)
        return error_set(error, ERROR_REJECT,
            "--hive-drop-import-delims does not go with --direct, in Sqoop neither: leave --direct out");
    if (direct && replacement)
        return words_note(
            line->order, error, "--hive-delims-replacement changes nothing with --direct, as in Sqoop");
    if (drop) {
        if (replacement)
            return error_set(error, ERROR_REJECT,
                "--hive-drop-import-delims and --hive-delims-replacement exclude each other");
        return words_add(&line->order->import, "--drop-delimiters", error);
    }
    if (!replacement)
        return 0;
    replacement = text_unescape(line->order, replacement, error);
    return replacement ? text_say(line->order, "delimiters-replacement", replacement, error) : -1;
}

/* ---- compression ----------------------------------------------------------------------------------------------------- */

/* Names are taken in any case. What stands behind a codec is what the formats make of it; NULL: they cannot. */
static const struct text_codec {
    const char *names[4];
    const char *made[3];
} text_codecs[] = {
    {{"gzip", "GzipCodec", "org.apache.hadoop.io.compress.GzipCodec"},
        {[TEXT_PLAIN] = "gzip", [TEXT_AVRO] = "deflate", [TEXT_PARQUET] = "gzip"}},
    {{"snappy", "SnappyCodec", "org.apache.hadoop.io.compress.SnappyCodec"},
        {[TEXT_AVRO] = "snappy", [TEXT_PARQUET] = "snappy"}},
    {{"deflate", "default", "DefaultCodec", "org.apache.hadoop.io.compress.DefaultCodec"},
        {[TEXT_AVRO] = "deflate"}},
    {{"zstd", "zstandard", "ZStandardCodec", "org.apache.hadoop.io.compress.ZStandardCodec"},
        {"zstd", "zstd", "zstd"}},
    {{"none", "null", "uncompressed"}, {"none", "none", "none"}},
};

static const struct text_codec *text_find_codec(const char *name)
{
    for (size_t i = 0; i < sizeof text_codecs / sizeof *text_codecs; i++)
        for (size_t k = 0; k < 4 && text_codecs[i].names[k]; k++)
            if (strcasecmp(text_codecs[i].names[k], name) == 0)
                return &text_codecs[i];
    return NULL;
}

static int text_compression(struct sqoop_line *line, enum text_format format, struct error *error)
{
    static const char *const defaults[] = {"gzip", "deflate", "snappy"}, *const allowed[] = {"gzip, zstd",
                                                                             "deflate, snappy, zstd",
                                                                             "snappy, gzip, zstd"};
    const char *name = parse_value(line, "compression-codec");
    const bool compress = parse_value(line, "compress") != NULL;
    const struct text_codec *codec = name ? text_find_codec(name) : NULL;
    /* Without a word Parquet is compressed, as in Sqoop. */
    const char *made = compress || format == TEXT_PARQUET ? defaults[format] : "none";

    if (name)
        made = codec ? codec->made[format] : NULL;
    if (!made)
        return error_set(error, ERROR_REJECT,
            "--compression-codec %.100s: %s has no such compression here; allowed: %s", name,
            format == TEXT_PLAIN ? "text" : text_names[format], allowed[format]);
    return words_add_pair(&line->order->import, "--compression", made, error);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static int text_choose(const struct sqoop_line *line, enum text_format *ret_format, struct error *error)
{
    const bool plain = parse_value(line, "as-textfile"), avro = parse_value(line, "as-avrodatafile"),
               parquet = parse_value(line, "as-parquetfile");

    if (plain + avro + parquet > 1)
        return error_set(
            error, ERROR_REJECT, "--as-textfile, --as-avrodatafile and --as-parquetfile exclude each other");
    *ret_format = avro ? TEXT_AVRO : parquet ? TEXT_PARQUET : TEXT_PLAIN;
    return 0;
}

static bool text_is_delimited(const struct sqoop_line *line)
{
    static const char *const others[] = {"mysql-delimiters", "null-string", "null-non-string",
        "hive-drop-import-delims", "hive-delims-replacement"};
    bool found = false;

    for (size_t i = 0; i < sizeof text_characters / sizeof *text_characters; i++)
        found |= parse_value(line, text_characters[i]) != NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        found |= parse_value(line, others[i]) != NULL;
    return found;
}

int text_translate(struct sqoop_line *line, struct error *error)
{
    struct sqoop_words *words = &line->order->import;
    enum text_format format = TEXT_PLAIN;

    if (text_choose(line, &format, error) ||
        words_add_pair(
            words, "--format", text_is_direct(line) ? "sqoop-direct" : text_names[format], error) ||
        text_compression(line, format, error) || text_booleans(line, error))
        return -1;
    if (parse_value(line, "direct") && !text_is_direct(line) &&
        words_note(line->order, error, "--direct changes nothing: it is about the text of tables"))
        return -1;
    if (format == TEXT_PLAIN)
        return text_delimiters(line, error) || text_nulls(line, error) || text_hive(line, error) ? -1 : 0;
    if (text_is_delimited(line) &&
        words_note(
            line->order, error, "delimiters and what NULL looks like change nothing: the files are not text"))
        return -1;
    return 0;
}
