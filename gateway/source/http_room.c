/* http_room: the room that bodies share, and the line of those who wait for it; see http_internal.h
 *
 * Every byte of a body is charged to http.max_in_flight as it comes, and so is what unpacks it as long as it comes. Before, room for it is promised: all of its Content-Length at first, so
 * that bodies which started can end and do not starve each other half-way; otherwise, and when the promise was not used in time, a
 * step. Who gets none waits in line, the rest of the body unread in its socket.
 *
 * Two rules keep bodies that are only announced, or come byte by byte, from those who send theirs at once. One address holds at most
 * http.max_in_flight_per_address with bodies that have not come to their end. And a body that arrives in one piece with its head, as a
 * single reading does, waits for nobody: it is in the journal at once, and a part of the room is for such alone.
 *
 * What is held is counted without a lock, by all threads together; the line has one (room.lock). Nobody is forgotten in it: who lines up
 * counts himself first and then looks at the room once more, who gives room back does that first and then looks for somebody in line.
 */
#include "source/http_internal.h"

/* Not above `most`; but whose own is all that is held, gets in, however large it is. */
static bool http_room_take(_Atomic uint64_t *held, uint64_t own, uint64_t want, uint64_t most)
{
    uint64_t before = atomic_load(held);

    do {
        if (before != own && (want > most || before > most - want))
            return false;
    } while (!atomic_compare_exchange_weak(held, &before, before + want));
    return true;
}

static _Atomic uint64_t *http_room_kind(const struct http_request *request)
{
    struct http_room *room = &request->thread->source->room;

    return request->whole ? &room->whole : &room->pieces;
}

static void http_room_hold(struct http_request *request, uint64_t charged, uint64_t promised)
{
    struct http_thread *thread = request->thread;
    const uint64_t before = request->charged + request->promised, held = charged + promised;

    atomic_store_explicit(&thread->charged,
        atomic_load_explicit(&thread->charged, memory_order_relaxed) - request->charged + charged,
        memory_order_relaxed);
    request->charged = charged;
    request->promised = promised;
    if (held == before)
        return;
    atomic_fetch_add(&thread->source->room.held, held - before);
    atomic_fetch_add(http_room_kind(request), held - before);
    if (request->holder)
        atomic_fetch_add(&request->holder->held, held - before);
    thread->released |= held < before;
}

void http_room_charge(struct http_request *request, uint64_t bytes)
{
    uint64_t used = bytes > request->charged ? bytes - request->charged : 0;

    used = used < request->promised ? used : request->promised;
    http_room_hold(request, bytes, request->promised - used);
}

void http_room_forget_promise(struct http_request *request)
{
    http_room_hold(request, request->charged, 0);
}

void http_room_let_go(struct http_request *request)
{
    if (!request->holder)
        return;
    atomic_fetch_sub(&request->holder->held, request->charged + request->promised);
    request->thread->released = true;
    request->holder = NULL;
}

/* ---- promises ---------------------------------------------------------------------------------------------- */

static enum http_room_answer http_room_reserve(struct http_request *request, uint64_t want)
{
    const struct config *config = &request->plan->limits;
    struct http_room *room = &request->thread->source->room;
    const uint64_t most = config->http.max_in_flight;
    const uint64_t most_of_one =
        config->http.max_in_flight_per_address ? config->http.max_in_flight_per_address : UINT64_MAX;
    const uint64_t own = request->charged + request->promised;

    /* In this order: who waits because of his own address must not be taken for one that all the others wait behind, nor a vain try keep a
     * body that is there already from what is left of all. */
    if (request->holder && !http_room_take(&request->holder->held, own, want, most_of_one))
        return HTTP_ROOM_HELD;
    if (http_room_take(&room->pieces, own, want, most - most / HTTP_WHOLE_SHARE)) {
        if (http_room_take(&room->held, own, want, most))
            return HTTP_ROOM_GIVEN;
        atomic_fetch_sub(&room->pieces, want);
    }
    if (request->holder)
        atomic_fetch_sub(&request->holder->held, want);
    return HTTP_ROOM_NONE;
}

/* Of the request's own thread, or @holds room.lock and it is in line. */
static enum http_room_answer http_room_promise(struct http_request *request)
{
    uint64_t want = HTTP_PROMISE_STEP;

    if (request->coding == HTTP_IDENTITY && request->head.present[HTTP_CONTENT_LENGTH]) {
        uint64_t left = request->head.content_length - request->received;
        want = left < want || !request->promised_once ? left : want;
    }
    if (!request->inflate)
        want += request->unpacking;
    request->room = http_room_reserve(request, want);
    if (request->room != HTTP_ROOM_GIVEN)
        return request->room;
    request->promised_once = true;
    request->promised += want;
    return HTTP_ROOM_GIVEN;
}

bool http_room_ask(struct http_request *request)
{
    /* Nobody overtakes those who wait for room that all share. */
    if (!atomic_load_explicit(&request->thread->source->room.blocked, memory_order_relaxed))
        return http_room_promise(request) == HTTP_ROOM_GIVEN;
    request->room = HTTP_ROOM_NONE;
    return false;
}

void http_room_promise_whole(struct http_request *request, uint64_t size)
{
    struct http_room *room = &request->thread->source->room;
    const uint64_t most = request->plan->limits.http.max_in_flight;

    if (!http_room_take(&room->whole, UINT64_MAX, size, most / HTTP_WHOLE_SHARE))
        return;
    if (!http_room_take(&room->held, UINT64_MAX, size, most)) {
        atomic_fetch_sub(&room->whole, size);
        return;
    }
    if (request->holder)
        atomic_fetch_add(&request->holder->held, size);
    request->whole = true;
    request->promised = size;
}

/* ---- the line ------------------------------------------------------------------------------------------------ */

static void http_room_refuse(struct http_request *request)
{
    http_refuse(&request->refusal, HTTP_STATUS_503, "%s",
        request->room == HTTP_ROOM_HELD
            ? "there is no room for another body from this address (http.max_in_flight_per_address)"
            : "there is no room for the body (http.max_in_flight)");
}

/* Nothing will make room: all that is held, or all that its address holds, is held by those who wait. @holds room.lock */
static bool http_room_is_stuck(const struct http_request *request)
{
    const struct http_room *room = &request->thread->source->room;
    const struct peer *holder = request->holder;

    return atomic_load(&room->held) == room->held_in_line + request->charged ||
           (request->room == HTTP_ROOM_HELD &&
               atomic_load(&holder->held) == holder->held_in_line + request->charged);
}

/* @holds room.lock */
static void http_room_line_up(struct http_room *room, struct http_connection *connection)
{
    struct http_request *request = connection->request;

    connection->starved_next = NULL;
    *(room->last ? &room->last->starved_next : &room->first) = connection;
    room->last = connection;
    room->held_in_line += request->charged;
    if (request->holder)
        request->holder->held_in_line += request->charged;
    if (request->room == HTTP_ROOM_NONE)
        atomic_store_explicit(&room->blocked, true, memory_order_relaxed);
}

/* The one behind `previous`, or the first one (NULL), goes on. @holds room.lock */
static void http_room_call(struct http_room *room, struct http_connection *previous)
{
    struct http_connection **place = previous ? &previous->starved_next : &room->first;
    struct http_connection *connection = *place;
    struct http_request *request = connection->request;

    *place = connection->starved_next;
    if (!*place)
        room->last = previous;
    if (!room->first)
        atomic_store_explicit(&room->blocked, false, memory_order_relaxed);
    room->held_in_line -= request->charged;
    if (request->holder)
        request->holder->held_in_line -= request->charged;
    atomic_fetch_sub(&room->waiting, 1);
    http_loop_call(connection); /* from here on it is its own thread's again */
}

/* Calls those for whom there is room. @holds room.lock */
static void http_room_walk(struct http_room *room)
{
    struct http_connection *previous = NULL;
    enum http_room_answer answer = HTTP_ROOM_GIVEN;

    for (struct http_connection *connection = room->first, *next; connection && answer != HTTP_ROOM_NONE;
         connection = next) {
        next = connection->starved_next;
        answer = http_room_promise(connection->request);
        if (answer == HTTP_ROOM_GIVEN)
            http_room_call(room, previous);
        else
            previous = connection;
    }
    atomic_store_explicit(&room->blocked, answer == HTTP_ROOM_NONE, memory_order_relaxed);
}

/* Whoever has made room by now and not yet looked along the line is forestalled: so what is stuck behind that is stuck for good. @holds room.lock */
static enum http_room_wait http_room_ask_again(struct http_request *request)
{
    const bool stuck = http_room_is_stuck(request);

    if (stuck)
        http_room_walk(&request->thread->source->room);
    if (http_room_ask(request))
        return HTTP_ROOM_GO_ON;
    return stuck && http_room_is_stuck(request) ? HTTP_ROOM_REFUSED : HTTP_ROOM_WAIT;
}

enum http_room_wait http_room_wait(struct http_request *request)
{
    struct http_thread *thread = request->thread;
    struct http_room *room = &thread->source->room;

    if (thread->draining) {
        http_refuse(&request->refusal, HTTP_STATUS_503, "the gateway is stopping");
        return HTTP_ROOM_REFUSED;
    }
    request->connection->starved_since = thread->now;
    thread->released = true; /* what it asked for in vain may have kept others from theirs for a moment */
    pthread_mutex_lock(&room->lock);
    atomic_fetch_add(&room->waiting, 1);
    const enum http_room_wait result = http_room_ask_again(request);
    if (result == HTTP_ROOM_WAIT)
        http_room_line_up(room, request->connection);
    else
        atomic_fetch_sub(&room->waiting, 1);
    pthread_mutex_unlock(&room->lock);
    if (result == HTTP_ROOM_WAIT)
        http_connection_suspend(request->connection, HTTP_STARVED);
    else if (result == HTTP_ROOM_REFUSED)
        http_room_refuse(request);
    return result;
}

void http_room_feed(struct http_thread *thread)
{
    struct http_room *room = &thread->source->room;

    if (!thread->released)
        return;
    thread->released = false;
    if (atomic_load(&room->waiting) == 0)
        return;
    pthread_mutex_lock(&room->lock);
    http_room_walk(room);
    pthread_mutex_unlock(&room->lock);
}

bool http_room_expire(struct http_thread *thread)
{
    struct http_room *room = &thread->source->room;

    if (atomic_load(&room->waiting) == 0)
        return false;
    pthread_mutex_lock(&room->lock);
    struct http_request *request = room->first ? room->first->request : NULL;
    const bool expired = request && thread->now - request->connection->starved_since > HTTP_STARVE_TIMEOUT;
    if (expired) {
        http_room_refuse(request);
        http_room_call(room, NULL);
        thread->released = true; /* it may be the one that all the others have waited for */
    }
    pthread_mutex_unlock(&room->lock);
    return expired;
}

void http_room_leave(struct http_thread *thread)
{
    struct http_room *room = &thread->source->room;
    struct http_connection *previous = NULL;

    pthread_mutex_lock(&room->lock);
    for (struct http_connection *connection = room->first, *next; connection; connection = next) {
        next = connection->starved_next;
        if (connection->listener->thread == thread)
            http_room_call(room, previous);
        else
            previous = connection;
    }
    thread->released = true;
    pthread_mutex_unlock(&room->lock);
}
