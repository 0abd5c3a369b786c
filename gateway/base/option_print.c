/* option_print: rows and values in words: messages, --help, the README's table; see option.h */
#include "base/option.h"

#define HELP_INDENT 24
#define HELP_WIDTH 110

int option_print_quoted(struct slice value, size_t most, struct bytes *text, struct error *error)
{
    size_t length = value.length < most ? value.length : most;

    if (bytes_add(text, "\"", 1, error))
        return -1;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        int failed;
        if (byte == '\n')
            failed = bytes_add_text(text, "\\n", error);
        else if (byte == '\t')
            failed = bytes_add_text(text, "\\t", error);
        else if (byte < 0x20 || byte == 0x7f)
            failed = bytes_print(text, error, "\\x%02x", byte);
        else
            failed = byte == '"' || byte == '\\' ? bytes_print(text, error, "\\%c", byte)
                                                 : bytes_add(text, &byte, 1, error);
        if (failed)
            return -1;
    }
    return bytes_add_text(text, length < value.length ? "...\"" : "\"", error);
}

/* ---- what is allowed --------------------------------------------------------------------------------------- */

static int option_print_words(const struct option *option, struct bytes *text, struct error *error)
{
    for (const char *next = option->allowed; *next; next++)
        if (bytes_add_text(text, *next == ' ' ? "," : "", error) || bytes_add(text, next, 1, error))
            return -1;
    return 0;
}

static int option_print_bound(const struct option_bound *bound, struct bytes *text, struct error *error)
{
    const char *word = bound->relation == OPTION_AT_LEAST ? "least" : "most";

    if (bytes_print(text, error, ", at %s ", word))
        return -1;
    if (bound->times > 1 && bytes_print(text, error, "%u x ", bound->times))
        return -1;
    if (bytes_add_text(text, bound->other, error))
        return -1;
    return bound->parts > 1 ? bytes_print(text, error, " / %u", bound->parts) : 0;
}

static int option_print_range(const struct option *option, struct bytes *text, struct error *error)
{
    if (bytes_print(text, error, "%s from ", option->unit) ||
        option_print_number(option->type, option->least, text, error) ||
        bytes_add_text(text, " to ", error) || option_print_number(option->type, option->most, text, error))
        return -1;
    if (option->bound.relation != OPTION_FREE && option_print_bound(&option->bound, text, error))
        return -1;
    return option->zero ? bytes_print(text, error, ", or 0: %s", option->zero) : 0;
}

int option_print_allowed(const struct option *option, struct bytes *text, struct error *error)
{
    switch (option->type) {
    case OPTION_TEXT:
        return bytes_add_text(text, option->allowed, error);
    case OPTION_NAME:
        return bytes_add_text(text, "up to 64 of the characters A-Z a-z 0-9 . _ -, no dot in front", error);
    case OPTION_ENUM:
        return option_print_words(option, text, error);
    case OPTION_ADDRESSES:
        return bytes_print(text, error,
            "ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080, *:8080),%s or a list of 1 to 16%s%s",
            option->paths ? " unix:/PATH (of at most 107 bytes)," : "", option->zero ? "; empty: " : "",
            option->zero ? option->zero : "");
    case OPTION_BOOL:
        return bytes_add_text(text, "true, false", error);
    case OPTION_TEXTS:
        return bytes_print(text, error, "up to %d %s", OPTION_LIST_MAX, option->allowed);
    case OPTION_MAP:
        return bytes_print(text, error, "up to %zu of %s", option->map->most, option->allowed);
    default:
        return option_print_range(option, text, error);
    }
}

/* ---- the README's table and --help ------------------------------------------------------------------------- */

/* "`64MiB`", "empty", and for rows of streams what the default streams have instead. */
static int option_print_default(
    const struct option *option, const char *quote, struct bytes *text, struct error *error)
{
    if (*option->initial ? bytes_print(text, error, "%s%s%s", quote, option->initial, quote)
                         : bytes_add_text(text, "empty", error))
        return -1;
    for (size_t i = 0; i < option_stream_defaults_count; i++) {
        const struct option_stream_default *other = &option_stream_defaults[i];
        if (!strcmp(other->name, option->name) &&
            bytes_print(text, error, " (%s: %s%s%s)", other->stream, quote, other->initial, quote))
            return -1;
    }
    return 0;
}

int option_print_table(struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "| option | default | allowed | meaning |\n|---|---|---|---|\n", error))
        return -1;
    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (bytes_print(text, error, "| `%s` | ", option->name) ||
            option_print_default(option, "`", text, error) || bytes_add_text(text, " | ", error) ||
            option_print_allowed(option, text, error) ||
            bytes_print(text, error, " | %s%s |\n", option->help, option_is_live(option) ? " *Reload.*" : ""))
            return -1;
    return 0;
}

/* Words of the line, broken before HELP_WIDTH, behind HELP_INDENT columns; the first has the label in them. */
static int option_print_wrapped(const char *label, struct slice line, struct bytes *text, struct error *error)
{
    const size_t width = HELP_WIDTH - HELP_INDENT;

    while (line.length) {
        size_t length = line.length;
        if (length > width)
            for (length = width; line.data[length] != ' ';)
                length--;
        if (bytes_print(text, error, "  %-*s%.*s\n", HELP_INDENT - 2, label, (int)length, line.data))
            return -1;
        label = "";
        length += length < line.length; /* the blank at the break */
        line = (struct slice){line.data + length, line.length - length};
    }
    return 0;
}

static int option_print_entry(const struct option *option, struct bytes *text, struct error *error)
{
    bool fits = strlen(option->name) < HELP_INDENT - 2; /* else it stands on a line of its own */
    cleanup_bytes struct bytes facts;

    bytes_init(&facts, text->limit);
    if (!fits && bytes_print(text, error, "  %s\n", option->name))
        return -1;
    if (option_print_wrapped(fits ? option->name : "", slice_of(option->help), text, error) ||
        bytes_add_text(&facts, "Default ", error) || option_print_default(option, "", &facts, error) ||
        bytes_add_text(&facts, "; ", error) || option_print_allowed(option, &facts, error) ||
        bytes_add_text(&facts, option_is_live(option) ? ". Reload." : ".", error))
        return -1;
    return option_print_wrapped("", bytes_slice(&facts), text, error);
}

int option_print_help(struct bytes *text, struct error *error)
{
    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (option_print_entry(option, text, error))
            return -1;
    return 0;
}
