/* mqtt_session_table: the sessions of a thread by client id, and by the time at which they expire (mqtt_session_internal.h) */
#include "source/mqtt_session_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/fnv.h"

#define BUCKETS_FIRST 64
#define HEAP_FIRST 64

/* ---- by client id -------------------------------------------------------------------------------------------- */

uint64_t mqtt_client_hash(uint64_t seed, struct slice client_id)
{
    const uint64_t hash = fnv_add(seed ^ FNV_EMPTY, client_id.data, client_id.length);

    return hash ^ hash >> 32;
}

int session_table_new(struct mqtt_sessions *sessions, struct error *error)
{
    sessions->buckets = calloc(BUCKETS_FIRST, sizeof *sessions->buckets);
    sessions->buckets_count = BUCKETS_FIRST;
    if (!sessions->buckets)
        return error_set(error, ERROR_RETRY, "sessions: out of memory"); /* GCOVR_EXCL_LINE */
    if (getrandom(&sessions->seed, sizeof sessions->seed, 0) != sizeof sessions->seed)
        sessions->seed = 0; /* GCOVR_EXCL_LINE: the kernel always has some */
    return 0;
}

struct mqtt_session *session_make(struct slice client_id)
{
    struct mqtt_session *session = calloc(1, sizeof *session);
    char *copy = malloc(client_id.length + 1);

    if (!session || !copy) { /* GCOVR_EXCL_START: out of memory */
        free(session);
        free(copy);
        return NULL;
    } /* GCOVR_EXCL_STOP */
    memcpy(copy, client_id.data, client_id.length);
    copy[client_id.length] = '\0';
    session->client_id = copy;
    session->client_id_length = client_id.length;
    return session;
}

void session_free(struct mqtt_session *session)
{
    mqtt_ids_free(&session->ids);
    free(session->operations);
    free(session->client_id);
    free(session);
}

static struct mqtt_session **table_bucket(const struct mqtt_sessions *sessions, struct slice client_id)
{
    return &sessions->buckets[mqtt_client_hash(sessions->seed, client_id) & (sessions->buckets_count - 1)];
}

static struct slice session_id(const struct mqtt_session *session)
{
    return (struct slice){session->client_id, session->client_id_length};
}

static void table_link(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    struct mqtt_session **bucket = table_bucket(sessions, session_id(session));

    session->next_in_bucket = *bucket;
    *bucket = session;
}

/* Without memory for more buckets the lists are only longer. */
static void table_grow(struct mqtt_sessions *sessions)
{
    struct mqtt_session **old = sessions->buckets;
    const size_t old_count = sessions->buckets_count;
    struct mqtt_session **buckets = calloc(2 * old_count, sizeof *buckets);

    if (!buckets)
        return; /* GCOVR_EXCL_LINE: out of memory */
    sessions->buckets = buckets;
    sessions->buckets_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct mqtt_session *session = old[i];
            old[i] = session->next_in_bucket;
            table_link(sessions, session);
        }
    }
    free(old);
}

void session_table_add(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    table_link(sessions, session);
    if (++sessions->count > sessions->buckets_count)
        table_grow(sessions);
}

void session_table_remove(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    struct mqtt_session **at = table_bucket(sessions, session_id(session));

    while (*at != session)
        at = &(*at)->next_in_bucket;
    *at = session->next_in_bucket;
    sessions->count--;
}

struct mqtt_session *mqtt_session_find(struct mqtt_sessions *sessions, struct slice client_id)
{
    struct mqtt_session *session = *table_bucket(sessions, client_id);

    while (session && !slice_equal(session_id(session), client_id))
        session = session->next_in_bucket;
    return session;
}

/* ---- by time --------------------------------------------------------------------------------------------------- */

bool session_heap_reserve(struct mqtt_sessions *sessions, size_t count)
{
    size_t capacity = sessions->heap_capacity ? sessions->heap_capacity : HEAP_FIRST;

    while (capacity < count)
        capacity *= 2;
    if (capacity == sessions->heap_capacity)
        return true;
    struct mqtt_session **heap = reallocarray(sessions->heap, capacity, sizeof *heap);
    if (!heap)
        return false; /* GCOVR_EXCL_LINE: out of memory */
    sessions->heap = heap;
    sessions->heap_capacity = capacity;
    return true;
}

static struct mqtt_session *heap_at(const struct mqtt_sessions *sessions, size_t place)
{
    return sessions->heap[place - 1];
}

static void heap_put(struct mqtt_sessions *sessions, struct mqtt_session *session, size_t place)
{
    sessions->heap[place - 1] = session;
    session->place = place;
}

/* Finds the session its place, from a free one on upwards, then downwards. */
static void heap_settle(struct mqtt_sessions *sessions, struct mqtt_session *session, size_t place)
{
    for (; place > 1 && heap_at(sessions, place / 2)->expires_at > session->expires_at; place /= 2)
        heap_put(sessions, heap_at(sessions, place / 2), place);
    for (size_t child; (child = 2 * place) <= sessions->heap_count; place = child) {
        if (child < sessions->heap_count &&
            heap_at(sessions, child + 1)->expires_at < heap_at(sessions, child)->expires_at)
            child++;
        if (heap_at(sessions, child)->expires_at >= session->expires_at)
            break;
        heap_put(sessions, heap_at(sessions, child), place);
    }
    heap_put(sessions, session, place);
}

void session_heap_add(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    assert(sessions->heap_count < sessions->heap_capacity && !session->place);
    sessions->heap_count++;
    heap_settle(sessions, session, sessions->heap_count);
}

void session_heap_remove(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    const size_t place = session->place;

    if (!place)
        return;
    struct mqtt_session *last = heap_at(sessions, sessions->heap_count--);
    session->place = 0;
    if (last != session)
        heap_settle(sessions, last, place);
}
