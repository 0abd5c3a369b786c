/* settings_records: what the configuration says of a watch's records: that they have several lines, and what a pattern finds
 * in them; see files_internal.h */
#include <string.h>

#include "base/regex.h"
#include "files/files_internal.h"

static struct multiline_options records_options(const struct config_watch *from)
{
    return (struct multiline_options){.preset = from->multiline.preset,
        .start = from->multiline.start,
        .next = from->multiline.next,
        .lines = from->multiline.max_lines};
}

bool file_settings_are_multiline(const struct config_watch *from)
{
    const struct multiline_options options = records_options(from);

    return multiline_is_wanted(&options);
}

static void records_check_pattern(struct config *config, char **pattern)
{
    struct regex *regex = NULL;
    struct error error;

    if (regex_compile(&regex, *pattern, &error))
        config_report(config, pattern, "%s", error.text);
    regex_free(&regex);
}

void file_settings_check_records(struct config *config, struct config_watch *from)
{
    const bool preset = strcmp(from->multiline.preset, "none") != 0;

    records_check_pattern(config, &from->multiline.start);
    records_check_pattern(config, &from->multiline.next);
    records_check_pattern(config, &from->pattern);
    if (preset && (*from->multiline.start || *from->multiline.next))
        config_report(config, &from->multiline.preset,
            "found %s beside a pattern; allowed: a preset, or multiline.start and multiline.continue",
            from->multiline.preset);
    if (file_settings_are_multiline(from) && strcmp(from->records, "lines") != 0)
        config_report(config, &from->records, "found %s; allowed with multiline: lines", from->records);
}

/* A record without its key would always be refused. */
void file_settings_check_line_key(
    struct config *config, struct config_watch *from, const struct config_stream *stream)
{
    struct regex *regex = NULL;
    struct error ignored;

    if (strncmp(stream->key, "line:", 5) != 0 || regex_compile(&regex, from->pattern, &ignored))
        return;
    if (!regex_group(regex, stream->key + 5))
        config_report(config, &from->pattern,
            "stream %s finds its keys in (?<%s>...) of a pattern, and there is none here", stream->name,
            stream->key + 5);
    regex_free(&regex);
}

int file_settings_compile_records(struct file_watch *watch, struct error *error)
{
    const struct multiline_options options = records_options(watch->from);

    if (*watch->from->pattern && regex_compile(&watch->pattern, watch->from->pattern, error))
        return -1;
    return multiline_is_wanted(&options) ? multiline_new(&watch->multiline, &options, error) : 0;
}

void file_settings_free_records(struct file_watch *watch)
{
    multiline_free(&watch->multiline);
    regex_free(&watch->pattern);
}
