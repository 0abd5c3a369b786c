/* hdfs_url: see hdfs_url.h */
#include "lake/store/hdfs_url.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/config.h"
#include "lake/store/percent.h"

#define HDFS_SHOWN 200 /* of a Location, in texts; never its query */

static const char hdfs_digits[] = "0123456789";

/* ---- host and port ---------------------------------------------------------------------------------------- */

unsigned hdfs_default_port(bool tls)
{
    return tls ? 9871 : 9870;
}

static bool hdfs_read_port(struct slice text, unsigned *ret_port)
{
    unsigned port = 0;

    if (text.length == 0 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (!memchr(hdfs_digits, text.data[i], 10))
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret_port = port;
    return port >= 1 && port <= 65535;
}

/* Nothing that two readers of a URL could take for different hosts. */
static size_t hdfs_host_length(struct slice text)
{
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    static const char address[] = "ABCDEFabcdef0123456789.:";
    const bool bracket = text.length > 0 && text.data[0] == '[';
    size_t length = bracket ? 1 : 0;

    while (length < text.length && strchr(bracket ? address : name, text.data[length]) && text.data[length])
        length++;
    if (!bracket)
        return length;
    return length > 1 && length < text.length && text.data[length] == ']' ? length + 1 : 0;
}

int hdfs_authority_read(struct slice text, unsigned default_port, struct hdfs_authority *ret_authority)
{
    struct hdfs_authority authority = {.port = default_port};
    const size_t length = hdfs_host_length(text);

    if (length == 0 || length >= sizeof authority.host)
        return -1;
    memcpy(authority.host, text.data, length);
    if (length < text.length &&
        (text.data[length] != ':' ||
            !hdfs_read_port(
                (struct slice){text.data + length + 1, text.length - length - 1}, &authority.port)))
        return -1;
    *ret_authority = authority;
    return 0;
}

/* ---- the lake's URL --------------------------------------------------------------------------------------- */

/* As HDFS takes paths: no empty component, no "." or "..", no colon. */
static const char *hdfs_path_fault(const char *path)
{
    if (strpbrk(path, "%?#"))
        return "%, ? and # have no place in its path";
    if (strpbrk(path, ":\\"))
        return "HDFS takes no such path";
    for (const char *part = path; *part; part += strcspn(part, "/")) {
        part++;
        const size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && memcmp(part, "..", 2) == 0))
            return "its path has an empty part, or . or ..";
    }
    for (const char *byte = path; *byte; byte++)
        if ((unsigned char)*byte < 0x20 || *byte == 0x7f)
            return "its path has a control character";
    return NULL;
}

static int hdfs_url_refuse(struct error *error, const char *text, const char *why)
{
    return error_set(error, ERROR_FATAL, "\"%.200s\": %s", text, why);
}

int hdfs_url_read(const char *text, struct hdfs_url *ret_url, struct error *error)
{
    struct hdfs_url url = {.tls = strncmp(text, "swebhdfs://", 11) == 0};

    if (strncmp(text, "hdfs://", 7) == 0)
        return error_set(error, ERROR_FATAL,
            "\"%s\": HDFS is written to over WebHDFS; write webhdfs://%.*s:9870%s, with the port of the name node's "
            "HTTP (dfs.namenode.http-address)",
            text, (int)strcspn(text + 7, ":/"), text + 7, strchr(text + 7, '/') ? strchr(text + 7, '/') : "");
    const char *start = text + (url.tls ? 11 : 10);
    const size_t length = strcspn(start, "/");
    const char *path = start + length;
    if (hdfs_authority_read((struct slice){start, length}, hdfs_default_port(url.tls), &url.name_node))
        return hdfs_url_refuse(error, text, "webhdfs:// is followed by a host, or HOST:PORT, and a path");
    size_t path_length = strlen(path);
    if (path_length > 0 && path[path_length - 1] == '/')
        path_length--;
    if (path_length >= sizeof url.root)
        return hdfs_url_refuse(error, text, "its path is too long");
    memcpy(url.root, path, path_length);
    const char *fault = hdfs_path_fault(url.root);
    if (fault)
        return hdfs_url_refuse(error, text, fault);
    *ret_url = url;
    return 0;
}

/* ---- what goes out ---------------------------------------------------------------------------------------- */

int hdfs_url_add_path(struct bytes *out, const char *path, struct error *error)
{
    for (;;) {
        const size_t length = strcspn(path, ":");
        if (percent_encode((struct slice){path, length}, true, out, error))
            return -1;
        path += length;
        if (!*path)
            return 0;
        if (bytes_add_text(out, "%253A", error))
            return -1;
        path++;
    }
}

/* ---- redirects -------------------------------------------------------------------------------------------- */

bool hdfs_host_is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

/* In IPv6 an address of IPv4 may be hidden. */
static bool hdfs_address_v4(const struct sockaddr *address, uint8_t ret_bytes[4])
{
    if (address->sa_family == AF_INET) {
        memcpy(ret_bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return true;
    }
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(six))
        return false;
    memcpy(ret_bytes, six->s6_addr + 12, 4);
    return true;
}

bool hdfs_address_is_link_local(const struct sockaddr *address)
{
    uint8_t four[4];

    if (hdfs_address_v4(address, four))
        return four[0] == 169 && four[1] == 254;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

bool hdfs_address_is_loopback(const struct sockaddr *address)
{
    uint8_t four[4];

    if (hdfs_address_v4(address, four))
        return four[0] == 127 || four[0] == 0;
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || IN6_IS_ADDR_UNSPECIFIED(six);
}

static int hdfs_redirect_read(const char *location, bool *ret_tls, struct hdfs_authority *ret_to)
{
    const bool tls = strncmp(location, "https://", 8) == 0;
    const char *start = location + (tls ? 8 : 7);

    if (!tls && strncmp(location, "http://", 7) != 0)
        return -1;
    const size_t length = strcspn(start, "/");
    *ret_tls = tls;
    return start[length] == '/' ? hdfs_authority_read((struct slice){start, length}, tls ? 443 : 80, ret_to)
                                : -1;
}

bool hdfs_redirect_is_home(const struct hdfs_redirects *allowed, const char *location)
{
    struct hdfs_authority to;
    bool tls;

    return hdfs_redirect_read(location, &tls, &to) == 0 && strcasecmp(to.host, allowed->name_node->host) == 0;
}

static bool hdfs_redirect_matches(const struct config_list *patterns, const char *host)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (fnmatch(patterns->items[i], host, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
            return true;
    return patterns->count == 0;
}

int hdfs_redirect_check(const struct hdfs_redirects *allowed, const char *location, struct error *error)
{
    const size_t length = strcspn(location, "?");
    const int shown = (int)(length < HDFS_SHOWN ? length : HDFS_SHOWN);
    struct hdfs_authority to;
    bool tls;

    if (hdfs_redirect_read(location, &tls, &to))
        return error_set(error, ERROR_RETRY, "the data would go to \"%.*s\", which is no URL of a data node",
            shown, location);
    if (allowed->tls && !tls)
        return error_set(error, ERROR_RETRY,
            "the data would go to %.*s without TLS; with swebhdfs:// dfs.http.policy has to be HTTPS_ONLY",
            shown, location);
    if (!hdfs_redirect_is_home(allowed, location) && !hdfs_redirect_matches(allowed->patterns, to.host))
        return error_set(
            error, ERROR_RETRY, "the data would go to %s, which lake.hdfs.redirects does not name", to.host);
    return 0;
}
