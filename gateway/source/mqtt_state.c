/* mqtt_state: see mqtt_state.h
 *
 * The image belongs to whoever runs the journal's callbacks: main while it opens, then the committer. What all threads use are the
 * three counters. */
#include "source/mqtt_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/little.h"
#include "source/mqtt_ids.h"

#define STATE_VERSION 1
#define FLAG_GONE 1
#define FLAG_USED 2
#define SESSION_HEAD 24
#define PACKETS_HEAD 16
#define IDS_ALL 65535
#define BUCKETS_FIRST 64
#define MIB (UINT64_C(1) << 20)

/* A session may have packet ids: the head of their record is reserved with it. */
#define SESSION_BYTES(length) (SESSION_HEAD + (length) + PACKETS_HEAD + 2 * STATE_FRAME_OVERHEAD)
#define PACKET_BYTES 4
#define USED_BYTES (SESSION_HEAD + STATE_FRAME_OVERHEAD)

_Static_assert(MQTT_SESSION_BODY_MAX == SESSION_HEAD + MQTT_SESSION_ID_MAX, "the head of a session");
_Static_assert(MQTT_PACKETS_BODY(0) == PACKETS_HEAD, "the head of packet ids");

struct image_session {
    struct image_session *next; /* in its bucket */
    uint64_t number;
    uint32_t expiry;
    int64_t ended_at;
    struct mqtt_ids ids;
    size_t client_id_length;
    char client_id[];
};

struct mqtt_state {
    struct image_session **buckets; /* by number */
    size_t buckets_count; /* a power of two */
    size_t sessions;
    uint64_t limit; /* bytes */
    _Atomic uint64_t reserved;
    _Atomic uint64_t given; /* highest number */
};

/* ---- the image ----------------------------------------------------------------------------------------------- */

static struct image_session **image_place(const struct mqtt_state *state, uint64_t number)
{
    struct image_session **at = &state->buckets[number & (state->buckets_count - 1)];

    while (*at && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void image_free(struct image_session *session)
{
    mqtt_ids_free(&session->ids);
    free(session);
}

static void image_drop(struct mqtt_state *state, uint64_t number)
{
    struct image_session **at = image_place(state, number);
    struct image_session *session = *at;

    if (!session)
        return;
    *at = session->next;
    state->sessions--;
    image_free(session);
}

/* Without memory for more buckets the lists are only longer. */
static void image_grow(struct mqtt_state *state)
{
    const struct mqtt_state old = {.buckets = state->buckets, .buckets_count = state->buckets_count};
    struct image_session **buckets = calloc(2 * old.buckets_count, sizeof *buckets);

    if (!buckets)
        return; /* GCOVR_EXCL_LINE: out of memory */
    state->buckets = buckets;
    state->buckets_count = 2 * old.buckets_count;
    for (size_t i = 0; i < old.buckets_count; i++) {
        struct image_session *session = old.buckets[i];
        while (session) {
            struct image_session *next = session->next;
            struct image_session **at = image_place(state, session->number);
            session->next = NULL;
            *at = session;
            session = next;
        }
    }
    free(old.buckets);
}

static int image_put(struct mqtt_state *state, const struct mqtt_state_session *session, struct error *error)
{
    struct image_session **at = image_place(state, session->number);

    if (!*at) {
        struct image_session *fresh = calloc(1, sizeof *fresh + session->client_id.length);
        if (!fresh)
            return error_set(error, ERROR_RETRY, "session: out of memory"); /* GCOVR_EXCL_LINE */
        fresh->number = session->number;
        fresh->client_id_length = session->client_id.length;
        memcpy(fresh->client_id, session->client_id.data, session->client_id.length);
        *at = fresh;
        state->sessions++;
    } else if (!slice_equal(session->client_id, (struct slice){(*at)->client_id, (*at)->client_id_length})) {
        return error_set(error, ERROR_REJECT, "session %" PRIu64 ": another client id", session->number);
    }
    (*at)->expiry = session->expiry;
    (*at)->ended_at = session->ended_at;
    if (state->sessions > state->buckets_count)
        image_grow(state);
    return 0;
}

/* ---- making and reserving ------------------------------------------------------------------------------------ */

int mqtt_state_new(struct mqtt_state **ret_state, uint64_t segment_size, struct error *error)
{
    struct mqtt_state *state = calloc(1, sizeof *state);
    struct image_session **buckets = calloc(BUCKETS_FIRST, sizeof *buckets);

    if (!state || !buckets) { /* GCOVR_EXCL_START: out of memory */
        free(state);
        free(buckets);
        return error_set(error, ERROR_RETRY, "sessions: out of memory");
    } /* GCOVR_EXCL_STOP */
    state->buckets = buckets;
    state->buckets_count = BUCKETS_FIRST;
    state->limit = segment_size / JOURNAL_STATE_SHARE / MQTT_STATE_SHARE;
    atomic_store(&state->reserved, USED_BYTES);
    *ret_state = state;
    return 0;
}

void mqtt_state_free(struct mqtt_state **state)
{
    struct mqtt_state *old = *state;

    *state = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < old->buckets_count; i++) {
        while (old->buckets[i])
            image_drop(old, old->buckets[i]->number);
    }
    free(old->buckets);
    free(old);
}

/* What recovery found is reserved whole, and nothing else is yet. */
static void state_reserve_found(struct mqtt_state *state)
{
    uint64_t found = USED_BYTES;

    for (size_t i = 0; i < state->buckets_count; i++) {
        for (const struct image_session *session = state->buckets[i]; session; session = session->next)
            found += SESSION_BYTES(session->client_id_length) + PACKET_BYTES * session->ids.count;
    }
    atomic_store(&state->reserved, found);
}

int mqtt_state_check(struct mqtt_state *state, struct error *error)
{
    state_reserve_found(state);
    const uint64_t found = atomic_load(&state->reserved);
    if (found <= state->limit)
        return 0;
    return error_set(error, ERROR_FATAL,
        "journal: its %zu MQTT sessions take %" PRIu64
        " bytes, and with this journal.segment_size they may take %" PRIu64 ": set it to %" PRIu64
        "MiB at least, as it was before",
        state->sessions, found, state->limit,
        (found * JOURNAL_STATE_SHARE * MQTT_STATE_SHARE + MIB - 1) / MIB);
}

/* As long as all stays below the ceiling. */
static bool state_reserve(struct mqtt_state *state, uint64_t bytes, uint64_t ceiling)
{
    uint64_t reserved = atomic_load(&state->reserved);

    do {
        if (bytes > ceiling || reserved > ceiling - bytes)
            return false;
    } while (!atomic_compare_exchange_weak(&state->reserved, &reserved, reserved + bytes));
    return true;
}

static void state_give(struct mqtt_state *state, uint64_t bytes)
{
    const uint64_t reserved = atomic_fetch_sub(&state->reserved, bytes);

    assert(reserved >= bytes + USED_BYTES);
}

bool mqtt_state_reserve_session(struct mqtt_state *state, size_t client_id_length)
{
    return state_reserve(
        state, SESSION_BYTES(client_id_length), state->limit - state->limit / MQTT_STATE_PACKETS_SHARE);
}

void mqtt_state_give_session(struct mqtt_state *state, size_t client_id_length)
{
    state_give(state, SESSION_BYTES(client_id_length));
}

bool mqtt_state_reserve_packets(struct mqtt_state *state, size_t count)
{
    return state_reserve(state, PACKET_BYTES * (uint64_t)count, state->limit);
}

void mqtt_state_give_packets(struct mqtt_state *state, size_t count)
{
    state_give(state, PACKET_BYTES * (uint64_t)count);
}

uint64_t mqtt_state_next_number(struct mqtt_state *state)
{
    return atomic_fetch_add(&state->given, 1) + 1;
}

void mqtt_state_usage(const struct mqtt_state *state, struct mqtt_state_usage *ret_usage)
{
    *ret_usage = (struct mqtt_state_usage){atomic_load(&state->reserved), state->limit};
}

/* ---- the stored forms ---------------------------------------------------------------------------------------- */

static int encode_session(
    struct bytes *out, const struct mqtt_state_session *session, unsigned char flags, struct error *error)
{
    const struct slice client_id = flags ? (struct slice){NULL, 0} : session->client_id;
    char head[SESSION_HEAD] = {STATE_VERSION, (char)flags};

    put_u16(head + 2, (uint16_t)client_id.length);
    put_u32(head + 4, flags ? 0 : session->expiry);
    put_u64(head + 8, session->number);
    put_u64(head + 16, flags ? 0 : (uint64_t)session->ended_at);
    if (bytes_reserve(out, sizeof head + client_id.length, error))
        return -1;
    bytes_add(out, head, sizeof head, error);
    return bytes_add(out, client_id.data, client_id.length, error);
}

int mqtt_state_encode_session(
    struct bytes *out, const struct mqtt_state_session *session, bool gone, struct error *error)
{
    assert(session->client_id.length > 0 && session->client_id.length <= MQTT_SESSION_ID_MAX);
    return encode_session(out, session, gone ? FLAG_GONE : 0, error);
}

int mqtt_state_encode_packets(
    struct bytes *out, uint64_t number, const uint32_t *operations, size_t count, struct error *error)
{
    char head[PACKETS_HEAD] = {STATE_VERSION};

    put_u64(head + 8, number);
    if (bytes_reserve(out, MQTT_PACKETS_BODY(count), error))
        return -1;
    bytes_add(out, head, sizeof head, error);
    for (size_t i = 0; i < count; i++)
        put_u32(out->data + out->length + 4 * i, operations[i]);
    out->length += 4 * count;
    return 0;
}

/* Numbers above it were never given. */
static void state_note_number(struct mqtt_state *state, uint64_t number)
{
    uint64_t given = atomic_load(&state->given);

    while (given < number && !atomic_compare_exchange_weak(&state->given, &given, number))
        continue; /* GCOVR_EXCL_LINE: nobody is in the way while the journal opens, and later all numbers are given */
}

/* The number, or 0: not what this version writes. */
static uint64_t session_read(const char *in, size_t length, struct mqtt_state_session *ret_session)
{
    if (length < SESSION_HEAD || in[0] != STATE_VERSION)
        return 0;
    *ret_session = (struct mqtt_state_session){
        .number = get_u64(in + 8),
        .client_id = {in + SESSION_HEAD, length - SESSION_HEAD},
        .expiry = get_u32(in + 4),
        .ended_at = (int64_t)get_u64(in + 16),
    };
    const size_t id_length = ret_session->client_id.length;
    const bool plain = in[1] == 0;
    if (get_u16(in + 2) != id_length || (!plain && in[1] != FLAG_GONE && in[1] != FLAG_USED) ||
        plain != (id_length > 0) || id_length > MQTT_SESSION_ID_MAX ||
        memchr(ret_session->client_id.data, '\0', id_length) || ret_session->number > INT64_MAX)
        return 0;
    return ret_session->number;
}

static int session_apply(
    void *context, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct mqtt_state *state = context;
    struct mqtt_state_session session;
    const char *in = body;

    (void)sequence;
    if (!session_read(in, length, &session))
        return error_set(
            error, ERROR_REJECT, "%zu bytes: not a session of version %d", length, STATE_VERSION);
    state_note_number(state, session.number);
    if (in[1] == FLAG_GONE)
        image_drop(state, session.number);
    return in[1] ? 0 : image_put(state, &session, error);
}

static bool packets_valid(const char *in, size_t length)
{
    if (length <= PACKETS_HEAD || (length - PACKETS_HEAD) % 4 || in[0] != STATE_VERSION || in[1])
        return false;
    for (size_t at = PACKETS_HEAD; at < length; at += 4) {
        const uint32_t operation = get_u32(in + at) & ~MQTT_PACKET_TAKEN;
        if (operation == 0 || operation > IDS_ALL)
            return false;
    }
    return true;
}

static int packets_apply(
    void *context, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct mqtt_state *state = context;
    const char *in = body;

    (void)sequence;
    if (!packets_valid(in, length))
        return error_set(
            error, ERROR_REJECT, "%zu bytes: not packet ids of version %d", length, STATE_VERSION);
    struct image_session *session = *image_place(state, get_u64(in + 8));
    for (size_t at = PACKETS_HEAD; session && at < length; at += 4) {
        const uint32_t operation = get_u32(in + at);
        if (!(operation & MQTT_PACKET_TAKEN))
            mqtt_ids_remove(&session->ids, (uint16_t)operation);
        else if (mqtt_ids_reserve(&session->ids, session->ids.count + 1))
            mqtt_ids_add(&session->ids, (uint16_t)operation);
        else
            return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE */
    }
    return 0;
}

/* ---- the snapshot -------------------------------------------------------------------------------------------- */

static int dump_session(const struct image_session *session, struct bytes *body, struct error *error)
{
    const struct mqtt_state_session stored = {
        session->number, {session->client_id, session->client_id_length}, session->expiry, session->ended_at};

    return encode_session(body, &stored, 0, error);
}

static int session_dump(
    void *context, uint64_t keep_from, state_emit_fn *emit, void *emit_context, struct error *error)
{
    struct mqtt_state *state = context;
    const struct mqtt_state_session used = {.number = atomic_load(&state->given)};
    cleanup_bytes struct bytes body;

    (void)keep_from;
    bytes_init(&body, MQTT_SESSION_BODY_MAX);
    if (used.number &&
        (encode_session(&body, &used, FLAG_USED, error) || emit(emit_context, body.data, body.length, error)))
        return -1;
    for (size_t i = 0; i < state->buckets_count; i++) {
        for (const struct image_session *session = state->buckets[i]; session; session = session->next) {
            bytes_clear(&body);
            if (dump_session(session, &body, error) || emit(emit_context, body.data, body.length, error))
                return -1;
        }
    }
    return 0;
}

static int dump_packets(const struct image_session *session, struct bytes *body, struct error *error)
{
    size_t position = 0;
    char operation[4];
    uint16_t id;

    if (mqtt_state_encode_packets(body, session->number, NULL, 0, error))
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    while ((id = mqtt_ids_next(&session->ids, &position))) {
        put_u32(operation, id | MQTT_PACKET_TAKEN);
        if (bytes_add(body, operation, sizeof operation, error))
            return -1; /* GCOVR_EXCL_LINE: out of memory */
    }
    return 0;
}

static int packets_dump(
    void *context, uint64_t keep_from, state_emit_fn *emit, void *emit_context, struct error *error)
{
    struct mqtt_state *state = context;
    cleanup_bytes struct bytes body;

    (void)keep_from;
    bytes_init(&body, MQTT_PACKETS_BODY(IDS_ALL));
    for (size_t i = 0; i < state->buckets_count; i++) {
        for (const struct image_session *session = state->buckets[i]; session; session = session->next) {
            bytes_clear(&body);
            if (session->ids.count &&
                (dump_packets(session, &body, error) || emit(emit_context, body.data, body.length, error)))
                return -1;
        }
    }
    return 0;
}

void mqtt_state_kinds(struct mqtt_state *state, struct state_kind ret_kinds[MQTT_STATE_KINDS])
{
    /* In this order: packet ids are those of sessions that are there. */
    ret_kinds[0] = (struct state_kind){.kind = STATE_SESSION,
        .name = "session",
        .apply = session_apply,
        .dump = session_dump,
        .state = state};
    ret_kinds[1] = (struct state_kind){.kind = STATE_PACKETS,
        .name = "packets",
        .apply = packets_apply,
        .dump = packets_dump,
        .state = state};
}

/* ---- for the I/O threads ------------------------------------------------------------------------------------- */

static int visit_one(const struct image_session *session, uint16_t *packets, mqtt_state_visit_fn *visit,
    void *context, struct error *error)
{
    const struct mqtt_state_session found = {
        session->number, {session->client_id, session->client_id_length}, session->expiry, session->ended_at};
    size_t position = 0, count = 0;
    uint16_t id;

    while ((id = mqtt_ids_next(&session->ids, &position)))
        packets[count++] = id;
    return visit(context, &found, packets, count, error);
}

int mqtt_state_visit(struct mqtt_state *state, mqtt_state_visit_fn *visit, void *context, struct error *error)
{
    uint16_t *packets = malloc(IDS_ALL * sizeof *packets);
    int result = 0;

    if (!packets)
        return error_set(error, ERROR_RETRY, "sessions: out of memory"); /* GCOVR_EXCL_LINE */
    state_reserve_found(state);
    for (size_t i = 0; !result && i < state->buckets_count; i++) {
        const struct image_session *session = state->buckets[i];
        for (; !result && session; session = session->next)
            result = visit_one(session, packets, visit, context, error);
    }
    free(packets);
    return result;
}
