/* check: `penstock check`, what is wrong with a configuration, or what it amounts to.
 *
 * Exit status 0: it is right, and standard output has the effective configuration as YAML, the source of each value
 * behind it; standard error says what will hardly do what was meant. 1: it is not, and standard error has every error, one per line.
 */
#include "command/command.h"

#include <stdio.h>

#include "access/access.h"
#include "command/arguments.h"
#include "base/shown.h"
#include "outlet/outlet.h"
#include "pipeline/certificates.h"

#define CHECK_TEXT_MAX (16 * 1024 * 1024)

static void check_doubts(const struct config *config)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        const char *doubt = destination_doubt(config, &config->streams[i]);
        if (doubt)
            fprintf(stderr, "penstock check: warning: streams.%s.ack: %s\n", config->streams[i].name, doubt);
    }
}

static void check_tell(struct config *config, const void *field, const char *text)
{
    struct error ignored;
    cleanup_bytes struct bytes where, shown;

    bytes_init(&where, CHECK_TEXT_MAX);
    bytes_init(&shown, CHECK_TEXT_MAX);
    config_print_where(config, field, &where);
    if (bytes_add_text(&where, text, &ignored) == 0 && bytes_add(&where, "", 1, &ignored) == 0 &&
        shown_add(&shown, where.data, &ignored) == 0)
        fprintf(stderr, "penstock check: warning: %.*s\n", (int)shown.length, shown.data);
}

/* Only here: who looks after dead letters or the journal need not be allowed to read these files. */
static int check_files(struct config *config, struct bytes *text, struct error *error)
{
    certificates_check(config, &clock_system, check_tell);
    if (config_errors(config)) {
        config_print_errors(config, text, error);
        fwrite(text->data, 1, text->length, stderr);
        error->text[0] = '\0';
        return -1;
    }
    return access_check(config->access.credentials, error) ? error_wrap(error, "access.credentials") : 0;
}

static int check_configuration(const struct arguments *arguments, struct bytes *text, struct error *error)
{
    struct config *config = arguments_load(arguments);

    if (!config) {
        error->text[0] = '\0'; /* told already */
        return -1;
    }
    check_doubts(config);
    int result = check_files(config, text, error) ? -1 : config_print(config, text, error);
    config_free(&config);
    return result;
}

static int check_print(const struct arguments *arguments, struct bytes *text, struct error *error)
{
    if (arguments->print)
        return arguments->print(text, error);
    return check_configuration(arguments, text, error);
}

int command_check(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    cleanup_bytes struct bytes text;
    struct error error;
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    bytes_init(&text, CHECK_TEXT_MAX);
    if (check_print(&arguments, &text, &error)) {
        if (*error.text)
            fprintf(stderr, "penstock check: %s\n", error.text);
        return COMMAND_FAILED;
    }
    fwrite(text.data, 1, text.length, stdout);
    return COMMAND_OK;
}
