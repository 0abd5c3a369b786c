/* places: where files go: a hash table by path and stream.
 *
 * A place stays while a file is open in it; at most PLACES_IDLE stay without one, for what they listed in a replay or because
 * they will come back. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_PLACES_H
#define PENSTOCK_LAKE_PLACES_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lake/listing.h"

#define PLACES_IDLE 4096

struct lake_file;

struct place {
    struct place *chain;
    uint64_t hash;
    char *path; /* terminated, behind the struct in memory */
    size_t path_length;
    char *stream; /* too */
    struct lake_file *file; /* open; NULL: none */
    struct listing listing;
};

struct places {
    struct place **buckets;
    uint64_t mask;
    uint64_t idle; /* places without a file */
    bool topics; /* streams are topics of Kafka, whose names may be longer */
    struct place *last; /* the one of the row before: rows come in runs */
};

int places_init(struct places *places, uint64_t files_most, struct error *error);
void places_free(struct places *places); /* no file is open any more */

/* Finds or makes the place. ERROR_REJECT when path or stream cannot be names in a directory; path is relative, without
 * empty, "." or ".." components, without control characters, and no component looks like a lake file's name. */
int places_get(struct places *places, struct slice path, const char *stream, struct place **ret_place,
    struct error *error);

/* The file of the place was just opened, or closed. A place without a file is valid until the next places_get(). */
void places_opened(struct places *places, struct place *place, struct lake_file *file);
void places_closed(struct places *places, struct place *place);

/* Forgets every listing, and the places without a file. */
void places_forget_listings(struct places *places);

#endif
