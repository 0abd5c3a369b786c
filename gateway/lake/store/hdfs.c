/* hdfs: lake files in HDFS, over WebHDFS or HttpFS.
 *
 * A file lies in the spool until it is published: it is written to ROOT/.penstock/GATEWAYID/files/ID-N.tmp, with SYNC_BLOCK, so that the data nodes
 * have fsynced it before they say 201; its length is compared; it is renamed without replacing. Once the name node has answered, its log has it.
 *
 * Nothing of an earlier open may appear after this one. ROOT/.penstock/GATEWAYID/owner holds one directory, whose name is the last
 * open's. Opening: 1. owner is deleted and made again with our own random name in it, 2. files is deleted. Publishing: after the
 * last byte is written, and before the first rename, owner must hold our name and no other. If it did, whoever opens later
 * deletes our temporary files after that moment (2 comes behind 1), and a late rename finds nothing to rename; what was renamed before is there
 * when the other lists. If two open at once, both see both names, or one sees the other's alone: at least one opens again. A process that
 * stood still finds another name, however long it was; so the name is made once, never again by a retry, and not by writing a file,
 * whose parents HDFS makes. All of this is of the name node alone: no clocks, no leases. A killed writer's lease hinders nobody, for temporary
 * names are new for each try and DELETE does not ask for leases.
 */
#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/config.h"
#include "base/file.h"
#include "lake/store/hdfs_internal.h"
#include "lake/store/percent.h"

#define HDFS_CONNECT_TIMEOUT (10 * CLOCK_SECOND)
#define HDFS_STALL_TIMEOUT (60 * CLOCK_SECOND)

void hdfs_hidden(const struct store *store, const char *what, char *ret_path)
{
    snprintf(ret_path, HDFS_HIDDEN_SIZE, "/" STORE_HIDDEN "/%s/%s", store->options.gateway_id, what);
}

void hdfs_free_request(struct hdfs_request **request)
{
    if (*request)
        hdfs_request_free(*request);
    free(*request);
    *request = NULL;
}

struct hdfs_request *hdfs_make_request(const char *method, size_t answer_most, struct error *error)
{
    struct hdfs_request *request = malloc(sizeof *request);

    if (request)
        hdfs_request_init(request, method, answer_most);
    else
        error_set(error, ERROR_RETRY, "lake: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    return request;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static void hdfs_close(struct store **store)
{
    if (!*store)
        return;
    for (size_t i = 0; i < HDFS_KNOWN; i++)
        free((*store)->known[i]);
    if ((*store)->identity.data)
        explicit_bzero((*store)->identity.data, (*store)->identity.length);
    bytes_free(&(*store)->identity);
    http_client_close(&(*store)->client);
    fd_close(&(*store)->spool);
    free(*store);
    *store = NULL;
}

static int hdfs_add_token(struct store *store, const char *file, struct error *error)
{
    cleanup_bytes struct bytes token;

    bytes_init(&token, FILE_VALUE_BUFFER);
    int result = file_read_value(file, true, &token, error);
    if (!result)
        result = bytes_add_text(&store->identity, "&delegation=", error) ||
                 percent_encode(slice_of(token.data), true, &store->identity, error);
    if (token.data)
        explicit_bzero(token.data, token.length);
    if (!result)
        return 0;
    error->kind = ERROR_RETRY;
    return error_wrap(error, "lake.hdfs.token");
}

static int hdfs_add_user(struct store *store, const char *user, struct error *error)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char memory[4096];

    if (!user[0] && (getpwuid_r(geteuid(), &entry, memory, sizeof memory, &found) || !found))
        return error_set(error, ERROR_RETRY,
            "lake %s: the user that this runs as has no name; lake.hdfs.user gives it one",
            store->options.root);
    return bytes_add_text(&store->identity, "&user.name=", error) ||
                   percent_encode(slice_of(user[0] ? user : found->pw_name), true, &store->identity, error)
               ? -1
               : 0;
}

/* The URL's own name node, and those of lake.hdfs.name_nodes. */
static int hdfs_read_nodes(const struct config_lake *config, struct hdfs_url *url,
    struct hdfs_authority nodes[static HDFS_NODES_MOST], size_t *ret_count, const void **ret_option,
    struct error *error)
{
    const struct config_list *more = &config->hdfs.name_nodes;

    *ret_option = &config->url;
    if (hdfs_url_read(config->url, url, error))
        return -1;
    nodes[0] = url->name_node;
    *ret_option = more;
    assert(more->count < HDFS_NODES_MOST);
    for (size_t i = 0; i < more->count; i++)
        if (hdfs_authority_read(slice_of(more->items[i]), hdfs_default_port(url->tls), &nodes[i + 1]))
            return error_set(error, ERROR_FATAL, "\"%s\": a name node is HOST or HOST:PORT", more->items[i]);
    *ret_count = more->count + 1;
    return 0;
}

static int hdfs_prepare(struct store *store, struct error *error)
{
    const struct config_lake *config = store->config;
    const void *option;
    uint64_t random;

    if (hdfs_read_nodes(config, &store->url, store->nodes, &store->nodes_count, &option, error))
        return -1;
    store->redirects = (struct hdfs_redirects){
        .tls = store->url.tls, .name_node = &store->url.name_node, .patterns = &config->hdfs.redirects};
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return error_set_errno(error, ERROR_RETRY, "getrandom"); /* GCOVR_EXCL_LINE: no kernel does that */
    snprintf(store->id, sizeof store->id, "%016llx", (unsigned long long)random);
    bytes_init(&store->identity, 4 * FILE_VALUE_BUFFER);
    if (config->hdfs.token[0] ? hdfs_add_token(store, config->hdfs.token, error)
                              : hdfs_add_user(store, config->hdfs.user, error))
        return -1;
    const struct http_client_options options = {.ca = config->ca,
        .ca_option = "lake.ca",
        .connections = (unsigned)config->connections,
        .connect_timeout = HDFS_CONNECT_TIMEOUT,
        .stall_timeout = HDFS_STALL_TIMEOUT,
        .give_up = store->options.give_up,
        .context = store->options.context};
    return (store->options.gateway_id && spool_open(store->options.spool, &store->spool, error)) ||
                   http_client_open(&store->client, &options, error)
               ? -1
               : 0;
}

static int hdfs_ask_one(
    struct store *store, const char *method, const char *what, const char *op, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request(method, HDFS_ANSWER_MAX, error);
    char path[HDFS_HIDDEN_SIZE];

    if (!request)
        return -1;
    hdfs_hidden(store, what, path);
    request->once = strcmp(op, "MKDIRS") == 0;
    return hdfs_request_target(request, store, path, op, error) || hdfs_ask(store, request, 1, error) ? -1
                                                                                                      : 0;
}

/* See above. */
static int hdfs_take_over(struct store *store, struct error *error)
{
    char owner[HDFS_ID_SIZE + 8];

    snprintf(owner, sizeof owner, "owner/%s", store->id);
    return hdfs_ask_one(store, "DELETE", "owner", "DELETE&recursive=true", error) ||
                   hdfs_ask_one(store, "PUT", owner, "MKDIRS", error) ||
                   hdfs_ask_one(store, "DELETE", "files", "DELETE&recursive=true", error)
               ? -1
               : 0;
}

static int hdfs_open(struct store **ret_store, const struct lake_options *options, struct error *error)
{
    __attribute__((cleanup(hdfs_close))) struct store *store = calloc(1, sizeof *store);

    if (!store)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", options->root);
    store->spool = -1;
    store->options = *options;
    store->config = options->config;
    if (hdfs_prepare(store, error) || (options->gateway_id && hdfs_take_over(store, error)))
        return -1;
    *ret_store = store;
    store = NULL;
    return 0;
}

static int hdfs_create(struct store *store, struct store_file **ret_file, struct error *error)
{
    return spool_create(store->spool, ret_file, error);
}

static bool hdfs_tight(const struct store *store)
{
    return spool_is_tight(store->spool, SPOOL_RESERVE);
}

/* ---- lists ------------------------------------------------------------------------------------------------ */

struct hdfs_page {
    hdfs_answer_each_fn *each;
    void *context;
    char last[HDFS_NAME_SIZE];
    size_t count;
};

static int hdfs_page_entry(void *context, const char *name, bool is_file, struct error *error)
{
    struct hdfs_page *page = context;

    page->count++;
    snprintf(page->last, sizeof page->last, "%s", name);
    return page->each(page->context, name, is_file, error);
}

/* HttpFS knows the documented startAfter alone; Hadoop 3.5's name node knows it in small letters alone, and takes the first page for any other. */
static int hdfs_target_page(struct hdfs_request *request, const struct store *store, const char *path,
    const char *after, struct error *error)
{
    return hdfs_request_target(request, store, path, "LISTSTATUS_BATCH&startafter=", error) ||
                   percent_encode(slice_of(after), true, &request->target, error) ||
                   bytes_add_text(&request->target, "&startAfter=", error) ||
                   percent_encode(slice_of(after), true, &request->target, error)
               ? -1
               : 0;
}

/* One page behind page->last. ret_more: how many are left. */
static int hdfs_read_page(
    struct store *store, const char *path, struct hdfs_page *page, bool *ret_more, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("GET", HDFS_LIST_MAX, error);
    char after[HDFS_NAME_SIZE];
    uint64_t more = 0;

    if (!request)
        return -1;
    request->harmless = "FileNotFoundException";
    page->count = 0;
    snprintf(after, sizeof after, "%s", page->last);
    if (store->without_pages ? hdfs_request_target(request, store, path, "LISTSTATUS", error)
                             : hdfs_target_page(request, store, path, page->last, error))
        return -1;
    if (hdfs_ask(store, request, 1, error)) {
        if (store->without_pages || strcmp(request->exception.name, "IllegalArgumentException") != 0)
            return -1;
        store->without_pages = true; /* a server that does not know the other one */
        *ret_more = true;
        return 0;
    }
    *ret_more = false;
    if (request->exception.name[0])
        return 0; /* there is no such directory */
    if (hdfs_answer_list(bytes_slice(&request->answer), hdfs_page_entry, page, &more, error))
        return error->kind == ERROR_RETRY ? error_wrap(error, "lake %s%s", store->options.root, path) : -1;
    if (more > 0 && after[0] && strcmp(page->last, after) == 0)
        store->without_pages = true; /* the same page again: names come twice, which does no harm */
    *ret_more = more > 0 && page->count > 0; /* a page without entries would be asked for again for ever */
    return 0;
}

int hdfs_read_directory(
    struct store *store, const char *path, hdfs_answer_each_fn *each, void *context, struct error *error)
{
    struct hdfs_page page = {.each = each, .context = context};

    for (bool more = true; more;)
        if (hdfs_read_page(store, path, &page, &more, error))
            return -1;
    return 0;
}

struct hdfs_owners {
    const char *id;
    size_t own, others;
};

static int hdfs_count_owner(void *context, const char *name, bool is_file, struct error *error)
{
    struct hdfs_owners *owners = context;

    (void)error;
    (void)is_file;
    if (strcmp(name, owners->id) == 0)
        owners->own++;
    else
        owners->others++;
    return 0;
}

int hdfs_check_owner(struct store *store, struct error *error)
{
    struct hdfs_owners owners = {.id = store->id};
    char path[HDFS_HIDDEN_SIZE];

    hdfs_hidden(store, "owner", path);
    if (hdfs_read_directory(store, path, hdfs_count_owner, &owners, error))
        return -1;
    return owners.own == 1 && owners.others == 0
               ? 0
               : error_set(error, ERROR_RETRY,
                     "lake %s: another process with gateway id %s has taken it over; give each gateway its own "
                     "gateway.id",
                     store->options.root, store->options.gateway_id);
}

struct hdfs_files {
    store_each_fn *each;
    void *context;
};

static int hdfs_pass_file(void *context, const char *name, bool is_file, struct error *error)
{
    const struct hdfs_files *files = context;

    return is_file ? files->each(files->context, name, error) : 0;
}

static int hdfs_list(
    struct store *store, const char *path, store_each_fn *each, void *context, struct error *error)
{
    struct hdfs_files files = {each, context};
    char directory[HDFS_PATH_SIZE];

    snprintf(directory, sizeof directory, "%s%s", path[0] ? "/" : "", path);
    return hdfs_read_directory(store, directory, hdfs_pass_file, &files, error);
}

/* ---- the kind --------------------------------------------------------------------------------------------- */

static int hdfs_check(const struct config_lake *config, const void **ret_option, struct error *error)
{
    struct hdfs_authority nodes[HDFS_NODES_MOST];
    struct hdfs_url url;
    size_t count;

    return hdfs_read_nodes(config, &url, nodes, &count, ret_option, error);
}

static const char *const hdfs_schemes[] = {"webhdfs://", "swebhdfs://", "hdfs://", NULL};

const struct store_kind store_hdfs = {
    .schemes = hdfs_schemes,
    .check = hdfs_check,
    .publish_most = STORE_PUBLISH_MOST,
    .open = hdfs_open,
    .close = hdfs_close,
    .create = hdfs_create,
    .write = spool_write,
    .read = spool_read,
    .publish = hdfs_publish,
    .abort = spool_abort,
    .tight = hdfs_tight,
    .list = hdfs_list,
    .deposit = &hdfs_deposit,
};
