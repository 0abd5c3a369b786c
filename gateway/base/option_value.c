/* option_value: from the text of one value to the value, and back; see option.h */
#include "base/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/listener.h"
#include "base/unix_socket.h"
#include "base/utf8.h"

#define OPTION_NAME_MAX 64
#define OPTION_ADDRESS_MAX 128
#define OPTION_VARIABLE_MAX 128

struct option_unit {
    const char *name;
    uint64_t factor;
};

static const struct option_unit size_units[] = {
    {"", 1},
    {"KB", UINT64_C(1000)},
    {"KiB", UINT64_C(1) << 10},
    {"MB", UINT64_C(1000000)},
    {"MiB", UINT64_C(1) << 20},
    {"GB", UINT64_C(1000000000)},
    {"GiB", UINT64_C(1) << 30},
    {"TB", UINT64_C(1000000000000)},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct option_unit time_units[] = {
    {"us", UINT64_C(1)},
    {"ms", UINT64_C(1000)},
    {"s", UINT64_C(1000000)},
    {"min", UINT64_C(60000000)},
    {"h", UINT64_C(3600000000)},
    {"d", UINT64_C(86400000000)},
    {NULL, 0},
};

static const struct option_unit count_units[] = {{"", 1}, {NULL, 0}};

static const struct option_unit *option_units(enum option_type type)
{
    return type == OPTION_SIZE ? size_units : type == OPTION_DURATION ? time_units : count_units;
}

static const char *const units_allowed[] = {
    [OPTION_SIZE] = "KB, MB, GB, TB, KiB, MiB, GiB, TiB, none for bytes",
    [OPTION_DURATION] = "us, ms, s, min, h, d",
    [OPTION_COUNT] = "none",
};

/* ---- refusals ---------------------------------------------------------------------------------------------- */

/* "found X; allowed: Y; did you mean Z?" A text too long for an error is cut there, like any error's. */
static int option_refuse(
    const struct option *option, struct slice found, const char *suggestion, struct error *error)
{
    struct error ignored;
    cleanup_bytes struct bytes text;

    bytes_init(&text, ERROR_TEXT_SIZE);
    (void)(bytes_add_text(&text, "found ", &ignored) ||
           option_print_quoted(found, OPTION_QUOTED_MAX, &text, &ignored) ||
           bytes_add_text(&text, "; allowed: ", &ignored) || option_print_allowed(option, &text, &ignored) ||
           (suggestion && bytes_print(&text, &ignored, "; did you mean \"%s\"?", suggestion)));
    return error_set(error, ERROR_REJECT, "%.*s", (int)text.length, text.data);
}

/* The number is right, what stands behind it is not. */
static int option_refuse_unit(
    const struct option *option, struct slice found, struct slice unit, struct error *error)
{
    const struct option_unit *units = option_units(option->type);
    struct slice names[16];
    struct slice nearest;
    size_t count = 0;
    char quoted[OPTION_QUOTED_MAX * 4 + 8];
    struct error ignored;
    cleanup_bytes struct bytes text;

    for (; units[count].name; count++)
        names[count] = slice_of(units[count].name);
    nearest = option_nearest(unit, names, count);

    bytes_init(&text, sizeof quoted);
    option_print_quoted(found, OPTION_QUOTED_MAX, &text, &ignored);
    snprintf(quoted, sizeof quoted, "%.*s", (int)text.length, text.data);
    return error_set(error, ERROR_REJECT, "found %s, %s unit; allowed: %s%s%.*s%s", quoted,
        unit.length ? "an unknown" : "a number without", units_allowed[option->type],
        nearest.length ? "; did you mean \"" : "", (int)nearest.length, nearest.length ? nearest.data : "",
        nearest.length ? "\"?" : "");
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

/* The digits in front; too many of them give UINT64_MAX, which no range allows. */
static size_t option_scan_digits(struct slice text, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text.length && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            value = UINT64_MAX;
    *ret_value = value;
    return i;
}

static const struct option_unit *option_find_unit(enum option_type type, struct slice name)
{
    for (const struct option_unit *unit = option_units(type); unit->name; unit++)
        if (slice_is(name, unit->name))
            return unit;
    return NULL;
}

int option_parse_number(
    const struct option *option, struct slice text, uint64_t *ret_value, struct error *error)
{
    uint64_t value;
    size_t digits = option_scan_digits(text, &value);
    struct slice name = {text.data + digits, text.length - digits};

    if (digits == 0)
        return option_refuse(option, text, NULL, error);
    const struct option_unit *unit = option_find_unit(option->type, name);
    if (!unit && (value || name.length))
        return option_refuse_unit(option, text, name, error);
    if (value && __builtin_mul_overflow(value, unit->factor, &value))
        value = UINT64_MAX;
    if ((value < option->least || value > option->most) && !(value == 0 && option->zero))
        return option_refuse(option, text, NULL, error);
    *ret_value = value;
    return 0;
}

int option_print_number(enum option_type type, uint64_t value, struct bytes *text, struct error *error)
{
    const struct option_unit *best = option_units(type);

    if (value == 0)
        return bytes_add_text(text, "0", error);
    /* The unit that leaves the smallest whole number. */
    for (const struct option_unit *unit = best; unit->name; unit++)
        if (value % unit->factor == 0 && unit->factor > best->factor)
            best = unit;
    return bytes_print(text, error, "%" PRIu64 "%s", value / best->factor, best->name);
}

/* ---- words and texts --------------------------------------------------------------------------------------- */

int option_parse_bool(struct slice text, bool *ret_value, struct error *error)
{
    static const struct option words = {.type = OPTION_BOOL};
    bool yes = slice_is(text, "true");

    if (!yes && !slice_is(text, "false"))
        return option_refuse(&words, text, NULL, error);
    *ret_value = yes;
    return 0;
}

static int option_check_word(const struct option *option, struct slice text, struct error *error)
{
    struct slice names[16];
    size_t count = 0;
    char suggestion[OPTION_NAME_MAX];

    for (const char *next = option->allowed; next; count++) {
        const char *blank = strchr(next, ' ');
        names[count] = (struct slice){next, blank ? (size_t)(blank - next) : strlen(next)};
        if (slice_equal(names[count], text))
            return 0;
        next = blank ? blank + 1 : NULL;
    }
    struct slice nearest = option_nearest(text, names, count);
    if (nearest.length)
        snprintf(suggestion, sizeof suggestion, "%.*s", (int)nearest.length, nearest.data);
    return option_refuse(option, text, nearest.length ? suggestion : NULL, error);
}

static bool option_is_name(struct slice text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    for (size_t i = 0; i < text.length; i++)
        if (!memchr(allowed, text.data[i], sizeof allowed - 1))
            return false;
    return text.length <= OPTION_NAME_MAX && (text.length == 0 || text.data[0] != '.');
}

static bool option_is_address(struct slice text, bool paths)
{
    char address[OPTION_ADDRESS_MAX];
    struct error ignored;
    bool loopback;

    if (text.length >= sizeof address)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)text.length, text.data);
    if (unix_socket_is(address))
        return paths && unix_socket_is_sound(address);
    return listener_is_loopback(address, &loopback, &ignored) == 0;
}

static bool option_has_lines(const struct option *option)
{
    return option->map && option->map->lines;
}

size_t option_text_most(const struct option *option)
{
    return option_has_lines(option) ? OPTION_LINES_MAX : OPTION_TEXT_MAX;
}

static bool option_is_plain_text(const struct option *option, struct slice text)
{
    for (size_t i = 0; i < text.length;) {
        size_t length = utf8_sequence(text.data + i, text.length - i);
        bool line_break = length && text.data[i] == '\n' && option_has_lines(option);
        if (length == 0 || (utf8_is_control(text.data + i) && !line_break))
            return false;
        i += length;
    }
    return text.length <= option_text_most(option);
}

int option_check_text(const struct option *option, struct slice text, struct error *error)
{
    bool right = option_is_plain_text(option, text) && text.length >= option->least;

    if (right && option->type == OPTION_ENUM)
        return option_check_word(option, text, error);
    if (option->type == OPTION_NAME)
        right = right && option_is_name(text);
    else if (option->type == OPTION_ADDRESSES)
        right = right && (text.length == 0 ? option->zero != NULL : option_is_address(text, option->paths));
    return right ? 0 : option_refuse(option, text, NULL, error);
}

/* ---- the environment --------------------------------------------------------------------------------------- */

static bool option_is_variable(struct slice name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    for (size_t i = 0; i < name.length; i++)
        if (!memchr(allowed, name.data[i], sizeof allowed - 1))
            return false;
    return name.length && name.length < OPTION_VARIABLE_MAX && (name.data[0] < '0' || name.data[0] > '9');
}

/* rest begins behind "${"; *ret_used is how much of it belongs to the variable. */
static int option_expand_variable(struct slice rest, bool shown, size_t *ret_used, struct bytes *out,
    struct bytes *variables, struct error *error)
{
    const char *end = rest.length ? memchr(rest.data, '}', rest.length) : NULL;
    struct slice name = {rest.data, end ? (size_t)(end - rest.data) : 0};
    char variable[OPTION_VARIABLE_MAX];

    if (!option_is_variable(name))
        return error_set(error, ERROR_REJECT,
            "found \"${\" that no variable's name and \"}\" follow; allowed: ${NAME} for an environment variable, "
            "$$ for a $");
    snprintf(variable, sizeof variable, "%.*s", (int)name.length, name.data);
    const char *value = getenv(variable);
    if (!value && !shown)
        return error_set(error, ERROR_REJECT,
            "found a ${NAME} in it, but there is no environment variable of that name; allowed: ${NAME} for an "
            "environment variable, $$ for a $");
    if (!value)
        return error_set(
            error, ERROR_REJECT, "found ${%s}, but there is no environment variable %s", variable, variable);
    *ret_used = name.length + 1;
    if (bytes_add_text(out, value, error) ||
        bytes_print(variables, error, "%s%s", variables->length ? ", " : "", variable))
        return -1;
    return 0;
}

int option_expand(
    struct slice text, bool secret, struct bytes *out, struct bytes *variables, struct error *error)
{
    const char *closing = text.length ? memchr(text.data, '}', text.length) : NULL;
    /* ${NAME} and nothing else: nobody's password, and the user has to know which one is missing. */
    bool whole = closing == text.data + text.length - 1 && text.length > 2 && !memcmp(text.data, "${", 2);

    for (size_t i = 0; i < text.length;) {
        const char *dollar = memchr(text.data + i, '$', text.length - i);
        size_t plain = dollar ? (size_t)(dollar - text.data) - i : text.length - i;
        if (bytes_add(out, text.data + i, plain, error))
            return -1;
        i += plain;
        if (!dollar)
            break;

        char next = i + 1 < text.length ? dollar[1] : '\0';
        size_t used = 0;
        if (next != '$' && next != '{')
            return error_set(error, ERROR_REJECT,
                "found a $ alone; allowed: ${NAME} for an environment variable, $$ for a $");
        if (next == '$' && bytes_add(out, "$", 1, error))
            return -1;
        if (next == '{' && option_expand_variable((struct slice){dollar + 2, text.length - i - 2},
                               whole || !secret, &used, out, variables, error))
            return -1;
        i += 2 + used;
    }
    return 0;
}
