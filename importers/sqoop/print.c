/* print: help, and what a line becomes; see sqoop.h. */
#include <string.h>

#include "sqoop/sqoop_internal.h"

/* As a shell takes it for one word. */
static int print_word(const char *word, struct bytes *text, struct error *error)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:,+@%";

    if (*word && word[strspn(word, plain)] == '\0')
        return bytes_add_text(text, word, error);
    if (bytes_add(text, "'", 1, error))
        return -1;
    for (; *word; word++)
        if (*word == '\'' ? bytes_add_text(text, "'\\''", error) : bytes_add(text, word, 1, error))
            return -1;
    return bytes_add(text, "'", 1, error);
}

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
            (secret ? bytes_add_text(text, "...", error) : print_word(words->words[i], text, error)))
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

int sqoop_print_help(const char *topic, struct bytes *text, struct error *error)
{
    if (!topic)
        return print_tools(text, error);
    for (size_t i = 0; i < sqoop_tools_count; i++)
        if (strcmp(sqoop_tools[i].name, topic) == 0 && sqoop_tools[i].tool != SQOOP_IMPORT)
            return bytes_print(text, error, "%s: %s%s\n", topic,
                sqoop_tools[i].tool == SQOOP_OTHER ? "not taken: " : "", sqoop_tools[i].what);
    if (strcmp(topic, "import") != 0)
        return error_set(error, ERROR_REJECT, "no such tool: \"%.100s\"; see penstock sqoop help", topic);
    if (bytes_add_text(text,
            "Usage: penstock sqoop import [-D NAME=VALUE]... [OPTION]... [-- --schema NAME]\n\n"
            "One dash or two, --NAME VALUE, --NAME=VALUE, -m 1, -m1 and --m 1 are all taken.\n\n",
            error))
        return -1;
    for (size_t i = 0; i < sqoop_options_count; i++)
        if (print_option(&sqoop_options[i], text, error))
            return -1;
    return 0;
}
