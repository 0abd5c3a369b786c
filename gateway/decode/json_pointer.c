/* json_pointer: JSON pointers (RFC 6901) as sets of bits that a scan narrows token by token. */
#include "decode/json_internal.h"

#include <stdlib.h>

/* Section 4: digits without a leading zero. SIZE_MAX for anything else; "-" never names an element that exists. */
static size_t array_index(struct slice name)
{
    size_t index = 0;

    if (name.length == 0 || (name.length > 1 && name.data[0] == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < name.length; i++) {
        size_t digit = (size_t)(unsigned char)name.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(index, (size_t)10, &index) ||
            __builtin_add_overflow(index, digit, &index))
            return SIZE_MAX;
    }
    return index;
}

/* Section 3: ~1 means /, ~0 means ~. Takes one token, writes it to *out and moves both; -1 at another ~. */
static int take_token(const char **text, char **out, struct json_token *token)
{
    const char *p = *text;
    char *start = *out;
    char *to = start;

    for (; *p && *p != '/'; p++) {
        if (*p != '~') {
            *to++ = *p;
            continue;
        }
        p++;
        if (*p != '0' && *p != '1')
            return -1;
        *to++ = *p == '0' ? '~' : '/';
    }
    *text = p;
    *out = to;
    token->name = (struct slice){start, (size_t)(to - start)};
    token->index = array_index(token->name);
    return 0;
}

static int compile_one(struct json_pointers *pointers, const char *pointer, char **names, struct error *error)
{
    size_t i = pointers->count;
    size_t level = 0;

    if (*pointer != '\0' && *pointer != '/')
        return error_set(
            error, ERROR_REJECT, "JSON pointer '%s': must start with '/', as in '/%s'", pointer, pointer);
    for (const char *p = pointer; *p; level++) {
        p++;
        if (level == JSON_POINTER_TOKENS_MAX)
            return error_set(error, ERROR_REJECT, "JSON pointer '%s': more than %d parts", pointer,
                JSON_POINTER_TOKENS_MAX);
        if (take_token(&p, names, &pointers->tokens[level][i]))
            return error_set(error, ERROR_REJECT,
                "JSON pointer '%s': '~' must be followed by 0 or 1 (~0 means '~', ~1 means '/')", pointer);
    }
    pointers->ends[level] |= UINT32_C(1) << i;
    pointers->all |= UINT32_C(1) << i;
    pointers->count++;
    return 0;
}

int json_pointers_compile(
    struct json_pointers **ret_pointers, const char *const *pointers, size_t count, struct error *error)
{
    __attribute__((cleanup(json_pointers_free))) struct json_pointers *compiled = NULL;
    size_t length = 0;

    if (count > JSON_POINTERS_MAX)
        return error_set(
            error, ERROR_REJECT, "%zu JSON pointers: at most %d are allowed", count, JSON_POINTERS_MAX);
    for (size_t i = 0; i < count; i++)
        length += strlen(pointers[i]);
    compiled = calloc(1, sizeof *compiled + length);
    if (!compiled) /* no unit test makes calloc fail */
        return error_set(error, ERROR_RETRY, "JSON pointers: out of memory"); /* GCOVR_EXCL_LINE */

    char *names = compiled->text;
    for (size_t i = 0; i < count; i++)
        if (compile_one(compiled, pointers[i], &names, error))
            return -1;
    *ret_pointers = compiled;
    compiled = NULL;
    return 0;
}

void json_pointers_free(struct json_pointers **pointers)
{
    free(*pointers);
    *pointers = NULL;
}

/* The first byte tells most names apart for less than a call of memcmp(). */
static inline bool same(struct slice name, struct slice token)
{
    return name.length == token.length &&
           (name.length == 0 ||
               (name.data[0] == token.data[0] && memcmp(name.data, token.data, name.length) == 0));
}

uint32_t json_pointers_name(
    const struct json_pointers *pointers, uint32_t inside, unsigned level, struct slice name, bool escaped)
{
    uint32_t match = 0;

    for (uint32_t left = inside & ~pointers->ends[level]; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        struct slice token = pointers->tokens[level][i].name;
        if (escaped ? json_string_means(name, token) : same(name, token))
            match |= UINT32_C(1) << i;
    }
    return match;
}

uint32_t json_pointers_index(
    const struct json_pointers *pointers, uint32_t inside, unsigned level, size_t index)
{
    uint32_t match = 0;

    for (uint32_t left = inside & ~pointers->ends[level]; left; left &= left - 1) {
        int i = __builtin_ctz(left);
        if (pointers->tokens[level][i].index == index)
            match |= UINT32_C(1) << i;
    }
    return match;
}
