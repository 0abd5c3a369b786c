/* regex_found: see regex_found.h */
#include "base/regex_found.h"

#include <stdlib.h>
#include <string.h>

struct regex_found {
    pcre2_general_context *memory;
    pcre2_match_data *data;
    uint32_t places;
    size_t largest; /* bytes that PCRE2 has asked for at once, for this data */
};

static void *found_allocate(size_t size, void *context)
{
    struct regex_found *found = context;

    found->largest = size > found->largest ? size : found->largest;
    return malloc(size);
}

static void found_release(void *data, void *context)
{
    (void)context;
    free(data);
}

struct regex_found *regex_found_new(uint32_t places)
{
    struct regex_found *found = calloc(1, sizeof *found);

    if (!found)
        return NULL; /* GCOVR_EXCL_LINE: malloc does not fail here */
    found->places = places;
    found->memory = pcre2_general_context_create(found_allocate, found_release, found);
    found->data = found->memory ? pcre2_match_data_create(places, found->memory) : NULL;
    if (found->data)
        return found;
    regex_found_free(found); /* GCOVR_EXCL_LINE: as above */
    return NULL; /* GCOVR_EXCL_LINE: as above */
}

void regex_found_free(struct regex_found *found)
{
    if (!found)
        return;
    pcre2_match_data_free(found->data);
    pcre2_general_context_free(found->memory);
    free(found);
}

/* Without memory for new data it keeps the old one. */
static void found_shrink(struct regex_found *found)
{
    const size_t largest = found->largest;

    found->largest = 0;
    pcre2_match_data *data = pcre2_match_data_create(found->places, found->memory);
    if (!data) { /* GCOVR_EXCL_START: malloc does not fail here */
        found->largest = largest;
        return;
    } /* GCOVR_EXCL_STOP */
    memcpy(pcre2_get_ovector_pointer(data), regex_found_places(found),
        found->places * 2 * sizeof *regex_found_places(found));
    pcre2_match_data_free(found->data);
    found->data = data;
}

int regex_found_match(struct regex_found *found, const pcre2_code *code, struct slice text, uint32_t options,
    pcre2_match_context *limits)
{
    const int result = pcre2_match(code, (PCRE2_SPTR)text.data, text.length, 0, options, found->data, limits);

    if (found->largest > REGEX_FOUND_KEPT)
        found_shrink(found);
    return result;
}

const size_t *regex_found_places(const struct regex_found *found)
{
    return pcre2_get_ovector_pointer(found->data);
}
