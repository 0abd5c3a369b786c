/* options_file: --options-file; see sqoop_internal.h.
 *
 * As Sqoop's OptionsFileUtil reads them: a word a line, spaces around it do not count, a line that begins with # is a comment, a backslash at the end of a line joins the
 * next one, and quotes around a word leave it as it is. The files' words take the place of the option.
 */
#include <ctype.h>
#include <stdlib.h>

#include "sqoop/sqoop_internal.h"

static struct slice file_trim(struct slice text)
{
    while (text.length && isspace((unsigned char)*text.data)) {
        text.data++;
        text.length--;
    }
    while (text.length && isspace((unsigned char)text.data[text.length - 1]))
        text.length--;
    return text;
}

static bool file_is_quoted(struct slice word, char quote)
{
    return word.length > 1 && word.data[0] == quote && word.data[word.length - 1] == quote;
}

static int file_add(
    struct sqoop_order *order, struct slice word, struct sqoop_words *words, struct error *error)
{
    if (file_is_quoted(word, '"') || file_is_quoted(word, '\'')) {
        word.data++;
        word.length -= 2;
    } else if (word.length && (*word.data == '"' || *word.data == '\'')) {
        return error_set(error, ERROR_REJECT, "a word has a quote at its beginning and none at its end");
    }
    const char *kept = words_keep(order, word.data ? word.data : "", word.length, error);
    return kept ? words_add(words, kept, error) : -1;
}

/* `joined` holds the lines before that ended in a backslash. */
static int file_take_line(struct sqoop_order *order, struct slice line, struct bytes *joined,
    struct sqoop_words *words, struct error *error)
{
    line = file_trim(line);
    if (line.length == 0 || *line.data == '#')
        return 0;
    const bool goes_on = line.data[line.length - 1] == '\\';
    if (bytes_add(joined, line.data, line.length - goes_on, error))
        return -1;
    if (goes_on)
        return 0;
    const int result = file_add(order, file_trim(bytes_slice(joined)), words, error);
    bytes_clear(joined);
    return result;
}

static int file_take(struct sqoop_order *order, const char *path, const struct sqoop_reader *reader,
    struct sqoop_words *words, struct error *error)
{
    cleanup_bytes struct bytes text, joined;

    bytes_init(&text, SQOOP_FILE_MAX);
    bytes_init(&joined, SQOOP_FILE_MAX);
    if (reader->read(reader->context, path, &text, error))
        return error_wrap(error, "--options-file %.200s", path);
    for (size_t at = 0; at < text.length;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.length - at);
        const size_t length = end ? (size_t)(end - line) : text.length - at;
        if (file_take_line(order, (struct slice){line, length}, &joined, words, error))
            return error_wrap(error, "--options-file %.200s", path);
        at += length + 1;
    }
    return joined.length == 0 ? 0
                              : error_set(error, ERROR_REJECT,
                                    "--options-file %.200s: its last line ends in a backslash", path);
}

int options_file_expand(struct sqoop_order *order, int argc, char **argv, const struct sqoop_reader *reader,
    struct sqoop_words *words, struct error *error)
{
    static const char name[] = "-options-file";

    for (int at = 1; at < argc; at++) {
        const char *word = argv[at] + (strncmp(argv[at], "--", 2) == 0), *path = NULL;
        if (strcmp(word, name) == 0 && ++at == argc)
            return error_set(error, ERROR_REJECT, "--options-file: file is missing");
        if (strcmp(word, name) == 0)
            path = argv[at];
        else if (strncmp(word, name, sizeof name - 1) == 0 && word[sizeof name - 1] == '=')
            path = word + sizeof name;
        if (path ? file_take(order, path, reader, words, error) : words_add(words, argv[at], error))
            return -1;
    }
    return 0;
}
