/* pattern: see pattern.h */
#include "files/pattern.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/shown.h"

#define PATTERN_SHOWN 64 /* bytes of the place that an error shows */

/* One component behind the root; the text is known to be well formed. */
struct component {
    struct slice text;
    size_t first_capture;
    bool directories; /* it is "**" */
};

struct file_pattern {
    char text[FILE_PATTERN_MAX + sizeof "/*"]; /* "**" at the end gets a "*" behind it */
    char root[FILE_PATTERN_MAX + 1];
    char names[FILE_PATTERN_MAX + 1]; /* of the captures, each terminated */
    size_t names_length;
    size_t capture_count;
    const char *captures[FILE_CAPTURES_MAX];
    size_t component_count;
    struct component components[FILE_COMPONENTS_MAX + 1];
};

/* What compiling has found of one component. */
struct compiling {
    struct file_pattern *pattern;
    struct slice text;
    size_t at; /* in it */
    size_t previous; /* where the last * or {name} ended; 0: there was none */
    bool literal; /* so far */
    size_t length; /* of the literal bytes */
    char *bytes; /* them, without their backslashes */
    struct error *error;
};

/* The place in the pattern and what stands there, cut, before what is wrong with it. */
static int compile_refuse(const struct compiling *at, const char *what)
{
    char place[PATTERN_SHOWN + SHOWN_MAX];
    size_t length = 0;

    for (size_t from = at->at; from < at->text.length && length < PATTERN_SHOWN;) {
        from += shown_take(at->text.data + from, at->text.length - from, place + length);
        length += strlen(place + length);
    }
    place[length] = '\0';
    return error_set(at->error, ERROR_REJECT, "byte %zu, \"%s\": %s",
        (size_t)(at->text.data - at->pattern->text) + at->at + 1, place, what);
}

/* Where a set that begins at `at` ends, behind its ']', and whether it has the byte. 0: it is never closed; SIZE_MAX: it is none that is known here. */
static size_t set_take(struct slice text, size_t at, unsigned char byte, bool *ret_takes)
{
    size_t next = at + 1;
    const bool except = next < text.length && (text.data[next] == '!' || text.data[next] == '^');
    bool found = false;

    next += except;
    for (bool first = true; next < text.length && (first || text.data[next] != ']'); first = false) {
        unsigned char ends[2];

        if (text.data[next] == '[' && next + 1 < text.length && strchr(":.=", text.data[next + 1]))
            return SIZE_MAX;
        for (size_t end = 0; end < 2; end++) {
            next += text.data[next] == '\\';
            if (next >= text.length)
                return 0;
            ends[end] = (unsigned char)text.data[next++];
            if (end == 0 &&
                (next + 1 >= text.length || text.data[next] != '-' || text.data[next + 1] == ']')) {
                ends[1] = ends[0];
                break;
            }
            next += end == 0; /* the '-' */
        }
        if (ends[0] > ends[1])
            return SIZE_MAX;
        found = found || (byte >= ends[0] && byte <= ends[1]);
    }
    *ret_takes = found != except;
    return next < text.length ? next + 1 : 0;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
}

static size_t capture_length(struct slice text, size_t at)
{
    size_t end = at + 1;

    while (end < text.length && is_name_byte(text.data[end]))
        end++;
    return end > at + 1 && end < text.length && text.data[end] == '}' ? end + 1 - at : 0;
}

static int compile_capture(struct compiling *at)
{
    struct file_pattern *pattern = at->pattern;
    const size_t length = capture_length(at->text, at->at);

    if (!length)
        return compile_refuse(at, "a capture is {name}, of a-z, 0-9 and _; a brace itself is written \\{");
    if (pattern->capture_count == FILE_CAPTURES_MAX)
        return compile_refuse(at, "more than 16 captures");

    const struct slice name = {at->text.data + at->at + 1, length - 2};
    for (size_t i = 0; i < pattern->capture_count; i++)
        if (slice_is(name, pattern->captures[i]))
            return compile_refuse(at, "this name is taken by a capture before it");
    char *copy = pattern->names + pattern->names_length;
    memcpy(copy, name.data, name.length);
    pattern->names_length += name.length + 1;
    pattern->captures[pattern->capture_count++] = copy;
    at->at += length;
    return 0;
}

/* A * or {name}. */
static int compile_wild(struct compiling *at)
{
    const bool capture = at->text.data[at->at] == '{';

    if (at->previous && at->previous == at->at)
        return compile_refuse(at, capture || at->text.data[at->at - 1] == '}'
                                      ? "a capture has something else than captures and * on both sides"
                                      : "** stands alone between slashes");
    if (!capture)
        at->at++;
    else if (compile_capture(at))
        return -1;
    at->previous = at->at;
    return 0;
}

static int compile_set(struct compiling *at)
{
    bool takes;
    const size_t end = set_take(at->text, at->at, 0, &takes);

    if (!end)
        return compile_refuse(at, "[ is not closed; a bracket itself is written \\[");
    if (end == SIZE_MAX)
        return compile_refuse(at, "in brackets are bytes and ranges that go upwards, such as [a-z_]");
    at->at = end;
    return 0;
}

static int compile_token(struct compiling *at)
{
    const char byte = at->text.data[at->at];

    at->literal = at->literal && !strchr("*?[{", byte);
    if (byte == '*' || byte == '{')
        return compile_wild(at);
    if (byte == '[')
        return compile_set(at);
    if (byte == '\\' && at->at + 1 == at->text.length)
        return compile_refuse(at, "nothing stands behind the backslash");
    at->at += byte == '\\';
    at->bytes[at->length++] = at->text.data[at->at++];
    return 0;
}

/* Is it whole? Tells whether it is literal, and appends what it says then to bytes, terminated. */
static int compile_component(
    struct file_pattern *pattern, struct slice text, char *bytes, bool *ret_literal, struct error *error)
{
    struct compiling at = {.pattern = pattern, .text = text, .literal = true, .bytes = bytes, .error = error};

    if (!text.length)
        return compile_refuse(&at, "a component is empty");
    if (slice_is(text, "**")) {
        *ret_literal = false;
        return 0;
    }
    while (at.at < text.length)
        if (compile_token(&at))
            return -1;
    bytes[at.length] = '\0';
    *ret_literal = at.literal;
    at.at = 0;
    if (at.literal && (strcmp(bytes, "..") == 0 || (strcmp(bytes, ".") == 0 && text.data != pattern->text)))
        return compile_refuse(&at, "paths are written without . and ..");
    return 0;
}

static struct slice component_at(struct slice path, size_t at)
{
    const char *slash = memchr(path.data + at, '/', path.length - at);

    return (struct slice){path.data + at, slash ? (size_t)(slash - path.data) - at : path.length - at};
}

static int compile_add(
    struct file_pattern *pattern, struct slice text, size_t first_capture, struct error *error)
{
    const bool directories = slice_is(text, "**");
    const size_t count = pattern->component_count;

    if (directories && count > 0 && pattern->components[count - 1].directories)
        return 0; /* says it again */
    if (count == FILE_COMPONENTS_MAX)
        return error_set(error, ERROR_REJECT, "more than %d components behind the root", FILE_COMPONENTS_MAX);
    pattern->components[pattern->component_count++] = (struct component){text, first_capture, directories};
    return 0;
}

static int compile_components(struct file_pattern *pattern, struct slice text, struct error *error)
{
    char bytes[FILE_PATTERN_MAX + 1];
    size_t at = text.data[0] == '/', root = at;
    bool literal = true;

    memcpy(pattern->root, "/", root);
    for (; at <= text.length; at++) {
        const struct slice component = component_at(text, at);
        const size_t first_capture = pattern->capture_count;
        bool is_literal;

        if (compile_component(pattern, component, bytes, &is_literal, error))
            return -1;
        at += component.length;
        literal = literal && is_literal && at < text.length;
        if (literal)
            root += (size_t)snprintf(pattern->root + root, sizeof pattern->root - root, "%s%s",
                root > 0 && pattern->root[root - 1] != '/' ? "/" : "", bytes);
        else if (compile_add(pattern, component, first_capture, error))
            return -1;
    }
    if (root == 0)
        memcpy(pattern->root, ".", sizeof ".");
    return 0;
}

int file_pattern_compile(struct file_pattern **ret_pattern, const char *text, struct error *error)
{
    const size_t length = strlen(text);
    cleanup_file_pattern struct file_pattern *pattern = calloc(1, sizeof *pattern);

    if (!pattern)
        return error_set(error, ERROR_RETRY, "pattern of files: out of memory");
    if (length == 0 || length > FILE_PATTERN_MAX)
        return error_set(error, ERROR_REJECT, "a pattern of files has 1 to %d bytes", FILE_PATTERN_MAX);
    memcpy(pattern->text, text, length);
    if (compile_components(pattern, (struct slice){pattern->text, length}, error))
        return -1;
    const struct component *last = &pattern->components[pattern->component_count - 1];
    if (last->directories) {
        memcpy(pattern->text + length, "/*", sizeof "/*");
        /* There is room for one more than a pattern may have. */
        pattern->components[pattern->component_count++] =
            (struct component){{pattern->text + length + 1, 1}, pattern->capture_count, false};
    }
    *ret_pattern = pattern;
    pattern = NULL;
    return 0;
}

void file_pattern_free(struct file_pattern **pattern)
{
    free(*pattern);
    *pattern = NULL;
}

bool file_pattern_captures(const struct file_pattern *pattern, const char *name)
{
    for (size_t i = 0; i < pattern->capture_count; i++) {
        if (strcmp(pattern->captures[i], name) == 0)
            return true;
    }
    return false;
}

const char *file_pattern_root(const struct file_pattern *pattern)
{
    return pattern->root;
}

/* Does what stands at *at, no * and no {name}, take the byte? *at goes behind it then. */
static bool token_takes(struct slice text, size_t *at, char byte)
{
    size_t next = *at + 1;
    bool takes;

    switch (text.data[*at]) {
    case '?':
        takes = true;
        break;
    case '[':
        next = set_take(text, *at, (unsigned char)byte, &takes);
        break;
    case '\\':
        takes = text.data[next++] == byte;
        break;
    default:
        takes = text.data[*at] == byte;
    }
    if (takes)
        *at = next;
    return takes;
}

/* Hidden ones, and none: what only a literal '.' takes, and what nothing takes. */
static bool name_is_plain(struct slice name)
{
    return name.length > 0 && name.data[0] != '.';
}

/* The last * or {name} that was met: it alone is made longer. */
struct wild {
    size_t resume; /* behind it in the component; 0: there was none */
    struct slice value;
    struct slice *capture; /* NULL: of a * */
    size_t captures; /* how many were met, with it */
};

static bool component_takes(
    const struct component *component, struct slice name, struct slice captures[static FILE_CAPTURES_MAX])
{
    const struct slice text = component->text;
    struct wild wild = {.captures = component->first_capture};
    size_t at = 0, next = 0;

    if (!name_is_plain(name) && (!name.length || text.data[text.data[0] == '\\'] != '.'))
        return false;
    while (at < text.length || next < name.length) {
        const bool capture = at < text.length && text.data[at] == '{';

        if (capture || (at < text.length && text.data[at] == '*')) {
            if (next + capture > name.length)
                return false;
            wild.value = (struct slice){name.data + next, capture};
            wild.capture = capture ? &captures[wild.captures++] : NULL;
            at += capture ? capture_length(text, at) : 1;
            wild.resume = at;
        } else if (at < text.length && next < name.length && token_takes(text, &at, name.data[next])) {
            next++;
            continue;
        } else {
            if (!wild.resume || wild.value.data + wild.value.length == name.data + name.length)
                return false;
            wild.value.length++;
            at = wild.resume;
        }
        next = (size_t)(wild.value.data - name.data) + wild.value.length;
        if (wild.capture)
            *wild.capture = wild.value;
    }
    return true;
}

bool file_pattern_match(const struct file_pattern *pattern, struct slice path, struct file_match *ret_match)
{
    struct slice captures[FILE_CAPTURES_MAX];
    size_t component = 0, at = 0, resume = 0, resume_at = 0;

    if (!path.length)
        return false;
    while (component < pattern->component_count || at <= path.length) {
        const struct component *now = &pattern->components[component];

        if (component < pattern->component_count && now->directories) {
            resume = ++component;
            resume_at = at;
            continue;
        }
        if (component < pattern->component_count && at <= path.length) {
            const struct slice name = component_at(path, at);
            if (component_takes(now, name, captures)) {
                at += name.length + 1;
                component++;
                continue;
            }
        }
        /* The last "**" takes one directory more; what an earlier one took is left as it is. */
        if (!resume || resume_at > path.length || !name_is_plain(component_at(path, resume_at)))
            return false;
        resume_at += component_at(path, resume_at).length + 1;
        at = resume_at;
        component = resume;
    }
    if (ret_match) {
        ret_match->count = pattern->capture_count;
        for (size_t i = 0; i < pattern->capture_count; i++)
            ret_match->captures[i] = (struct file_capture){pattern->captures[i], captures[i]};
    }
    return true;
}

bool file_pattern_match_whole(const struct file_pattern *pattern, struct slice path)
{
    const struct slice root = slice_of(pattern->root);
    size_t skip = root.length;

    if (slice_is(root, "."))
        skip = 0;
    else if (path.length < skip || memcmp(path.data, root.data, skip) != 0)
        return false;
    else if (!slice_is(root, "/")) {
        if (path.length == skip || path.data[skip] != '/')
            return false;
        skip++;
    }
    return file_pattern_match(pattern, (struct slice){path.data + skip, path.length - skip}, NULL);
}

/* Every state that can be reached without a directory: "**" takes none, too. */
static uint64_t states_closed(const struct file_pattern *pattern, uint64_t states)
{
    for (size_t i = 0; i < pattern->component_count; i++)
        if (states >> i & 1 && pattern->components[i].directories)
            states |= UINT64_C(2) << i;
    return states;
}

bool file_pattern_enters(const struct file_pattern *pattern, struct slice directory)
{
    /* Bit i: the components before i have taken what was seen. */
    uint64_t states = states_closed(pattern, 1);
    struct slice captures[FILE_CAPTURES_MAX];

    for (size_t at = 0; directory.length > 0 && at <= directory.length;) {
        const struct slice name = component_at(directory, at);
        uint64_t next = 0;

        for (size_t i = 0; i < pattern->component_count; i++) {
            if (!(states >> i & 1))
                continue;
            if (pattern->components[i].directories)
                next |= name_is_plain(name) ? UINT64_C(1) << i : 0;
            else if (i + 1 < pattern->component_count &&
                     component_takes(&pattern->components[i], name, captures))
                next |= UINT64_C(2) << i;
        }
        states = states_closed(pattern, next);
        at += name.length + 1;
    }
    return states != 0;
}

static bool ends_with(struct slice text, const char *end)
{
    const size_t length = strlen(end);

    return text.length >= length && memcmp(text.data + text.length - length, end, length) == 0;
}

static const char *const temporary_ends[] = {".tmp", ".part", "~"};

bool file_name_is_temporary(struct slice name)
{
    if (name.length > 0 && name.data[0] == '.')
        return true;
    for (size_t i = 0; i < sizeof temporary_ends / sizeof *temporary_ends; i++)
        if (ends_with(name, temporary_ends[i]))
            return true;
    return false;
}

bool file_pattern_takes(const struct file_pattern *pattern, struct slice path, struct file_match *ret_match)
{
    const struct slice last = pattern->components[pattern->component_count - 1].text;

    /* A name with a '.' in front is matched by a literal one only, so that its pattern has it. */
    for (size_t i = 0; i < sizeof temporary_ends / sizeof *temporary_ends; i++)
        if (ends_with(path, temporary_ends[i]) && !ends_with(last, temporary_ends[i]))
            return false;
    return file_pattern_match(pattern, path, ret_match);
}
