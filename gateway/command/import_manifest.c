/* import_manifest: see import_manifest.h. */
#include "command/import_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_PIECE ((size_t)1 << 20)

static int manifest_no_memory(struct error *error)
{
    return error_set(error, ERROR_RETRY, "verifying: out of memory"); /* GCOVR_EXCL_LINE out of memory */
}

/* ---- its files, in a store ------------------------------------------------------------------------------------------------ */

static char *manifest_path(const struct import_manifest *found, const char *directory, struct error *error)
{
    char *path = NULL;

    if (asprintf(&path, "%s%s%s", found->place.name, *directory ? "/" : "", directory) >= 0)
        return path;
    manifest_no_memory(error);
    return NULL;
}

static int manifest_list_files(
    void *context, const char *directory, verify_each_fn *each, void *to, struct error *error)
{
    struct import_manifest *found = context;
    char *path = manifest_path(found, directory, error);
    const int result = path ? deposit_list(found->deposit, path, each, to, error) : -1;

    free(path);
    return result;
}

static int manifest_read_file(void *context, const char *directory, const char *name, uint64_t from,
    void *data, size_t length, size_t *ret_read, struct error *error)
{
    struct import_manifest *found = context;
    char *path = manifest_path(found, directory, error);
    const int result =
        path ? deposit_read(found->deposit, path, name, from, data, length, ret_read, error) : -1;

    free(path);
    return result;
}

/* ---- where it is ---------------------------------------------------------------------------------------------------------- */

static int manifest_find(
    struct import_manifest *found, const struct import_options *options, struct error *error)
{
    const char *given = options->verify, *slash = strrchr(given, '/');
    const char *name = slash ? slash + 1 : given, *end = strrchr(name, '.');
    const bool file = end && strcmp(end, ".json") == 0 && strlen(name) < sizeof found->name;

    found->directory = strndup(given, file ? (size_t)(name - given) : strlen(given));
    if (!found->directory)
        return manifest_no_memory(error);
    if (file)
        snprintf(found->name, sizeof found->name, "%s", name);
    if (import_place_open(&found->place, options, found->directory, error))
        return -1;
    if (found->place.local)
        return 0;
    const struct deposit_options deposit = {.config = &found->place.lake, .clock = &clock_system};
    found->store = (struct verify_store){manifest_list_files, manifest_read_file, found};
    return deposit_open(&found->deposit, &deposit, error);
}

static int manifest_choose(void *context, const char *name, struct error *error)
{
    struct import_manifest *found = context;

    (void)error;
    if (strlen(name) < sizeof found->name && manifest_is_meant(name, found->name))
        snprintf(found->name, sizeof found->name, "%s", name);
    return 0;
}

static int manifest_fetch(struct import_manifest *found, struct bytes *text, struct error *error)
{
    size_t got = 1;

    if (!*found->name && manifest_list_files(found, "", manifest_choose, found, error))
        return -1;
    if (!*found->name)
        return error_set(error, ERROR_REJECT, "%s: there is no manifest of an import", found->place.url);
    for (; got; text->length += got) {
        if (bytes_reserve(text, MANIFEST_PIECE, error) ||
            manifest_read_file(
                found, "", found->name, text->length, text->data + text->length, MANIFEST_PIECE, &got, error))
            return error_wrap(error, "%s/%s", found->place.url, found->name);
    }
    return 0;
}

int import_manifest_open(
    struct import_manifest *found, const struct import_options *options, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, MANIFEST_SIZE_MAX);
    if (manifest_find(found, options, error))
        return -1;
    if (!found->deposit)
        return manifest_read(&found->manifest, options->verify, error);
    return manifest_fetch(found, &text, error) ||
                   manifest_parse(&found->manifest, found->place.url, found->name, bytes_slice(&text), error)
               ? -1
               : 0;
}

void import_manifest_close(struct import_manifest *found)
{
    manifest_free(&found->manifest);
    if (found->deposit)
        deposit_close(&found->deposit);
    import_place_close(&found->place);
    free(found->directory);
}
