/* selector: see selector.h */
#include "route/selector.h"

#include <stdlib.h>

#include "decode/decode.h"

typedef int selector_check_fn(const char *name, struct error *error);

static int selector_check_header(const char *name, struct error *error)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t good = strspn(name, token);

    if (name[good] != '\0')
        return error_set(error, ERROR_REJECT, "byte %zu cannot stand in a header's name", good);
    return 0;
}

static int selector_check_query(const char *name, struct error *error)
{
    return record_check_name(slice_of(name), "the parameter's name", error);
}

static int selector_check_path(const char *name, struct error *error)
{
    if (strcmp(name, "key") != 0)
        return error_set(error, ERROR_REJECT, "the only part of the URL is path:key");
    return 0;
}

static const struct {
    const char *prefix;
    enum selector_source source;
    selector_check_fn *check;
} selector_forms[] = {
    {"header:", SELECTOR_HEADER, selector_check_header},
    {"query:", SELECTOR_QUERY, selector_check_query},
    {"path:", SELECTOR_PATH, selector_check_path},
};
#define SELECTOR_FORMS (sizeof selector_forms / sizeof *selector_forms)

static int selector_check_pointer(const char *text, struct error *error)
{
    struct json_pointers *pointers;

    if (json_pointers_compile(&pointers, &text, 1, error))
        return -1;
    json_pointers_free(&pointers);
    return 0;
}

static int selector_set(
    struct selector *ret_selector, enum selector_source source, const char *name, struct error *error)
{
    char *copy = strdup(name);

    if (!copy) /* no unit test makes malloc fail */
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE */
    *ret_selector = (struct selector){.source = source, .name = copy};
    return 0;
}

int selector_compile(struct selector *ret_selector, const char *text, struct error *error)
{
    if (text[0] == '\0') {
        *ret_selector = (struct selector){.source = SELECTOR_NONE};
        return 0;
    }
    if (text[0] == '/')
        return selector_check_pointer(text, error)
                   ? -1
                   : selector_set(ret_selector, SELECTOR_POINTER, text, error);
    for (size_t i = 0; i < SELECTOR_FORMS; i++) {
        size_t length = strlen(selector_forms[i].prefix);
        if (strncmp(text, selector_forms[i].prefix, length) != 0)
            continue;
        const char *name = text + length;
        if (name[0] == '\0' || strlen(name) > SELECTOR_NAME_MAX)
            return error_set(error, ERROR_REJECT, "'%s': a name of 1 to %d bytes must follow '%s'", text,
                SELECTOR_NAME_MAX, selector_forms[i].prefix);
        if (selector_forms[i].check(name, error))
            return error_wrap(error, "'%s'", text);
        return selector_set(ret_selector, selector_forms[i].source, name, error);
    }
    return error_set(error, ERROR_REJECT,
        "'%s' does not say where the value comes from; allowed: /JSON/POINTER, header:NAME, query:NAME, path:key",
        text);
}

void selector_free(struct selector *selector)
{
    free(selector->name);
    *selector = (struct selector){.source = SELECTOR_NONE};
}
