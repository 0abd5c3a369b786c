/* parse: the words of a line, option by option; see sqoop_internal.h.
 *
 * What commons-cli's GnuParser takes: one dash or two before either name of an option, a value in the next word or behind `=`, the value of a letter right behind it (-m1).
 * A word that is an option itself is nobody's value. Of an option that is said twice the first one counts.
 */
#include <assert.h>
#include <stdio.h>

#include "base/option.h"
#include "sqoop/sqoop_internal.h"

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static const struct sqoop_option *parse_find(const char *name, size_t length)
{
    for (size_t i = 0; i < sqoop_options_count; i++) {
        const struct sqoop_option *option = &sqoop_options[i];
        if ((length == 1 && option->letter == *name) ||
            (length && strlen(option->name) == length && memcmp(option->name, name, length) == 0))
            return option;
    }
    return NULL;
}

/* Of a word with its dashes: the name begins behind them. */
static const char *parse_strip(const char *word)
{
    return word + (word[0] != '-' ? 0 : word[1] == '-' ? 2 : 1);
}

static const struct sqoop_option *parse_whole(const char *word)
{
    const char *name = parse_strip(word);

    return *word == '-' ? parse_find(name, strlen(name)) : NULL;
}

const char *parse_name(const struct sqoop_option *option, char room[static 64])
{
    if (*option->name)
        snprintf(room, 64, "--%s", option->name);
    else
        snprintf(room, 64, "-%c", option->letter);
    return room;
}

const struct sqoop_option *parse_row(const char *name)
{
    const struct sqoop_option *option = parse_find(name, strlen(name));

    assert(option);
    return option;
}

const char *parse_value(const struct sqoop_line *line, const char *name)
{
    return line->values[parse_row(name) - sqoop_options];
}

static bool parse_is_of(const struct sqoop_option *option, const struct sqoop_tool_row *tool)
{
    return option->tools & SQOOP_FOR(tool->tool);
}

static int parse_complain(const struct sqoop_line *line, const char *word, struct error *error)
{
    struct slice names[SQOOP_OPTIONS_MAX];
    const char *name = parse_strip(word);
    const size_t length = strcspn(name, "=");
    size_t count = 0;

    for (size_t i = 0; i < sqoop_options_count; i++)
        if (parse_is_of(&sqoop_options[i], line->tool))
            names[count++] = slice_of(sqoop_options[i].name);
    const struct slice nearest = option_nearest((struct slice){name, length}, names, count);
    return error_set(error, ERROR_REJECT, "unknown option \"%.*s\"%s%.*s%s; see penstock sqoop help %s",
        (int)(length < 100 ? length : 100) + (int)(name - word), word,
        nearest.length ? "; did you mean \"--" : "", (int)nearest.length, nearest.length ? nearest.data : "",
        nearest.length ? "\"?" : "", line->tool->name);
}

/* ---- options --------------------------------------------------------------------------------------------------------- */

static int parse_keep(
    struct sqoop_line *line, const struct sqoop_option *option, const char *value, struct error *error)
{
    const char **at = &line->values[option - sqoop_options];
    char name[64];

    parse_name(option, name);
    if (!parse_is_of(option, line->tool))
        return error_set(error, ERROR_REJECT, "%s is no option of %s; see penstock sqoop help %s", name,
            line->tool->name, line->tool->name);
    if (option->take == SQOOP_REFUSED)
        return error_set(error, ERROR_REJECT, "%s: %s", name, option->what);
    if (*at)
        return words_note(line->order, error, "%s is said twice: the first one counts", name);
    *at = value ? value : "";
    if (option->take == SQOOP_IGNORED)
        return words_note(line->order, error, "%s changes nothing: %s", name, option->what);
    return 0;
}

/* Its value is the next word, unless that is an option. *at: the option's place; it moves to its last word. */
static int parse_take(struct sqoop_line *line, const struct sqoop_option *option,
    const struct sqoop_words *words, size_t *at, struct error *error)
{
    char name[64];

    if (!option->argument)
        return parse_keep(line, option, NULL, error);
    if (*at + 1 == words->count || parse_whole(words->words[*at + 1]))
        return error_set(
            error, ERROR_REJECT, "%s: %s is missing", parse_name(option, name), option->argument);
    ++*at;
    return parse_keep(line, option, words->words[*at], error);
}

/* --name=value, -m1 */
static int parse_joined(struct sqoop_line *line, const char *word, struct error *error)
{
    const char *name = parse_strip(word), *equal = strchr(name, '=');
    const struct sqoop_option *option = equal ? parse_find(name, (size_t)(equal - name)) : NULL;
    const char *value = equal ? equal + 1 : NULL;
    char room[64];

    if (!option && name == word + 1) {
        option = parse_find(name, 1);
        value = name + 1;
    }
    if (!option || (!option->argument && !equal))
        return parse_complain(line, word, error);
    if (!option->argument)
        return error_set(error, ERROR_REJECT, "%s takes no value", parse_name(option, room));
    return parse_keep(line, option, value, error);
}

/* ---- generic options of Hadoop ------------------------------------------------------------------------------------- */

/* -D name=value, -Dname=value; -conf, -fs, -jt, -files, -libjars, -archives have a value and change nothing. */
static int parse_generic(struct sqoop_line *line, const struct sqoop_words *words, size_t *at,
    bool *ret_taken, struct error *error)
{
    static const char *const others[] = {"-conf", "-fs", "-jt", "-files", "-libjars", "-archives"};
    const char *word = words->words[*at];

    *ret_taken = true;
    if (strncmp(word, "-D", 2) == 0 && word[2])
        return words_add(&line->properties, word + 2, error);
    bool other = false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        other |= strcmp(word, others[i]) == 0;
    *ret_taken = other || strcmp(word, "-D") == 0;
    if (!*ret_taken)
        return 0;
    if (++*at == words->count)
        return error_set(error, ERROR_REJECT, "%s: its value is missing", word);
    if (!other)
        return words_add(&line->properties, words->words[*at], error);
    return words_note(line->order, error, "%s changes nothing: nothing of Hadoop is used", word);
}

/* It may be half a password: behind an option it is not shown. */
static int parse_complain_word(const char *last, const char *word, struct error *error)
{
    if (last)
        return error_set(error, ERROR_REJECT,
            "behind %.*s there is a word too many, or it has a blank in it and needs quotes",
            (int)strcspn(last, "="), last);
    return error_set(error, ERROR_REJECT, "found \"%.100s\" where an option has to be", word);
}

int parse_words(struct sqoop_line *line, const struct sqoop_words *words, struct error *error)
{
    const char *last = NULL;

    for (size_t at = 0; at < words->count; at++) {
        const char *word = words->words[at];
        const struct sqoop_option *option = parse_whole(word);
        bool taken = false;
        if (strcmp(word, "--") == 0)
            continue; /* what is behind it is the connector's, and is called as nothing before it is */
        if (parse_generic(line, words, &at, &taken, error))
            return -1;
        if (taken)
            continue;
        if (*word != '-' || !word[1])
            return parse_complain_word(last, word, error);
        last = word;
        if (option ? parse_take(line, option, words, &at, error) : parse_joined(line, word, error))
            return -1;
    }
    return 0;
}
