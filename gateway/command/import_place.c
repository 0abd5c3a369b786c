/* import_place: see import_place.h. */
#include "command/import_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "lake/deposit.h"
#include "lake/lake.h"

#define PLACE_ERRORS_MAX ((size_t)64 << 10)

/* A line for each, in one. */
static int place_complain(const struct config *config, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, PLACE_ERRORS_MAX);
    if (config_print_errors(config, &text, error))
        return -1;
    while (text.length && text.data[text.length - 1] == '\n')
        text.length--;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '\n')
            text.data[i] = ';';
    return error_set(error, ERROR_REJECT, "%.*s", (int)text.length, text.data);
}

static int place_load(struct import_place *place, const struct import_options *options, struct error *error)
{
    const int loaded = config_load(&place->config, options->config, options->sets.names, options->sets.count);

    return loaded || config_errors(place->config) ? place_complain(place->config, error) : 0;
}

/* Of this target: a path is of lake.url's store, if that is one. NULL: it is of this machine, or (error) there is no memory. */
static char *place_url(const struct import_place *place, const char *target, struct error *error)
{
    const char *lake = place->config ? place->config->lake.url : "";
    const char *authority = strstr(lake, "://");
    char *url = NULL;
    int length = 0;

    error->text[0] = '\0';
    if (strstr(target, "://"))
        length = asprintf(&url, "%s", target);
    else if (!deposit_takes(lake) || !authority)
        return NULL;
    else if (*target == '/')
        length = asprintf(&url, "%.*s%s",
            (int)(strlen(lake) - strlen(authority) + 3 + strcspn(authority + 3, "/")), lake, target);
    else
        length = asprintf(&url, "%s%s%s", lake, lake[strlen(lake) - 1] == '/' ? "" : "/",
            target + (strncmp(target, "./", 2) == 0 ? 2 : 0));
    if (length < 0)
        error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    return length < 0 ? NULL : url;
}

/* Whether lake.url could be this one. */
static int place_check(struct import_place *place, char *url, struct error *error)
{
    const void *option;

    place->lake.url = url;
    if (lake_check(&place->lake, &option, error)) {
        error->kind = ERROR_REJECT;
        return error_wrap(error, "--target");
    }
    return 0;
}

/* The directory that it lies in, and its name there. */
static int place_split(struct import_place *place, struct error *error)
{
    char *url = place->url;

    place->lake = place->config->lake;
    for (size_t length = strlen(url); length && url[length - 1] == '/'; length--)
        url[length - 1] = '\0';
    if (place_check(place, url, error))
        return -1;
    const char *authority = strstr(url, "://");
    const char *slash = authority ? strrchr(authority + 3, '/') : NULL;
    if (!slash)
        return error_set(error, ERROR_REJECT, "--target: %s/: name a directory in it, as %s/NAME", url, url);
    place->name = slash + 1;
    char *root = strndup(url, (size_t)(slash - url));
    place->lake.url = NULL;
    if (!root)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    return place_check(place, root, error);
}

static int place_elsewhere(struct import_place *place, struct error *error)
{
    if (place_split(place, error))
        return -1;
    snprintf(place->id, sizeof place->id, "import-%016llx",
        (unsigned long long)fnv_add(FNV_EMPTY, place->url, strlen(place->url)));
    if (asprintf(&place->folder, "%s/import/%s", place->config->gateway.data, place->id) < 0) {
        place->folder = NULL; /* GCOVR_EXCL_LINE out of memory */
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE out of memory */
    }
    return 0;
}

int import_place_open(struct import_place *ret_place, const struct import_options *options,
    const char *target, struct error *error)
{
    *ret_place = (struct import_place){.local = target};
    if (!strstr(target, "://") && !options->config && !options->sets.count)
        return 0;
    if (place_load(ret_place, options, error))
        return -1;
    ret_place->url = place_url(ret_place, target, error);
    if (!ret_place->url)
        return *error->text ? -1 : 0;
    ret_place->local = NULL;
    return place_elsewhere(ret_place, error);
}

void import_place_close(struct import_place *place)
{
    if (place->lake.url && place->lake.url != place->url)
        free(place->lake.url);
    free(place->url);
    free(place->folder);
    config_free(&place->config);
}

int import_place_demand_local(const char *config, const char *target, const char *what, struct error *error)
{
    const struct import_options options = {.config = config};
    __attribute__((cleanup(import_place_close))) struct import_place place = {.local = NULL};

    if (import_place_open(&place, &options, target, error))
        return -1;
    return place.local ? 0
                       : error_set(error, ERROR_REJECT, "target %s: %s needs a directory of this machine",
                             place.url, what);
}
