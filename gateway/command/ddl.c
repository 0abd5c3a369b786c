/* ddl: `penstock ddl hive|spark|trino STREAM`, the statements by which an engine reads the files of a stream. Nothing is contacted and nothing
 * written. Exit status 1: there can be no such table, and why. */
#include "command/command.h"

#include <stdio.h>

#include "command/arguments.h"
#include "pipeline/pipeline.h"

#define DDL_TEXT_MAX ((size_t)16 << 20)

static const char *const ddl_engines[] = {[DDL_HIVE] = "hive", [DDL_SPARK] = "spark", [DDL_TRINO] = "trino"};

#define DDL_ENGINES (sizeof ddl_engines / sizeof *ddl_engines)

static bool ddl_engine(const char *word, enum ddl_engine *ret_engine)
{
    for (size_t i = 0; i < DDL_ENGINES; i++) {
        if (strcmp(word, ddl_engines[i]) == 0) {
            *ret_engine = (enum ddl_engine)i;
            return true;
        }
    }
    return false;
}

int command_ddl(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    cleanup_bytes struct bytes text;
    struct error error;
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    struct pipeline_table how = {.location = arguments.location, .table = arguments.table};
    if (arguments.words_count != 2 || !ddl_engine(arguments.words[0], &how.engine)) {
        fprintf(stderr, "penstock ddl: wanted: penstock ddl hive|spark|trino STREAM [-c FILE]\n");
        return COMMAND_USAGE;
    }
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    bytes_init(&text, DDL_TEXT_MAX);
    const int result = pipeline_print_table(config, arguments.words[1], &how, &text, &error);
    if (result)
        fprintf(stderr, "penstock ddl: %s\n", error.text);
    else
        fwrite(text.data, 1, text.length, stdout);
    config_free(&config);
    return result ? COMMAND_FAILED : COMMAND_OK;
}
