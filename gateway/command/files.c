/* files: `penstock files list`, what is known of watched files, and how far they are read (files/list.h).
 *
 * Beside a gateway that runs or does not. Exit status 0, also when there are none; 1: the journal cannot be read; 2: usage.
 */
#include "command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/arguments.h"
#include "files/list.h"

#define FILES_TEXT_MAX ((size_t)256 << 20)

static int files_list(const struct config *config, struct error *error)
{
    cleanup_bytes struct bytes text;
    char *directory = NULL;

    bytes_init(&text, FILES_TEXT_MAX);
    if (asprintf(&directory, "%s/journal", config->gateway.data) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    const int result = file_list(&text, directory, config->journal.segment_size, error);
    if (!result && text.length)
        fwrite(text.data, 1, text.length, stdout);
    else if (!result)
        printf("no files are known in %s\n", directory);
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
    if (!arguments.words_count || strcmp(arguments.words[0], "list") != 0) {
        fprintf(stderr, "penstock files: found %.64s; allowed: list\n",
            arguments.words_count ? arguments.words[0] : "nothing");
        return COMMAND_USAGE;
    }
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    const int result = files_list(config, &error);
    if (result)
        fprintf(stderr, "penstock files: %s\n", error.text);
    config_free(&config);
    return result ? COMMAND_FAILED : COMMAND_OK;
}
