/* hdfs_internal: the parts of the store that is an HDFS, see hdfs.c: requests (hdfs_request.c), publishing (hdfs_publish.c).
 * From pure to busy: hdfs_url, hdfs_answer, hdfs_request, hdfs_publish, hdfs. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_HDFS_INTERNAL_H
#define PENSTOCK_LAKE_HDFS_INTERNAL_H

#include "base/http_client.h"
#include "lake/store.h"
#include "lake/store/hdfs_answer.h"
#include "lake/store/hdfs_url.h"
#include "lake/store/spool.h"

#define HDFS_KNOWN 256
#define HDFS_ID_SIZE 17 /* 16 hex digits */
#define HDFS_LOCATION_SIZE 8192
#define HDFS_PATH_SIZE (STORE_PATH_MAX + FILE_NAME_SIZE + 64)
#define HDFS_NAME_SIZE 1024 /* of an entry; HDFS itself takes 255 bytes unless told otherwise */
#define HDFS_HIDDEN_SIZE 384
#define HDFS_ANSWER_MAX ((size_t)256 * 1024)
#define HDFS_LIST_MAX ((size_t)64 * 1024 * 1024) /* of a server that does not know pages */

struct store {
    struct lake_options options;
    const struct config_lake *config;
    struct hdfs_url url;
    struct hdfs_authority nodes[HDFS_NODES_MOST];
    size_t nodes_count, node; /* node: the one that answered last */
    struct hdfs_redirects redirects;
    struct bytes identity; /* "&user.name=" or "&delegation=" and its value: no text of ours may hold it */
    struct http_client *client;
    int spool;
    char id[HDFS_ID_SIZE]; /* of this open */
    uint64_t created; /* temporary names */
    bool without_pages; /* the server does not know LISTSTATUS_BATCH */
    char *known[HDFS_KNOWN]; /* directories that were made, or there, by hash; forgets */
};

/* ---- hdfs_request.c ---- */

struct hdfs_request {
    const char *method;
    struct bytes target; /* path and query, but for who asks */
    const struct store_file *file; /* CREATE: what is sent to where the name node says */
    char temporary[HDFS_HIDDEN_SIZE]; /* and its path below the root: a new one for each try */
    bool once; /* not tried again when nobody knows whether it was done */
    bool reads; /* OPEN: what the name node, or who it says, answers is what was asked for */
    const char *harmless; /* an exception that is an answer, too; NULL: none */

    enum hdfs_outcome outcome;
    struct hdfs_exception exception;
    struct bytes answer;
    bool refused_by_name_node; /* or not answered */
    bool ended;
    struct bytes url;
    char location[HDFS_LOCATION_SIZE], authenticate[64];
    struct error error;
};

void hdfs_request_init(struct hdfs_request *request, const char *method, size_t answer_most);
void hdfs_request_free(struct hdfs_request *request);
/* path is below the root, "" or "/..."; op is what follows "op=". */
int hdfs_request_target(struct hdfs_request *request, const struct store *store, const char *path,
    const char *op, struct error *error);

/* Asks until all of them are done (answer and exception say what was said), one is refused, or there was nothing but trouble for
 * half a minute. At most STORE_PUBLISH_MOST. */
int hdfs_ask(struct store *store, struct hdfs_request *requests, size_t count, struct error *error);

/* NULL: no memory. */
struct hdfs_request *hdfs_make_request(const char *method, size_t answer_most, struct error *error);
void hdfs_free_request(struct hdfs_request **request);
#define cleanup_request __attribute__((cleanup(hdfs_free_request)))

/* ---- hdfs_publish.c ---- */

store_publish_fn hdfs_publish;

/* ---- hdfs.c ---- */

/* A directory, page by page; one that is not there is empty. path: "" or "/..." */
int hdfs_read_directory(
    struct store *store, const char *path, hdfs_answer_each_fn *each, void *context, struct error *error);
/* Whether this store is still the last one that was opened for its gateway id. */
int hdfs_check_owner(struct store *store, struct error *error);
/* STORE_HIDDEN/GATEWAYID/what, below the root; ret_path has HDFS_HIDDEN_SIZE. */
void hdfs_hidden(const struct store *store, const char *what, char *ret_path);

/* ---- hdfs_deposit.c ---- */

extern const struct store_deposit hdfs_deposit;

#endif
