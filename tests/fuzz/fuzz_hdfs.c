/* Fuzzes what a name node says (libFuzzer): where data is to go, and its JSON. A host that is let through is one, in all readings of its URL; lists end. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "lake/store/hdfs_answer.h"
#include "lake/store/hdfs_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void redirect(const char *location)
{
    static char *patterns[] = {"*.example", "node?", "127.0.0.1"};
    const struct config_list some = {.items = patterns, .count = 3}, none = {0};
    const struct hdfs_authority name_node = {.host = "namenode.example", .port = 9870};
    struct error error;

    for (int i = 0; i < 4; i++) {
        const struct hdfs_redirects allowed = {
            .tls = i & 1, .name_node = &name_node, .patterns = i & 2 ? &some : &none};
        if (hdfs_redirect_check(&allowed, location, &error)) {
            assert(error.kind == ERROR_RETRY && error.text[0]);
            continue;
        }
        /* Nobody sees another host in it: nothing that names a user, no backslash, no blank, no control character before the path. */
        const char *start = strstr(location, "://") + 3;
        const size_t length = strcspn(start, "/");
        assert(length > 0 && start[length] == '/');
        for (size_t k = 0; k < length; k++)
            assert((unsigned char)start[k] > ' ' && (unsigned char)start[k] < 0x7f &&
                   !strchr("@\\?#%", start[k]));
        assert(!(i & 1) || strncmp(location, "https://", 8) == 0);
    }
}

static void url(const char *text)
{
    struct hdfs_url url;
    struct error error;
    struct bytes out;

    /* Whoever calls has looked at the scheme. */
    if (strncmp(text, "webhdfs://", 10) != 0 && strncmp(text, "swebhdfs://", 11) != 0 &&
        strncmp(text, "hdfs://", 7) != 0)
        return;
    if (hdfs_url_read(text, &url, &error)) {
        assert(error.kind == ERROR_FATAL);
        return;
    }
    assert(url.name_node.port >= 1 && url.name_node.port <= 65535 && url.name_node.host[0]);
    assert(!strstr(url.root, "//") && !strstr(url.root, "/../") && (!url.root[0] || url.root[0] == '/'));
    bytes_init(&out, 16 + 3 * sizeof url.root);
    assert(hdfs_url_add_path(&out, url.root, &error) == 0);
    for (size_t i = 0; i < out.length; i++)
        assert((unsigned char)out.data[i] > ' ' && !strchr("?#&", out.data[i]));
    bytes_free(&out);
}

static int each(void *context, const char *name, bool is_file, struct error *error)
{
    (void)is_file;
    (void)error;
    *(size_t *)context += strlen(name);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct hdfs_exception exception;
    struct error error;
    uint64_t number;
    size_t names = 0;

    if (size > 4096)
        return free(text), 0;
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    const struct slice body = {text, size};
    redirect(text);
    url(text);
    if (hdfs_answer_list(body, each, &names, &number, &error) == 0)
        assert(names <= size);
    hdfs_answer_length(body, &number);
    hdfs_answer_is_true(body);
    for (long status = 0; status < 600; status += 100) {
        hdfs_answer_judge(status, body, &exception);
        for (const char *at = exception.message; *at; at++)
            assert((unsigned char)*at >= ' ' && *at != 0x7f);
    }
    free(text);
    return 0;
}
