/* saved_file: a saved job in the form of its file, and for people; see sqoop.h. */
#include <stdlib.h>

#include "base/shown.h"
#include "sqoop/sqoop_internal.h"

static const char saved_first[] = "penstock job 1\n";

int sqoop_job_set(char **at, const char *text, struct error *error)
{
    char *copy = text && *text ? strndup(text, strlen(text)) : NULL;

    if (text && *text && !copy)
        return error_set(error, ERROR_RETRY, "out of memory");
    free(*at);
    *at = copy;
    return 0;
}

void sqoop_job_free(struct sqoop_job *job)
{
    for (size_t i = 0; i < job->words.count; i++)
        free(job->words.words[i]);
    words_free(&job->words);
    free(job->target);
    free(job->mark);
    free(job->last);
    *job = (struct sqoop_job){.target = NULL};
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static int saved_write_line(const char *key, const char *value, struct bytes *text, struct error *error)
{
    if (!value)
        return 0;
    if (bytes_print(text, error, "%s ", key))
        return -1;
    for (; *value; value++)
        if (*value == '\n'   ? bytes_add_text(text, "\\n", error)
            : *value == '\\' ? bytes_add_text(text, "\\\\", error)
                             : bytes_add(text, value, 1, error))
            return -1;
    return bytes_add(text, "\n", 1, error);
}

int sqoop_job_write(const struct sqoop_job *job, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, saved_first, error))
        return -1;
    for (size_t i = 0; i < job->words.count; i++)
        if (saved_write_line("word", job->words.words[i], text, error))
            return -1;
    return saved_write_line("target", job->target, text, error) ||
                   saved_write_line("mark", job->mark, text, error) ||
                   saved_write_line("last", job->last, text, error) || bytes_add_text(text, "end\n", error)
               ? -1
               : 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* NULL: no memory, or not what is written. */
static char *saved_read_value(struct slice from, struct error *error)
{
    char *value = strndup(from.data, from.length), *to = value;

    if (!value) {
        error_set(error, ERROR_RETRY, "out of memory");
        return NULL;
    }
    for (const char *at = value; *at; at++) {
        const bool escaped = *at == '\\' && (at[1] == '\\' || at[1] == 'n');
        at += escaped;
        *to++ = escaped && *at == 'n' ? '\n' : *at;
    }
    *to = '\0';
    return value;
}

/* Behind the key. */
static int saved_take(struct sqoop_job *job, struct slice key, struct slice rest, struct error *error)
{
    char **at = slice_is(key, "target") ? &job->target
                : slice_is(key, "mark") ? &job->mark
                : slice_is(key, "last") ? &job->last
                                        : NULL;

    if ((!at && !slice_is(key, "word")) || (at && *at))
        return error_set(error, ERROR_REJECT, "this is no saved job: a line of it is not known");
    char *value = saved_read_value(rest, error);
    if (!value)
        return -1;
    if (at)
        *at = value;
    else if (words_add(&job->words, value, error)) {
        free(value);
        return -1;
    }
    return 0;
}

/* A line without its end. */
static int saved_read_line(struct sqoop_job *job, struct slice line, struct error *error)
{
    const char *blank = line.length ? memchr(line.data, ' ', line.length) : NULL;

    if (!blank || memchr(line.data, '\0', line.length))
        return error_set(error, ERROR_REJECT, "this is no saved job: a line of it has no value");
    const size_t length = (size_t)(blank - line.data);
    return saved_take(
        job, (struct slice){line.data, length}, (struct slice){blank + 1, line.length - length - 1}, error);
}

static int saved_read_lines(struct sqoop_job *job, struct slice text, struct error *error)
{
    for (size_t at = sizeof saved_first - 1; at < text.length;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.length - at);
        const size_t length = end ? (size_t)(end - line) : 0;
        if (slice_is((struct slice){line, length}, "end") && at + length + 1 == text.length &&
            job->words.count > 0)
            return 0;
        if (!end)
            break;
        if (saved_read_line(job, (struct slice){line, length}, error))
            return -1;
        at += length + 1;
    }
    return error_set(error, ERROR_REJECT, "this is no saved job: its end is missing");
}

int sqoop_job_read(struct sqoop_job *ret_job, struct slice text, struct error *error)
{
    struct sqoop_job job = {.target = NULL};
    const size_t length = sizeof saved_first - 1;

    if (text.length < length || memcmp(text.data, saved_first, length) != 0)
        return error_set(error, ERROR_REJECT, "this is no saved job, or one of another version");
    if (saved_read_lines(&job, text, error)) {
        sqoop_job_free(&job);
        return -1;
    }
    *ret_job = job;
    return 0;
}

/* ---- for people ------------------------------------------------------------------------------------------------------ */

/* "--connect=jdbc:..." as "connect = jdbc:...". */
static int saved_print_word(const char *word, struct bytes *text, struct error *error)
{
    const char *name = word + strspn(word, "-");
    const size_t length = strcspn(name, "=");

    return bytes_print(text, error, "%.*s = ", (int)length, name) ||
                   shown_add(text, name[length] ? name + length + 1 : "true", error) ||
                   bytes_add(text, "\n", 1, error)
               ? -1
               : 0;
}

int sqoop_print_job(const char *name, const struct sqoop_job *job, struct bytes *text, struct error *error)
{
    if (bytes_print(text, error, "Job: %s\nTool: %s\nOptions:\n----------------------------\n", name,
            job->words.words[0]))
        return -1;
    for (size_t i = 1; i < job->words.count; i++)
        if (saved_print_word(job->words.words[i], text, error))
            return -1;
    return !job->last ? 0
           : bytes_print(text, error, "incremental.last.value = ") || shown_add(text, job->last, error) ||
                   bytes_add(text, "\n", 1, error)
               ? -1
               : 0;
}
