/* store: see store.h; which kinds there are, and what is common to them. */
#include "lake/store.h"

#include <string.h>

#include "base/config.h"

static const struct store_kind *const kinds[] = {&store_local, &store_s3, &store_hdfs};

/* Those of directories: a path is one too. */
static bool store_is_file(const char *root)
{
    return strncmp(root, "file:///", 8) == 0;
}

const struct store_kind *store_of(const char *root)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (const char *const *scheme = kinds[i]->schemes; scheme && *scheme; scheme++)
            if (strncmp(root, *scheme, strlen(*scheme)) == 0)
                return kinds[i];
    return store_is_file(root) || (!strstr(root, "://") && strncmp(root, "file:", 5) != 0) ? &store_local
                                                                                           : NULL;
}

int lake_check(const struct config_lake *config, const void **ret_option, struct error *error)
{
    const struct store_kind *kind = store_of(config->url);

    *ret_option = &config->url;
    if (!kind)
        return error_set(
            error, ERROR_FATAL, "\"%s\": no such store; allowed: " STORE_SCHEMES " or a path", config->url);
    return kind->check ? kind->check(config, ret_option, error) : 0;
}
