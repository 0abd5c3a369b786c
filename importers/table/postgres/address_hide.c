/* address_hide: passwords out of an address that stands in argv; see address.h
 *
 * Follows the way in which libpq takes addresses apart (conninfo_uri_parse_options(), conninfo_parse()), but needs no address that is right.
 */
#include <ctype.h>
#include <string.h>

#include "table/postgres/address.h"

static bool hide_span(char *from, const char *end)
{
    if (from == end)
        return false;
    memset(from, 'x', (size_t)(end - from));
    return true;
}

static bool hide_is_secret(const char *name, size_t length)
{
    static const char *const secrets[] = {"password", "sslpassword"};

    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (length == strlen(secrets[i]) && memcmp(name, secrets[i], length) == 0)
            return true;
    return false;
}

static int hide_digit(char digit)
{
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

/* Names in a URL may be written with %XX. */
static bool hide_is_secret_of_url(const char *name, const char *end)
{
    char decoded[16];
    size_t length = 0;

    while (name < end && length < sizeof decoded) {
        if (*name == '%' && end - name > 2 && isxdigit((unsigned char)name[1]) &&
            isxdigit((unsigned char)name[2])) {
            decoded[length++] = (char)(hide_digit(name[1]) * 16 + hide_digit(name[2]));
            name += 3;
        } else
            decoded[length++] = *name++;
    }
    return hide_is_secret(decoded, length);
}

static bool hide_in_url(char *rest)
{
    bool found = false;
    char *at = rest + strcspn(rest, "@/");

    /* A password with a raw / or @ in it: what stands before the last @. */
    char *last = strrchr(rest, '@');
    const char *query = rest + strcspn(rest, "?");
    if (last && (last < query || *at == '@') && last > at)
        at = last;
    char *colon = rest + strcspn(rest, ":");
    if (*at == '@' && colon < at)
        found = hide_span(colon + 1, at);

    char *next = at + strcspn(at, "?");
    while (*next == '?' || *next == '&') {
        char *name = next + 1, *end = name + strcspn(name, "&"),
             *equal = memchr(name, '=', (size_t)(end - name));
        if (equal && hide_is_secret_of_url(name, equal))
            found |= hide_span(equal + 1, end);
        next = end;
    }
    return found;
}

static char *hide_skip_space(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* Where a keyword's value ends: at space, or at its closing quote. A backslash takes the next character along. */
static char *hide_value_end(char *value)
{
    const bool quoted = *value == '\'';

    for (char *at = value + quoted;; at++) {
        if (*at == '\0' || (quoted ? *at == '\'' : isspace((unsigned char)*at)))
            return at;
        if (*at == '\\' && at[1] != '\0')
            at++;
    }
}

static bool hide_in_keywords(char *text)
{
    bool found = false;

    for (char *next = hide_skip_space(text); *next;) {
        char *name = next;
        while (*next && *next != '=' && !isspace((unsigned char)*next))
            next++;
        const size_t length = (size_t)(next - name);
        next = hide_skip_space(next);
        if (*next != '=')
            return hide_span(name, name + strlen(name)) || found;
        next = hide_skip_space(next + 1);
        char *end = hide_value_end(next);
        if (hide_is_secret(name, length))
            found |= hide_span(next + (*next == '\''), end);
        next = hide_skip_space(end + (*end == '\''));
    }
    return found;
}

bool pg_address_hide(char *text)
{
    char *rest = strstr(text, "://");

    if (rest && rest < text + strcspn(text, "=@/ ") + 1)
        return hide_in_url(rest + 3);
    return strchr(text, '=') ? hide_in_keywords(text) : false;
}
