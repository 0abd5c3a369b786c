/* places: see places.h */
#include "lake/places.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "lake/file_name.h"
#include "lake/store.h"

int places_init(struct places *places, uint64_t files_most, struct error *error)
{
    uint64_t size = 1;

    while (size < PLACES_IDLE + files_most)
        size *= 2;
    *places = (struct places){.mask = size - 1, .buckets = calloc(size, sizeof *places->buckets)};
    return places->buckets ? 0 : error_set(error, ERROR_RETRY, "lake: table of open files: out of memory");
}

static void places_drop(struct places *places, struct place **link)
{
    struct place *place = *link;

    assert(!place->file);
    *link = place->chain;
    if (places->last == place)
        places->last = NULL;
    listing_free(&place->listing);
    free(place);
    places->idle--;
}

static void places_drop_idle(struct places *places)
{
    for (uint64_t i = 0; i <= places->mask; i++) {
        for (struct place **link = &places->buckets[i]; *link;) {
            if ((*link)->file)
                link = &(*link)->chain;
            else
                places_drop(places, link);
        }
    }
}

void places_free(struct places *places)
{
    if (places->buckets)
        places_drop_idle(places);
    free(places->buckets);
    *places = (struct places){0};
}

void places_forget_listings(struct places *places)
{
    places_drop_idle(places);
    for (uint64_t i = 0; i <= places->mask; i++) {
        for (struct place *place = places->buckets[i]; place; place = place->chain)
            listing_free(&place->listing);
    }
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

static uint64_t places_hash(struct slice path, const char *stream)
{
    uint64_t hash = fnv_add(FNV_EMPTY, path.data, path.length);

    hash = fnv_add(hash, stream, strlen(stream) + 1);
    return hash ^ hash >> 29;
}

static bool place_is(const struct place *place, struct slice path, const char *stream)
{
    return place->path_length == path.length && memcmp(place->path, path.data, path.length) == 0 &&
           strcmp(place->stream, stream) == 0;
}

static bool places_component_is_good(struct slice component)
{
    struct file_name name;

    if (component.length == 0 || component.length > NAME_MAX || slice_is(component, ".") ||
        slice_is(component, ".."))
        return false;
    for (size_t i = 0; i < component.length; i++) {
        if ((unsigned char)component.data[i] < 0x20 || component.data[i] == 0x7f)
            return false;
    }
    /* Whoever chooses a key must not take the name of a file with a directory. */
    return file_name_parse(component, &name) != 0;
}

static int places_check(
    const struct places *places, struct slice path, const char *stream, struct error *error)
{
    size_t start = 0;

    if (places->topics ? file_name_check_topic(slice_of(stream), error)
                       : file_name_check(slice_of(stream), "stream", error))
        return -1;
    if (path.length > STORE_PATH_MAX)
        return error_set(error, ERROR_REJECT, "path of %zu bytes: more than %d", path.length, STORE_PATH_MAX);
    for (size_t i = 0; i <= path.length && path.length; i++) {
        if (i < path.length && path.data[i] != '/')
            continue;
        struct slice component = {path.data + start, i - start};
        if (!places_component_is_good(component) || (start == 0 && slice_is(component, STORE_HIDDEN)))
            return error_set(error, ERROR_REJECT,
                "path %.*s: its component at byte %zu cannot be a directory of the lake",
                (int)(path.length < 200 ? path.length : 200), path.data, start);
        start = i + 1;
    }
    return 0;
}

static int places_add(struct places *places, struct slice path, const char *stream, uint64_t hash,
    struct place **ret_place, struct error *error)
{
    size_t stream_size = strlen(stream) + 1;

    if (places_check(places, path, stream, error))
        return -1;
    if (places->idle >= PLACES_IDLE)
        places_drop_idle(places);
    struct place *place = calloc(1, sizeof *place + path.length + 1 + stream_size);
    if (!place)
        return error_set(error, ERROR_RETRY, "lake: open file: out of memory");
    place->path = (char *)(place + 1);
    if (path.length)
        memcpy(place->path, path.data, path.length);
    place->path_length = path.length;
    place->stream = place->path + path.length + 1;
    memcpy(place->stream, stream, stream_size);
    place->hash = hash;
    place->chain = places->buckets[hash & places->mask];
    places->buckets[hash & places->mask] = place;
    places->idle++;
    *ret_place = place;
    return 0;
}

int places_get(struct places *places, struct slice path, const char *stream, struct place **ret_place,
    struct error *error)
{
    if (path.length == 0)
        path.data = "";
    if (!places->last || !place_is(places->last, path, stream)) {
        uint64_t hash = places_hash(path, stream);
        struct place *place = places->buckets[hash & places->mask];

        while (place && (place->hash != hash || !place_is(place, path, stream)))
            place = place->chain;
        if (!place && places_add(places, path, stream, hash, &place, error))
            return -1;
        places->last = place;
    }
    *ret_place = places->last;
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

void places_opened(struct places *places, struct place *place, struct lake_file *file)
{
    assert(!place->file && file);
    place->file = file;
    places->idle--;
}

void places_closed(struct places *places, struct place *place)
{
    assert(place->file);
    place->file = NULL;
    places->idle++;
}
