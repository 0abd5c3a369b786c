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

bool selector_is_level(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        bool digit = name.data[i] >= '0' && name.data[i] <= '9';
        bool letter = (name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_';
        if (!letter && (!digit || i == 0))
            return false;
    }
    return name.length && name.length <= SELECTOR_LEVEL_MAX;
}

static int selector_check_topic(const char *name, struct error *error)
{
    if (!selector_is_level(slice_of(name)))
        return error_set(
            error, ERROR_REJECT, "a topic pattern calls no level so; allowed: " SELECTOR_LEVEL_ALLOWED);
    return 0;
}

static int selector_check_mqtt(const char *name, struct error *error)
{
    struct error ignored;
    cleanup_bytes struct bytes known;
#define SELECTOR_MQTT_NAME(fact) #fact,
    static const char *const names[] = {SELECTOR_MQTT_TABLE(SELECTOR_MQTT_NAME)};
#undef SELECTOR_MQTT_NAME

    bytes_init(&known, ERROR_TEXT_SIZE);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return 0;
        bytes_print(&known, &ignored, "%smqtt:%s", i ? ", " : "", names[i]);
    }
    return error_set(error, ERROR_REJECT, "nothing of this name is known of a message; allowed: %.*s",
        (int)known.length, known.data);
}

static int selector_check_file(const char *name, struct error *error)
{
    if (!selector_is_level(slice_of(name)))
        return error_set(
            error, ERROR_REJECT, "a watch calls no part of a path so; allowed: " SELECTOR_LEVEL_ALLOWED);
    return 0;
}

static int selector_check_line(const char *name, struct error *error)
{
    if (!selector_is_level(slice_of(name)))
        return error_set(
            error, ERROR_REJECT, "no group of a pattern is called so; allowed: " SELECTOR_LEVEL_ALLOWED);
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
    {"topic:", SELECTOR_TOPIC, selector_check_topic},
    {"mqtt:", SELECTOR_MQTT, selector_check_mqtt},
    {"file:", SELECTOR_FILE, selector_check_file},
    {"line:", SELECTOR_LINE, selector_check_line},
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
        "'%s' does not say where the value comes from; allowed: /JSON/POINTER, header:NAME, query:NAME, path:key, "
        "topic:NAME, mqtt:NAME, file:NAME, line:NAME",
        text);
}

void selector_free(struct selector *selector)
{
    free(selector->name);
    *selector = (struct selector){.source = SELECTOR_NONE};
}
