/* http_target: see http_target.h */
#include "source/http_target.h"

#include "base/utf8.h"

/* In the decoded query these stand for '=' and '&'; decoded text holds no control characters, so nothing else can. */
#define QUERY_VALUE '\x1f'
#define QUERY_NEXT '\x1e'

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int http_target_check(struct slice text, struct error *error)
{
    for (size_t i = 0; i < text.length;) {
        size_t length = utf8_sequence(text.data + i, text.length - i);
        if (length == 0)
            return error_set(error, ERROR_REJECT, "the URL is not UTF-8 when its %% escapes are decoded");
        if (utf8_is_control(text.data + i))
            return error_set(error, ERROR_REJECT, "the URL holds a control character");
        i += length;
    }
    return 0;
}

/* Percent-decodes text[0, length) in place. */
static int http_target_decode(
    char *text, size_t length, bool query, struct slice *ret_slice, struct error *error)
{
    size_t out = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return error_set(error, ERROR_REJECT, "the URL holds a %% without two hexadecimal digits");
            text[out++] = (char)(high << 4 | low);
            i += 2;
        } else
            text[out++] = query && text[i] == '+' ? ' ' : text[i];
    }
    *ret_slice = (struct slice){text, out};
    return http_target_check(*ret_slice, error);
}

/* Packs the decoded pairs to the front of text, which they never outgrow. */
static int http_target_pairs(char *text, size_t length, struct slice *ret_query, struct error *error)
{
    size_t out = 0;
    size_t start = 0;
    bool in_value = false;

    for (size_t i = 0; i <= length; i++) {
        bool ends_name = i < length && text[i] == '=' && !in_value;
        if (i < length && text[i] != '&' && !ends_name)
            continue;
        struct slice part;
        if (http_target_decode(text + start, i - start, true, &part, error))
            return -1;
        memmove(text + out, part.data, part.length);
        out += part.length;
        if (i < length)
            text[out++] = ends_name ? QUERY_VALUE : QUERY_NEXT;
        in_value = ends_name;
        start = i + 1;
    }
    *ret_query = (struct slice){text, out};
    return 0;
}

/* "http://host:80/readings" -> where "/readings" starts. */
static size_t http_target_path(const char *text, size_t length)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t skip = strlen(schemes[i]);
        if (length >= skip && memcmp(text, schemes[i], skip) == 0) {
            while (skip < length && text[skip] != '/' && text[skip] != '?')
                skip++;
            return skip;
        }
    }
    return 0;
}

int http_target_parse(char *text, size_t length, struct http_target *ret_target, struct error *error)
{
    struct http_target target = {0};
    size_t start = http_target_path(text, length);
    char *mark = memchr(text + start, '?', length - start);
    size_t end = mark ? (size_t)(mark - text) : length;

    if (mark && http_target_pairs(mark + 1, length - end - 1, &target.query, error))
        return -1;
    if (start < end && text[start] == '/')
        start++;
    char *slash = memchr(text + start, '/', end - start);
    size_t first_end = slash ? (size_t)(slash - text) : end;
    if (http_target_decode(text + start, first_end - start, false, &target.stream, error))
        return -1;
    if (slash) {
        target.deeper = memchr(slash + 1, '/', end - first_end - 1) != NULL;
        if (http_target_decode(slash + 1, end - first_end - 1, false, &target.key, error))
            return -1;
    }
    *ret_target = target;
    return 0;
}

struct slice http_target_query(const struct http_target *target, const char *name)
{
    const char *at = target->query.data;
    const char *end = at + target->query.length;

    while (at && at < end) {
        const char *next = memchr(at, QUERY_NEXT, (size_t)(end - at));
        const char *pair_end = next ? next : end;
        const char *value = memchr(at, QUERY_VALUE, (size_t)(pair_end - at));
        const char *name_end = value ? value : pair_end;
        if (slice_is((struct slice){at, (size_t)(name_end - at)}, name)) {
            const char *from = value ? value + 1 : pair_end;
            return (struct slice){from, (size_t)(pair_end - from)};
        }
        at = next ? next + 1 : NULL;
    }
    return (struct slice){0};
}
