/* deposit: see deposit.h. */
#include "lake/deposit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/file.h"
#include "lake/store.h"
#include "lake/store/spool.h"

_Static_assert(DEPOSIT_MOST <= STORE_PUBLISH_MOST && DEPOSIT_STAGE_SIZE == STORE_STAGE_SIZE, "of stores");

struct deposit {
    const struct store_kind *kind;
    struct lake_options options; /* the store's, which it has to outlive */
    struct store *store;
};

bool deposit_takes(const char *url)
{
    const struct store_kind *kind = store_of(url);

    return kind && kind->deposit;
}

void deposit_close(struct deposit **deposit)
{
    if (!*deposit)
        return;
    if ((*deposit)->store)
        (*deposit)->kind->close(&(*deposit)->store);
    free(*deposit);
    *deposit = NULL;
}

int deposit_open(struct deposit **ret_deposit, const struct deposit_options *options, struct error *error)
{
    __attribute__((cleanup(deposit_close))) struct deposit *deposit = calloc(1, sizeof *deposit);

    if (!deposit)
        return error_set(error, ERROR_RETRY, "store: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    assert(deposit_takes(options->config->url));
    deposit->kind = store_of(options->config->url);
    deposit->options = (struct lake_options){.root = options->config->url,
        .spool = options->spool,
        .config = options->config,
        .give_up = options->give_up,
        .context = options->context,
        .gateway_id = options->id,
        .clock = options->clock};
    if (deposit->kind->open(&deposit->store, &deposit->options, error))
        return -1;
    *ret_deposit = deposit;
    deposit = NULL;
    return 0;
}

int deposit_any(struct deposit *deposit, const char *path, bool *ret_any, struct error *error)
{
    return deposit->kind->deposit->any(deposit->store, path, ret_any, error);
}

int deposit_list(
    struct deposit *deposit, const char *path, deposit_each_fn *each, void *context, struct error *error)
{
    return deposit->kind->list(deposit->store, path, each, context, error);
}

int deposit_read(struct deposit *deposit, const char *path, const char *name, uint64_t from, void *data,
    size_t length, size_t *ret_read, struct error *error)
{
    return deposit->kind->deposit->read(deposit->store, path, name, from, data, length, ret_read, error);
}

int deposit_put(struct deposit *deposit, const struct deposit_file *files, size_t count, struct error *error)
{
    struct store_publication publications[DEPOSIT_MOST];
    bool room = true;

    assert(count <= DEPOSIT_MOST);
    for (size_t i = 0; i < count; i++) {
        struct store_file *file = malloc(sizeof *file);
        publications[i] = (struct store_publication){.file = file, .path = files[i].path};
        snprintf(publications[i].name, sizeof publications[i].name, "%s", files[i].name);
        if (file)
            *file = (struct store_file){files[i].fd, files[i].length};
        room &= file != NULL;
    }
    if (room)
        return deposit->kind->publish(deposit->store, publications, count, error);
    for (size_t i = 0; i < count; i++) { /* GCOVR_EXCL_START out of memory */
        int fd = files[i].fd;
        fd_close(&fd);
        free(publications[i].file);
    }
    return error_set(error, ERROR_RETRY, "store: out of memory"); /* GCOVR_EXCL_STOP out of memory */
}

int deposit_clear(struct deposit *deposit, const char *path, struct error *error)
{
    return deposit->kind->deposit->clear(deposit->store, path, error);
}

bool deposit_stage(const struct deposit *deposit, char ret_path[static DEPOSIT_STAGE_SIZE])
{
    const bool can = deposit->kind->deposit->stage != NULL;

    if (can)
        deposit->kind->deposit->stage(deposit->store, ret_path);
    return can;
}

int deposit_appear(struct deposit *deposit, const char *path, struct error *error)
{
    char stage[DEPOSIT_STAGE_SIZE];

    deposit->kind->deposit->stage(deposit->store, stage);
    return deposit->kind->deposit->appear(deposit->store, stage, path, error);
}

void deposit_leave(struct deposit *deposit)
{
    deposit->kind->deposit->leave(deposit->store);
}
