/* files: `penstock files list|reset`: what is known of watched files and how far they are read (files/list.h), and what is to be read again (files/reset.h).
 *
 * Beside a gateway that runs or does not. Exit status 0, also when there are none; 1: the journal cannot be read, or standard error says which file is not
 * read again, and why; 2: usage.
 */
#include "command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shown.h"
#include "command/arguments.h"
#include "files/list.h"
#include "files/reset.h"

#define FILES_TEXT_MAX ((size_t)256 << 20)

/* files: of reset; none of list. */
typedef int files_verb_fn(const struct config *config, const struct file_state *state,
    const char *const *files, size_t count, struct error *error);

static int files_list(const struct config *config, const struct file_state *state, const char *const *files,
    size_t count, struct error *error)
{
    cleanup_bytes struct bytes text;

    (void)files, (void)count;
    bytes_init(&text, FILES_TEXT_MAX);
    if (file_list(&text, state, error))
        return -1;
    if (text.length)
        fwrite(text.data, 1, text.length, stdout);
    else
        printf("no files are known in %s/journal\n", config->gateway.data);
    return 0;
}

static int files_reset(const struct config *config, const struct file_state *state, const char *const *files,
    size_t count, struct error *error)
{
    size_t asked = 0;

    for (size_t i = 0; i < count; i++) {
        cleanup_bytes struct bytes shown;
        struct error refused, ignored;
        if (file_reset_ask(config->gateway.data, state, files[i], &refused) == 0) {
            asked++;
            continue;
        }
        bytes_init(&shown, FILES_TEXT_MAX);
        shown_add(&shown, files[i], &ignored);
        fprintf(stderr, "penstock files: %.*s: %s\n", (int)shown.length, shown.data, refused.text);
    }
    if (asked)
        printf(
            "%zu of %zu files will be read again; a running gateway begins within a second, else the next start does\n",
            asked, count);
    return asked == count ? 0 : error_set(error, ERROR_REJECT, "not all of them are read again");
}

/* What is asked for; NULL: the command line is wrong. */
static files_verb_fn *files_find_verb(const struct arguments *arguments)
{
    const char *name = arguments->words_count ? arguments->words[0] : "nothing";

    if (strcmp(name, "list") == 0 && arguments->words_count == 1)
        return files_list;
    if (strcmp(name, "reset") == 0 && arguments->words_count > 1)
        return files_reset;
    fprintf(stderr, "penstock files: found %.64s; allowed: list, or reset and the names of files behind it\n",
        name);
    return NULL;
}

static int files_run(
    files_verb_fn *verb, const struct config *config, const struct arguments *arguments, struct error *error)
{
    struct file_state *state = NULL;
    char *directory = NULL;

    if (asprintf(&directory, "%s/journal", config->gateway.data) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    int result = file_list_read(&state, directory, config->journal.segment_size, error);
    if (!result)
        result = verb(config, state, arguments->words + 1, arguments->words_count - 1, error);
    file_state_free(&state);
    free(directory);
    return result;
}

int command_files(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    struct error error;
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    files_verb_fn *verb = files_find_verb(&arguments);
    if (!verb)
        return COMMAND_USAGE;
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    const int result = files_run(verb, config, &arguments, &error);
    if (result)
        fprintf(stderr, "penstock files: %s\n", error.text);
    config_free(&config);
    return result ? COMMAND_FAILED : COMMAND_OK;
}
