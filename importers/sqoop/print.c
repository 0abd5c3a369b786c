/* print: help, and what a line becomes; see sqoop.h. */
#include <string.h>

#include "base/shown.h"
#include "sqoop/sqoop_internal.h"

int sqoop_print_import(const struct sqoop_order *order, struct bytes *text, struct error *error)
{
    const struct sqoop_words *words = &order->import;
    bool names = false;

    if (bytes_add_text(text, "penstock", error))
        return -1;
    for (size_t i = 0; i < words->count; i++) {
        const bool secret = i > 0 && !names && strcmp(words->words[i - 1], "--password") == 0;
        names |= strcmp(words->words[i], "--") == 0;
        if (bytes_add(text, " ", 1, error) ||
            (secret ? bytes_add_text(text, "...", error) : shown_add_word(text, words->words[i], error)))
            return -1;
    }
    return bytes_add(text, "\n", 1, error);
}

/* ---- help ------------------------------------------------------------------------------------------------------------ */

static int print_tools(struct bytes *text, struct error *error)
{
    if (bytes_add_text(text,
            "Usage: penstock sqoop TOOL [OPTION]...\n\nTakes the command line of Apache Sqoop 1.4.7.\n\nTools:\n",
            error))
        return -1;
    for (size_t i = 0; i < sqoop_tools_count; i++) {
        const struct sqoop_tool_row *tool = &sqoop_tools[i];
        if (bytes_print(text, error, "  %-20s%s%s\n", tool->name,
                tool->tool == SQOOP_OTHER ? "not taken: " : "", tool->what))
            return -1;
    }
    return bytes_add_text(text, "\nWhat a tool takes: penstock sqoop help TOOL\n", error);
}

static int print_option(const struct sqoop_option *option, struct bytes *text, struct error *error)
{
    static const char *const words[] = {
        [SQOOP_TAKEN] = "", [SQOOP_IGNORED] = "changes nothing: ", [SQOOP_REFUSED] = "refused: "};

    if (option->letter && bytes_print(text, error, "  -%c%s", option->letter, *option->name ? "," : ""))
        return -1;
    return bytes_print(text, error, "%s%s%s%s%s%s\n        %s\n        %s%s\n",
        option->letter ? (*option->name ? " " : "") : "  ", *option->name ? "--" : "", option->name,
        option->argument ? " <" : "", option->argument ? option->argument : "", option->argument ? ">" : "",
        option->help, words[option->take], option->what);
}

static int print_tool(const struct sqoop_tool_row *tool, struct bytes *text, struct error *error)
{
    const unsigned tools = SQOOP_FOR(tool->tool);
    bool schema = false, any = false;

    for (size_t i = 0; i < sqoop_options_count; i++) {
        any |= sqoop_options[i].tools & tools;
        schema |= sqoop_options[i].tools & tools && strcmp(sqoop_options[i].name, "schema") == 0;
    }
    if (!any)
        return bytes_print(text, error, "%s: %s%s\n", tool->name,
            tool->tool == SQOOP_OTHER ? "not taken: " : "", tool->what);
    if (bytes_print(text, error,
            "Usage: penstock sqoop %s [-D NAME=VALUE]... [OPTION]...%s\n\n"
            "%s.\n\nOne dash or two, --NAME VALUE, --NAME=VALUE, -m 1, -m1 and --m 1 are all taken.\n\n",
            tool->name,
            schema                    ? " [-- --schema NAME]"
            : tool->tool == SQOOP_JOB ? " [-- [TOOL] OPTION...]"
                                      : "",
            tool->what))
        return -1;
    for (size_t i = 0; i < sqoop_options_count; i++)
        if (sqoop_options[i].tools & tools && print_option(&sqoop_options[i], text, error))
            return -1;
    return 0;
}

int sqoop_print_help(const char *topic, struct bytes *text, struct error *error)
{
    if (!topic)
        return print_tools(text, error);
    for (size_t i = 0; i < sqoop_tools_count; i++)
        if (strcmp(sqoop_tools[i].name, topic) == 0)
            return print_tool(&sqoop_tools[i], text, error);
    return error_set(error, ERROR_REJECT, "no such tool: \"%.100s\"; see penstock sqoop help", topic);
}

/* ---- plans ----------------------------------------------------------------------------------------------------------- */

static const char *plan_word(const struct sqoop_words *words, const char *option)
{
    for (size_t i = 1; i + 1 < words->count; i += 2)
        if (strcmp(words->words[i], option) == 0)
            return words->words[i + 1];
    return NULL;
}

int sqoop_print_plan(const struct sqoop_order *order, struct bytes *text, struct error *error)
{
    const char *user = plan_word(&order->import, "--user");

    if (bytes_print(text, error, "connects to %s%s%s\n", plan_word(&order->import, "--connect"),
            user ? " as " : "", user ? user : ""))
        return -1;
    if (order->tool == SQOOP_LIST_DATABASES)
        return bytes_add_text(text, "prints the names of the databases\n", error);
    if (order->tool == SQOOP_EVAL)
        return bytes_print(
            text, error, "runs and commits, and prints what it answers:\n%s\n", order->statement);
    return bytes_print(text, error, "prints the names of the tables of %s%s\n",
        order->schema ? "schema " : "the schema that comes first in the search path",
        order->schema ? order->schema : "");
}
