/* hdfs_url: where an HDFS listens, what it is asked for, and where it may send others.
 *
 * Paths are taken as they are and encoded on the way out. Pure. Room-internal. @thread any
 */
#ifndef PENSTOCK_LAKE_HDFS_URL_H
#define PENSTOCK_LAKE_HDFS_URL_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/error.h"

#define HDFS_HOST_SIZE 256
#define HDFS_NODES_MOST 17 /* the URL's, and as many as a list of options has */
#define HDFS_ROOT_SIZE 1024

struct config_list;

struct hdfs_authority {
    char host[HDFS_HOST_SIZE]; /* of IPv6 with its brackets */
    unsigned port;
};

struct hdfs_url {
    bool tls; /* swebhdfs:// */
    struct hdfs_authority name_node;
    char root[HDFS_ROOT_SIZE]; /* "" or "/a/b": nothing behind it */
};

/* ERROR_FATAL: not what such a URL looks like; the text quotes it and says why. */
int hdfs_url_read(const char *text, struct hdfs_url *ret_url, struct error *error);
/* "host", "host:port", "[address]:port"; -1: none of these. */
int hdfs_authority_read(struct slice text, unsigned default_port, struct hdfs_authority *ret_authority);
/* The usual port of a name node's HTTP, or HTTPS. */
unsigned hdfs_default_port(bool tls);

/* A path as it stands in a URL. A colon becomes %3A, as Hive escapes it, for HDFS takes none; which is encoded once more. */
int hdfs_url_add_path(struct bytes *out, const char *path, struct error *error);

/* Where data may be sent. Patterns are names of hosts with * for any characters, and the name node's own host is one of them. Without
 * any: every host, but none by a link-local address, and by loopback only when the name node is there, too. */
struct hdfs_redirects {
    bool tls; /* it may not be given up */
    const struct hdfs_authority *name_node;
    const struct config_list *patterns;
};
/* Scheme, form and host of a Location; ERROR_RETRY says where to and why not. */
int hdfs_redirect_check(const struct hdfs_redirects *allowed, const char *location, struct error *error);

/* Whether the Location, which hdfs_redirect_check() has taken, is on the name node's own host. */
bool hdfs_redirect_is_home(const struct hdfs_redirects *allowed, const char *location);

/* For redirects without patterns: what the host's name stands for. */
bool hdfs_host_is_loopback(const char *host);
bool hdfs_address_is_link_local(const struct sockaddr *address);
bool hdfs_address_is_loopback(const struct sockaddr *address);

#endif
