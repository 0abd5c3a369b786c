/* hdfs_url: the lake's URL, what goes out, and where data may be sent. */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/config.h"
#include "lake/store/hdfs_url.h"

static struct error error;

/* ---- the lake's URL --------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *host, *root;
    unsigned port;
    bool tls;
} urls[] = {
    {"webhdfs://nn", "nn", "", 9870, false},
    {"webhdfs://nn/", "nn", "", 9870, false},
    {"webhdfs://nn:50070/a/b", "nn", "/a/b", 50070, false},
    {"webhdfs://nn-1.example:1/a b/", "nn-1.example", "/a b", 1, false},
    {"swebhdfs://nn/x", "nn", "/x", 9871, true},
    {"webhdfs://[::1]:65535/x", "[::1]", "/x", 65535, false},
    {"webhdfs://[fe80::1]", "[fe80::1]", "", 9870, false},
    {"webhdfs://10.0.0.1/.x/..y/...", "10.0.0.1", "/.x/..y/...", 9870, false},
};

Test(hdfs_url, is_read)
{
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct hdfs_url url;
        cr_assert_eq(hdfs_url_read(urls[i].text, &url, &error), 0, "%s: %s", urls[i].text, error.text);
        cr_expect_str_eq(url.name_node.host, urls[i].host);
        cr_expect_str_eq(url.root, urls[i].root);
        cr_expect_eq(url.name_node.port, urls[i].port);
        cr_expect_eq(url.tls, urls[i].tls);
    }
}

static const struct {
    const char *text, *why;
} bad_urls[] = {
    {"webhdfs://", "HOST:PORT"},
    {"webhdfs:///x", "HOST:PORT"},
    {"webhdfs://:9870/x", "HOST:PORT"},
    {"webhdfs://nn:/x", "HOST:PORT"},
    {"webhdfs://nn:0/x", "HOST:PORT"},
    {"webhdfs://nn:65536/x", "HOST:PORT"},
    {"webhdfs://nn:123456/x", "HOST:PORT"},
    {"webhdfs://nn:98a/x", "HOST:PORT"},
    {"webhdfs://user@nn/x", "HOST:PORT"},
    {"webhdfs://[::1/x", "HOST:PORT"},
    {"webhdfs://[]/x", "HOST:PORT"},
    {"webhdfs://[::1]x/x", "HOST:PORT"},
    {"webhdfs://nn/a//b", "empty part"},
    {"webhdfs://nn//", "empty part"},
    {"webhdfs://nn/./b", "empty part"},
    {"webhdfs://nn/a/..", "empty part"},
    {"webhdfs://nn/a%20b", "no place"},
    {"webhdfs://nn/a?b", "no place"},
    {"webhdfs://nn/a#b", "no place"},
    {"webhdfs://nn/a:b", "no such path"},
    {"webhdfs://nn/a\\b", "no such path"},
    {"webhdfs://nn/a\nb", "control character"},
    {"hdfs://nn:8020/a/b", "write webhdfs://nn:9870/a/b"},
    {"hdfs://nn", "write webhdfs://nn:9870,"},
};

Test(hdfs_url, says_what_is_wrong)
{
    for (size_t i = 0; i < sizeof bad_urls / sizeof bad_urls[0]; i++) {
        struct hdfs_url url;
        cr_assert_eq(hdfs_url_read(bad_urls[i].text, &url, &error), -1, "%s", bad_urls[i].text);
        cr_expect_eq(error.kind, ERROR_FATAL);
        cr_expect(strstr(error.text, bad_urls[i].why), "%s: %s", bad_urls[i].text, error.text);
    }
    struct hdfs_url url;
    char text[2000] = "webhdfs://nn/";
    memset(text + 13, 'x', HDFS_ROOT_SIZE);
    cr_assert_eq(hdfs_url_read(text, &url, &error), -1);
    cr_assert(strstr(error.text, "too long"));
    text[13 + HDFS_ROOT_SIZE - 2] = '\0';
    cr_assert_eq(hdfs_url_read(text, &url, &error), 0);
    memset(text + 10, 'h', 300);
    cr_assert_eq(hdfs_url_read(text, &url, &error), -1, "a host of 300 characters");
}

/* ---- what goes out ---------------------------------------------------------------------------------------- */

Test(hdfs_url, encodes)
{
    cleanup_bytes struct bytes out;

    bytes_init(&out, 1000);
    cr_assert_eq(hdfs_url_add_path(&out, "/a b/c:d:/x=%2F+&?#\xc3\xbc~._-", &error), 0);
    cr_assert(slice_is(bytes_slice(&out), "/a%20b/c%253Ad%253A/x%3D%252F%2B%26%3F%23%C3%BC~._-"), "%.*s",
        (int)out.length, out.data);
    char long_path[600];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    bytes_clear(&out);
    cr_assert_eq(hdfs_url_add_path(&out, long_path, &error), 0);
    cr_assert(slice_is(bytes_slice(&out), long_path));
    cr_assert_eq(hdfs_url_add_path(&out, long_path, &error), -1, "the buffer's limit");
    bytes_clear(&out);
    long_path[0] = ':';
    cr_assert_eq(hdfs_url_add_path(&out, "::", &error), 0);
    cr_assert(slice_is(bytes_slice(&out), "%253A%253A"));
}

/* ---- redirects -------------------------------------------------------------------------------------------- */

static char pattern_first[] = "10.1.*";
static char pattern_second[] = "*.Example";
static char *patterns[] = {pattern_first, pattern_second};
static const struct config_list none, some = {patterns, 2};
static const struct hdfs_authority home = {"nn.cluster", 9870};

static int check(bool tls, const struct config_list *allowed, const char *location)
{
    const struct hdfs_redirects redirects = {tls, &home, allowed};

    error = (struct error){0};
    return hdfs_redirect_check(&redirects, location, &error);
}

Test(hdfs_url, redirects)
{
    cr_expect_eq(check(false, &none, "http://dn1:9864/webhdfs/v1/x?op=CREATE"), 0);
    cr_expect_eq(check(false, &none, "https://dn1/x"), 0);
    cr_expect_eq(check(true, &none, "https://dn1:9865/x"), 0);
    cr_expect_eq(check(false, &some, "http://10.1.2.3:9864/x"), 0);
    cr_expect_eq(check(false, &some, "http://dn.EXAMPLE/x"), 0);
    cr_expect_eq(check(false, &some, "http://NN.cluster:14000/x"), 0, "the name node's own host");
    cr_expect_eq(check(false, &some, "http://10.2.2.3/x"), -1);
    cr_expect(strstr(error.text, "10.2.2.3, which lake.hdfs.redirects does not name"));
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_eq(check(true, &none, "http://dn1:9864/x?delegation=secret"), -1);
    cr_expect(strstr(error.text, "without TLS"));
    cr_expect_not(strstr(error.text, "secret"));
    static const char *const no_urls[] = {"", "dn1:9864/x", "//dn1/x", "ftp://dn1/x", "http://dn1",
        "http://dn1?x/y", "http:///x", "http://a@dn1/x", "http://dn1:x/y", "http://dn1\\@b/x", "HTTP://dn1/x",
        "http://dn1 /x", "http://dn1:9864@evil/x"};
    for (size_t i = 0; i < sizeof no_urls / sizeof no_urls[0]; i++) {
        cr_expect_eq(check(false, &none, no_urls[i]), -1, "%s", no_urls[i]);
        cr_expect(strstr(error.text, "no URL of a data node"), "%s", error.text);
    }
    cr_expect_eq(check(false, &none, "http://dn1:x/y?delegation=secret"), -1);
    cr_expect_not(strstr(error.text, "secret"));
    const struct hdfs_redirects redirects = {false, &home, &none};
    cr_expect(hdfs_redirect_is_home(&redirects, "http://nn.CLUSTER:1/x"));
    cr_expect_not(hdfs_redirect_is_home(&redirects, "http://nn.cluster.evil/x"));
    cr_expect_not(hdfs_redirect_is_home(&redirects, "nn.cluster"));
}

static const struct sockaddr *four(const char *text)
{
    static struct sockaddr_in address;

    address = (struct sockaddr_in){.sin_family = AF_INET};
    cr_assert_eq(inet_pton(AF_INET, text, &address.sin_addr), 1);
    return (const struct sockaddr *)&address;
}

static const struct sockaddr *six(const char *text)
{
    static struct sockaddr_in6 address;

    address = (struct sockaddr_in6){.sin6_family = AF_INET6};
    cr_assert_eq(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
    return (const struct sockaddr *)&address;
}

Test(hdfs_url, addresses)
{
    cr_expect(hdfs_address_is_link_local(four("169.254.169.254")));
    cr_expect(hdfs_address_is_link_local(six("::ffff:169.254.0.1")));
    cr_expect(hdfs_address_is_link_local(six("fe80::1")));
    cr_expect(hdfs_address_is_link_local(six("febf::1")));
    cr_expect_not(hdfs_address_is_link_local(six("fec0::1")));
    cr_expect_not(hdfs_address_is_link_local(four("169.253.0.1")));
    cr_expect_not(hdfs_address_is_link_local(six("2001:db8::1")));
    cr_expect(hdfs_address_is_loopback(four("127.0.0.1")));
    cr_expect(hdfs_address_is_loopback(four("127.255.0.1")));
    cr_expect(hdfs_address_is_loopback(four("0.0.0.0")));
    cr_expect(hdfs_address_is_loopback(six("::1")));
    cr_expect(hdfs_address_is_loopback(six("::")));
    cr_expect(hdfs_address_is_loopback(six("::ffff:127.0.0.1")));
    cr_expect_not(hdfs_address_is_loopback(four("128.0.0.1")));
    cr_expect_not(hdfs_address_is_loopback(six("2001:db8::1")));
    const struct sockaddr other = {.sa_family = AF_UNIX};
    cr_expect_not(hdfs_address_is_loopback(&other));
    cr_expect_not(hdfs_address_is_link_local(&other));
    cr_expect(hdfs_host_is_loopback("LocalHost"));
    cr_expect(hdfs_host_is_loopback("127.0.1.1"));
    cr_expect(hdfs_host_is_loopback("[::1]"));
    cr_expect_not(hdfs_host_is_loopback("localhost.example"));
}
