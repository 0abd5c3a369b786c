/* subscriber_url: see subscriber_url.h */
#include "source/subscriber_url.h"

#include <ctype.h>
#include <stdio.h>

#define URL_ALLOWED "mqtt://HOST, mqtts://HOST, with :PORT where it is another than 1883 or 8883"
#define FILTER_MAX 65535
#define SHARE "$share/"

static int url_refuse(struct error *error, const char *found)
{
    return error_set(error, ERROR_REJECT, "found %s; allowed: " URL_ALLOWED, found);
}

static bool url_skip(struct slice *text, const char *start)
{
    size_t length = strlen(start);

    if (text->length < length || memcmp(text->data, start, length) != 0)
        return false;
    text->data += length;
    text->length -= length;
    return true;
}

static bool url_is_host(struct slice host, const char *more)
{
    for (size_t i = 0; i < host.length; i++)
        if (!isalnum((unsigned char)host.data[i]) && !memchr(more, host.data[i], strlen(more)))
            return false;
    return host.length > 0 && host.length <= SUBSCRIBER_HOST_MAX;
}

/* Takes the host off the front. */
static int url_take_host(struct slice *rest, struct subscriber_url *url, struct error *error)
{
    const bool bracket = url_skip(rest, "[");
    const char *end = rest->length ? memchr(rest->data, bracket ? ']' : ':', rest->length) : NULL;
    struct slice host = {rest->data, end ? (size_t)(end - rest->data) : rest->length};

    if (bracket && !end)
        return url_refuse(error, "a [ without its ]");
    if (host.length == 0)
        return url_refuse(error, "no host");
    /* Of an IPv6 address: its digits, an IPv4 address at its end, and a zone. */
    if (!url_is_host(host, bracket ? ":.%-_" : ".-_"))
        return url_refuse(error, "a host that cannot be one");
    snprintf(url->host, sizeof url->host, "%.*s", (int)host.length, host.data);
    rest->data += host.length + bracket;
    rest->length -= host.length + bracket;
    return 0;
}

static int url_take_port(struct slice rest, struct subscriber_url *url, struct error *error)
{
    unsigned port = 0;

    if (rest.length == 0)
        return 0;
    if (!url_skip(&rest, ":"))
        return url_refuse(error, "something else behind the host");
    if (rest.length == 0 || rest.length > 5)
        return url_refuse(error, "a port that is no number from 1 to 65535");
    for (size_t i = 0; i < rest.length; i++) {
        if (!isdigit((unsigned char)rest.data[i]))
            return url_refuse(error, "a port that is no number from 1 to 65535");
        port = port * 10 + (unsigned)(rest.data[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return url_refuse(error, "a port that is no number from 1 to 65535");
    url->port = (uint16_t)port;
    return 0;
}

int subscriber_url_parse(struct slice text, struct subscriber_url *ret_url, struct error *error)
{
    struct subscriber_url url = {.tls = url_skip(&text, "mqtts://")};

    if (!url.tls && !url_skip(&text, "mqtt://"))
        return url_refuse(error, text.length ? "another scheme, or none" : "nothing");
    if (text.length && memchr(text.data, '@', text.length))
        return error_set(error, ERROR_REJECT,
            "found a user or password in it (there is an @), which every log would show; allowed: user and "
            "password_file beside it");
    url.port = url.tls ? SUBSCRIBER_PORT_TLS : SUBSCRIBER_PORT;
    if (text.length && text.data[text.length - 1] == '/')
        text.length--;
    if (url_take_host(&text, &url, error) || url_take_port(text, &url, error))
        return -1;
    *ret_url = url;
    return 0;
}

int subscriber_url_print(const struct subscriber_url *url, struct bytes *text, struct error *error)
{
    const bool bracket = strchr(url->host, ':') != NULL;

    return bytes_print(text, error, "%s://%s%s%s:%u", url->tls ? "mqtts" : "mqtt", bracket ? "[" : "",
        url->host, bracket ? "]" : "", url->port);
}

/* ---- filters -------------------------------------------------------------------------------------------------- */

/* A wildcard stands for a whole level, # for the last one (4.7.1). */
static int filter_check_levels(struct slice filter, struct error *error)
{
    for (size_t i = 0; i < filter.length; i++) {
        const char byte = filter.data[i];
        if (byte != '+' && byte != '#')
            continue;
        if (i > 0 && filter.data[i - 1] != '/')
            return error_set(
                error, ERROR_REJECT, "found a %c behind a character; allowed: alone in its level", byte);
        if (i + 1 < filter.length && (byte == '#' || filter.data[i + 1] != '/'))
            return error_set(error, ERROR_REJECT, "found a %c in front of a character; allowed: %s", byte,
                byte == '#' ? "at the end" : "alone in its level");
    }
    return 0;
}

/* $share/GROUP/FILTER (4.8.2) */
static int filter_check_share(struct slice *filter, struct error *error)
{
    if (!url_skip(filter, SHARE))
        return 0;
    const char *slash = filter->length ? memchr(filter->data, '/', filter->length) : NULL;
    const size_t length = slash ? (size_t)(slash - filter->data) : 0;
    if (length == 0 || memchr(filter->data, '+', length) || memchr(filter->data, '#', length))
        return error_set(error, ERROR_REJECT,
            "found no group, no filter, or a wildcard in the group; allowed behind $share: /GROUP/FILTER");
    filter->data += length + 1;
    filter->length -= length + 1;
    return 0;
}

int subscriber_filter_check(struct slice filter, struct error *error)
{
    if (filter.length > FILTER_MAX)
        return error_set(
            error, ERROR_REJECT, "found %zu bytes; allowed: at most %d", filter.length, FILTER_MAX);
    if (filter_check_share(&filter, error))
        return -1;
    if (filter.length == 0)
        return error_set(
            error, ERROR_REJECT, "found nothing; allowed: a topic filter like grid/# or +/wattage");
    return filter_check_levels(filter, error);
}
