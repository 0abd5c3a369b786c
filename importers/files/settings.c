/* settings: the configuration, checked and compiled; see files_internal.h */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "decode/decode.h"
#include "files/files_internal.h"

/* What else of a file is known besides what its pattern captures. */
static const char *const settings_facts[] = {"path", "name", "host"};

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

static void settings_check_patterns(struct config *config, struct config_list *list)
{
    struct file_pattern *pattern = NULL;
    struct error error;

    for (size_t i = 0; i < list->count; i++) {
        if (file_pattern_compile(&pattern, list->items[i], &error))
            config_report(config, &list->items[i], "%s", error.text);
        file_pattern_free(&pattern);
    }
}

/* A record without its key would always be refused. */
static void settings_check_key(
    struct config *config, struct config_watch *from, const struct config_stream *stream)
{
    struct file_pattern *pattern = NULL;
    struct error error;

    file_settings_check_line_key(config, from, stream);
    if (strncmp(stream->key, "file:", 5) != 0)
        return;
    const char *name = stream->key + 5;
    for (size_t i = 0; i < sizeof settings_facts / sizeof *settings_facts; i++) {
        if (strcmp(name, settings_facts[i]) == 0)
            return;
    }
    struct config_list *takes = from->spool.count ? &from->spool : &from->watch;
    for (size_t i = 0; i < takes->count; i++) {
        if (file_pattern_compile(&pattern, takes->items[i], &error) == 0 &&
            !file_pattern_captures(pattern, name))
            config_report(config, &takes->items[i],
                "stream %s finds its keys in {%s} of a path, and there is none here", stream->name, name);
        file_pattern_free(&pattern);
    }
}

static const struct config_stream *settings_stream(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        if (strcmp(config->streams[i].name, name) == 0)
            return &config->streams[i];
    }
    return NULL;
}

static void settings_check_stream(struct config *config, struct config_watch *from)
{
    const struct config_stream *stream = settings_stream(config, from->stream);
    cleanup_bytes struct bytes names;
    struct error ignored;

    bytes_init(&names, ERROR_TEXT_SIZE / 2);
    for (size_t i = 0; i < config->streams_count; i++)
        bytes_print(&names, &ignored, "%s%s", i ? ", " : "", config->streams[i].name);
    if (*from->stream == '\0')
        config_report(config, from, "has no stream; allowed: %.*s", (int)names.length, names.data);
    else if (!stream)
        config_report(config, &from->stream, "found %s, which is no stream; allowed: %.*s", from->stream,
            (int)names.length, names.data);
    else if (strcmp(from->records, "file") == 0 && strcmp(stream->format, "text") == 0)
        config_report(config, &from->stream,
            "found %s, a stream of lines of text; allowed with records: file: streams of json or bytes",
            from->stream);
    else if (strcmp(from->records, "file") != 0 && strcmp(stream->format, "bytes") == 0 &&
             !file_settings_are_multiline(from))
        config_report(config, &from->stream,
            "found %s, a stream of bytes, which knows no lines; allowed: streams of json or text, or records: file or multiline",
            from->stream);
    else if (strcmp(from->records, "csv") == 0 && strcmp(stream->format, "json") != 0)
        config_report(config, &from->stream,
            "found %s, a stream of %s; allowed with records: csv: streams of json, for each row becomes an object",
            from->stream, stream->format);
    else
        settings_check_key(config, from, stream);
}

static void settings_check_csv(struct config *config, struct config_watch *from)
{
    const bool rows = strcmp(from->records, "csv") == 0, escaped = strcmp(from->delimiter, "\\t") == 0;
    const unsigned char first = (unsigned char)*from->delimiter;

    if (!escaped && (first > 0x7f || strchr("\"\r\n\\", first) || from->delimiter[1]))
        config_report(config, &from->delimiter,
            "found %s; allowed: one ASCII character but \" and \\, or \\t for a tab", from->delimiter);
    else if (!rows && strcmp(from->delimiter, ",") != 0)
        config_report(config, &from->delimiter, "needs records: csv");
    if (!rows && from->numbers)
        config_report(config, &from->numbers, "needs records: csv");
}

/* ---- when a watch begins ----------------------------------------------------------------------------------------- */

static int settings_read_from(const char *text, int64_t *ret_time, struct error *error)
{
    *ret_time = strcmp(text, "end") == 0 ? INT64_MAX : INT64_MIN;
    if (strcmp(text, "end") == 0 || strcmp(text, "beginning") == 0)
        return 0;
    return decode_rfc3339(slice_of(text), ret_time, error);
}

/* ---- spools ------------------------------------------------------------------------------------------------------ */

/* What is put behind a name. */
static void settings_check_ending(struct config *config, char **ending)
{
    if (strchr(*ending, '/') || strlen(*ending) > NAME_MAX / 2)
        config_report(config, ending, "found %s; allowed: up to %d bytes without a /", *ending, NAME_MAX / 2);
}

static void settings_check_inside(struct config *config, char **directory)
{
    const char *text = *directory;

    if (*text == '/' || *text == '.' || strstr(text, "/.") || strstr(text, "//") || strlen(text) > NAME_MAX ||
        text[strlen(text) - 1] == '/')
        config_report(
            config, directory, "found %s; allowed: a directory below the spool, without .. in it", text);
}

static void settings_check_spool(struct config *config, struct config_watch *from)
{
    if (strcmp(from->records, "file") == 0 && strcmp(from->encoding, "utf-8") != 0)
        config_report(config, &from->encoding,
            "found %s; allowed with records: file: utf-8, for its bytes are passed on as they are",
            from->encoding);
    if (strcmp(from->records, "file") == 0 && strcmp(from->invalid, "pass") != 0)
        config_report(config, &from->invalid,
            "found %s; allowed with records: file: pass, for its bytes are passed on as they are",
            from->invalid);
    settings_check_ending(config, &from->marker);
    settings_check_ending(config, &from->suffix);
    settings_check_inside(config, &from->archive);
    settings_check_inside(config, &from->failed);
    if (strcmp(from->read_from, "beginning") != 0)
        config_report(config, &from->read_from, "found %s; allowed with spool: beginning", from->read_from);
    if ((from->follow_symlinks || from->hard_links) && strcmp(from->done, "keep") != 0)
        config_report(config, &from->done,
            "found %s; allowed with %s: keep, for another name of the file may not be in the spool",
            from->done, from->follow_symlinks ? "follow_symlinks" : "hard_links");
}

static void settings_check_watch(struct config *config, struct config_watch *from)
{
    if (from->watch.count && from->spool.count)
        config_report(config, &from->spool, "stands beside watch; allowed: one of them");
    else if (!from->watch.count && !from->spool.count)
        config_report(
            config, from, "has neither watch nor spool; allowed: 1 to %d patterns of paths", OPTION_LIST_MAX);
    else if (from->spool.count)
        settings_check_spool(config, from);
    else if (strcmp(from->done, "keep") != 0)
        config_report(config, &from->done,
            "found %s; allowed with watch: keep, for what grows is never done (spool takes complete files)",
            from->done);
    else if (strcmp(from->records, "file") == 0)
        config_report(config, &from->records,
            "found file; allowed with watch: lines, csv, for what grows is never whole (spool takes complete files)");
}

void file_settings_check(struct config *config)
{
    struct error error;
    int64_t time;

    for (size_t i = 0; i < config->files_count; i++) {
        struct config_watch *from = &config->files[i];
        settings_check_watch(config, from);
        file_settings_check_records(config, from);
        settings_check_patterns(config, &from->watch);
        settings_check_patterns(config, &from->spool);
        settings_check_patterns(config, &from->exclude);
        settings_check_stream(config, from);
        settings_check_csv(config, from);
        if (settings_read_from(from->read_from, &time, &error))
            config_report(config, &from->read_from,
                "found %s; allowed: beginning, end, or a time as 2026-01-31T12:00:00Z", from->read_from);
    }
}

/* ---- compiling ---------------------------------------------------------------------------------------------------- */

/* What is not the user's stands for itself. */
static int settings_add_literal(struct bytes *pattern, const char *text, struct error *error)
{
    for (; *text; text++) {
        if (bytes_add(pattern, "\\", strchr("*?[{\\", *text) != NULL, error) ||
            bytes_add(pattern, text, 1, error))
            return -1;
    }
    return 0;
}

/* Literal but for what a '\\' stands before. */
static bool settings_is_literal(const char *text)
{
    for (; *text; text++) {
        if (strchr("*?[{", *text))
            return false;
        text += *text == '\\' && text[1];
    }
    return true;
}

/* Of a spool: a directory means what lies in it. */
static int settings_add_spooled(struct bytes *pattern, const char *text, struct error *error)
{
    size_t length = strlen(text);

    if (!settings_is_literal(text))
        return bytes_add(pattern, text, length, error);
    while (length > 0 && text[length - 1] == '/')
        length--;
    return bytes_add(pattern, text, length, error) || bytes_add(pattern, "/*", 2, error) ? -1 : 0;
}

static int settings_compile_pattern(
    struct file_pattern **ret_pattern, const char *text, bool spooled, struct error *error)
{
    cleanup_bytes struct bytes absolute;

    bytes_init(&absolute, 2 * PATH_MAX + FILE_PATTERN_MAX);
    if (*text != '/') {
        while (strncmp(text, "./", 2) == 0)
            text += 2;
        char *here = file_absolute("", error);
        const int failed = !here || settings_add_literal(&absolute, here, error);
        free(here);
        if (failed)
            return -1;
    }
    if (spooled ? settings_add_spooled(&absolute, text, error)
                : bytes_add(&absolute, text, strlen(text), error))
        return -1;
    if (bytes_add(&absolute, "", 1, error))
        return -1;
    return file_pattern_compile(ret_pattern, absolute.data, error);
}

/* What it has renamed and its markers, whatever its patterns say. (Its archive and what failed are closed to the walk.) */
static int settings_leave_own(struct file_watch *watch, const struct config_watch *from, struct error *error)
{
    const char *const endings[FILE_OWN_NAMES] = {from->suffix, from->marker};
    const size_t count = watch->complete == FILE_COMPLETE_MARKER ? FILE_OWN_NAMES : FILE_OWN_NAMES - 1;
    cleanup_bytes struct bytes text;

    bytes_init(&text, FILE_PATTERN_MAX);
    for (size_t i = 0; i < count; i++) {
        bytes_clear(&text);
        if (bytes_add(&text, "**/*", 4, error) || settings_add_literal(&text, endings[i], error) ||
            bytes_add(&text, "", 1, error) ||
            file_pattern_compile(&watch->excluded[watch->excluded_count], text.data, error))
            return -1;
        watch->excluded_count++;
    }
    return 0;
}

/* What is left out may be relative to the root of whatever pattern takes it, so that stays as it is. */
static int settings_compile_patterns(
    struct file_watch *watch, const struct config_watch *from, struct error *error)
{
    const bool spooled = file_watch_spools(watch);

    for (size_t i = 0; i < watch->takes->count; i++) {
        if (settings_compile_pattern(&watch->patterns[i], watch->takes->items[i], spooled, error))
            return -1;
    }
    for (size_t i = 0; i < from->exclude.count; i++) {
        if (file_pattern_compile(&watch->excluded[i], from->exclude.items[i], error))
            return -1;
        watch->excluded_count++;
    }
    return spooled ? settings_leave_own(watch, from, error) : 0;
}

/* As the journal knows it by. */
static int settings_text(struct file_watch *watch, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, OPTION_LIST_MAX * (FILE_PATTERN_MAX + 1));
    for (size_t i = 0; i < watch->takes->count; i++) {
        if (bytes_print(&text, error, "%s%s", i ? "\n" : "", watch->takes->items[i]))
            return -1;
    }
    watch->text = strndup(text.data, text.length < FILE_PATH_MAX ? text.length : FILE_PATH_MAX);
    return watch->text ? 0 : error_set(error, ERROR_FATAL, "files: out of memory");
}

static struct file_look *settings_look(struct source *source, struct file_watch *watch, const char *root)
{
    for (size_t i = 0; i < source->looks_count; i++) {
        if (source->looks[i].watch == watch && strcmp(source->looks[i].root, root) == 0)
            return &source->looks[i];
    }
    struct file_look *look = &source->looks[source->looks_count++];
    look->watch = watch;
    look->root = strdup(root);
    return look->root ? look : NULL;
}

static void settings_compile_lines(struct file_watch *watch, const struct config_watch *from)
{
    static const char *const long_lines[] = {"split", "truncate", "dead-letter"};
    static const char *const charsets[] = {"utf-8", "utf-16", "utf-16le", "utf-16be", "latin-1"};
    static const char *const invalid[] = {"pass", "replace", "fail"};

    while (strcmp(long_lines[watch->long_lines], from->long_lines) != 0)
        watch->long_lines++;
    while (strcmp(charsets[watch->charset], from->encoding) != 0)
        watch->charset++;
    while (strcmp(invalid[watch->invalid], from->invalid) != 0)
        watch->invalid++;
    watch->converts = watch->charset != CHARSET_UTF8 || watch->invalid != FILE_INVALID_PASS;
    watch->rows = strcmp(from->records, "csv") == 0;
    watch->csv = (struct csv_form){*from->delimiter == '\\' ? '\t' : *from->delimiter, from->numbers};
    watch->beside = (watch->converts ? (size_t)CHARSET_GROWTH : 0) + (watch->rows ? (size_t)ROWS_GROWTH : 0);
    if (watch->rows && watch->long_lines == FILE_LONG_SPLIT) /* a part of a row is no row */
        watch->long_lines = FILE_LONG_DEAD_LETTER;
}

static int settings_compile_watch(
    struct source *source, struct file_watch *watch, const struct config_watch *from, struct error *error)
{
    static const char *const complete[] = {"closed", "quiet", "marker"};
    static const char *const done[] = {"keep", "archive", "rename", "delete"};

    watch->from = from;
    watch->takes = from->spool.count ? &from->spool : &from->watch;
    watch->whole = strcmp(from->records, "file") == 0;
    watch->by_name = strcmp(from->order, "name") == 0;
    watch->after_outlets = strcmp(from->after, "outlets") == 0;
    while (strcmp(complete[watch->complete], from->complete) != 0)
        watch->complete++;
    while (strcmp(done[watch->done], from->done) != 0)
        watch->done++;
    watch->stream = streams_find(routes_now(source->context.routes)->streams, slice_of(from->stream));
    if (!watch->stream)
        return error_set(error, ERROR_FATAL, "files.%s: no outlet takes stream %s", from->name, from->stream);
    settings_compile_lines(watch, from);
    if (file_settings_compile_records(watch, error) ||
        settings_read_from(from->read_from, &watch->read_from, error) || settings_text(watch, error) ||
        settings_compile_patterns(watch, from, error))
        return error_wrap(error, "files.%s", from->name);
    for (size_t i = 0; i < watch->takes->count; i++) {
        struct file_look *look = settings_look(source, watch, file_pattern_root(watch->patterns[i]));
        if (!look)
            return error_set(error, ERROR_FATAL, "files: out of memory");
        look->take[look->take_count++] = watch->patterns[i];
    }
    return 0;
}

static int settings_open_walks(struct source *source, struct error *error)
{
    for (size_t i = 0; i < source->looks_count; i++) {
        struct file_look *look = &source->looks[i];
        const struct file_walk_options options = {.root = look->root,
            .take = look->take,
            .take_count = look->take_count,
            .leave = (const struct file_pattern *const *)look->watch->excluded,
            .leave_count = look->watch->excluded_count,
            .closed = {look->watch->from->archive, look->watch->from->failed},
            .closed_count = file_watch_spools(look->watch) ? 2 : 0,
            .follow_symlinks = look->watch->from->follow_symlinks,
            .allow_hard_links = look->watch->from->hard_links};
        if (file_walk_new(&look->walk, &options, error))
            return error_wrap(error, "files.%s", look->watch->from->name);
    }
    return 0;
}

int file_settings_compile(struct source *source, struct error *error)
{
    const struct config *config = source->context.config;

    source->watches = calloc(config->files_count, sizeof *source->watches);
    source->looks = calloc(config->files_count * OPTION_LIST_MAX, sizeof *source->looks);
    if (!source->watches || !source->looks)
        return error_set(error, ERROR_FATAL, "files: out of memory");
    for (size_t i = 0; i < config->files_count; i++) {
        source->watches_count++;
        if (settings_compile_watch(source, &source->watches[i], &config->files[i], error))
            return -1;
    }
    return settings_open_walks(source, error);
}

void file_settings_free(struct source *source)
{
    for (size_t i = 0; i < source->looks_count; i++) {
        file_walk_free(&source->looks[i].walk);
        free(source->looks[i].root);
    }
    for (size_t i = 0; i < source->watches_count; i++) {
        for (size_t j = 0; j < OPTION_LIST_MAX; j++)
            file_pattern_free(&source->watches[i].patterns[j]);
        for (size_t j = 0; j < source->watches[i].excluded_count; j++)
            file_pattern_free(&source->watches[i].excluded[j]);
        file_settings_free_records(&source->watches[i]);
        free(source->watches[i].text);
    }
    free(source->looks);
    free(source->watches);
}
