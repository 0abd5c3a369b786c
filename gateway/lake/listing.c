/* listing: see listing.h; pure but for memory */
#include "lake/listing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lake/file_name.h"

void listing_start(struct listing *listing, uint32_t epoch, uint64_t from)
{
    *listing = (struct listing){.ranges = listing->ranges, .from = from, .epoch = epoch, .listed = true};
}

int listing_add(struct listing *listing, struct slice text, struct slice stream, struct slice gateway_id,
    struct error *error)
{
    struct file_name name;

    if (file_name_parse(text, &name) || name.epoch != listing->epoch || name.last < listing->from ||
        !slice_equal(name.stream, stream) || !slice_equal(name.gateway_id, gateway_id))
        return 0;
    if (!listing->ranges && !(listing->ranges = calloc(LISTING_RANGES, sizeof *listing->ranges)))
        return error_set(error, ERROR_RETRY, "lake: list of a directory: out of memory");

    size_t at = listing->count;
    while (at > 0 && listing->ranges[at - 1].last > name.last)
        at--;
    if (listing->count == LISTING_RANGES) {
        listing->more = true;
        if (at == LISTING_RANGES)
            return 0;
        listing->count--;
    }
    memmove(listing->ranges + at + 1, listing->ranges + at, (listing->count - at) * sizeof *listing->ranges);
    listing->ranges[at] = (struct listing_range){name.first, name.last};
    listing->count++;
    return 0;
}

bool listing_is_stale(const struct listing *listing, uint32_t epoch)
{
    return !listing->listed || listing->epoch != epoch || (listing->more && listing->next == listing->count);
}

const struct listing_range *listing_next(const struct listing *listing, uint64_t position)
{
    if (listing->next == listing->count || listing->ranges[listing->next].first > position)
        return NULL;
    return &listing->ranges[listing->next];
}

void listing_pass(struct listing *listing)
{
    assert(listing->next < listing->count);
    listing->next++;
}

void listing_free(struct listing *listing)
{
    free(listing->ranges);
    *listing = (struct listing){0};
}
