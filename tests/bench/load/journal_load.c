/* journal_load: the journal alone, without a socket, driven as a source drives it.
 *
 *     journal_load batch DIRECTORY BATCH WINDOW SECONDS    hand-overs of BATCH records, WINDOW of them on their way
 *     journal_load pace  DIRECTORY RATE SECONDS            RATE hand-overs of one record per second, see below
 *
 * pace sends what is due every PACE_STEP (finer steps would measure the timer): at 100,000 per second five every 50 us.
 * A latency runs from the moment a hand-over was due to its completion, so a late hand-over counts as a slow one. A record's body
 * is 150 bytes: a head of 40, which is copied, and a payload of 110. The one cursor follows closely, so that segments
 * are recycled all the time. Some seconds at full speed go ahead unmeasured: the journal makes its
 * segments then, and from there on they are recycled.
 */
#include "bench/stall.h"
#include "bench/tool.h"
#include "journal/journal.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define HEAD_SIZE 40
#define PAYLOAD_SIZE 110
#define PARTS_LIMIT ((size_t)64 << 20)
#define PACE_WINDOW 16384
#define CURSOR_STEP 4096
#define BACK_OFF INT64_C(50000)
#define WARM_UP (3 * TOOL_SECOND)
#define PACE_STEP INT64_C(50000)
#define OUTLET "bench"

struct load {
    struct journal *journal;
    uint64_t batch;
    uint64_t window;
    struct ticket *tickets;
    uint64_t step; /* hand-overs every PACE_STEP; 0: no pace */
    sem_t free;
    struct journal_cursor cursor;
    uint64_t sent; /* hand-overs */
    uint64_t refused;
    struct tool_latency *latency; /* the committer's while hand-overs are on their way */
};

/* One hand-over that is used again and again. */
struct ticket {
    struct handover handover;
    struct load *load;
    char *payloads;
    int64_t due;
};

static void die(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static void complete(struct handover *handover, enum handover_result result)
{
    struct ticket *ticket = handover->context;

    if (result != HANDOVER_DURABLE) {
        fprintf(stderr, "hand-over result %d\n", (int)result);
        exit(1);
    }
    const int64_t now = tool_now();
    tool_latency_add(ticket->load->latency, now - ticket->due);
    stall_sample(ticket->due, now);
    sem_post(&ticket->load->free);
}

static void load_open(struct load *load, const char *directory)
{
    struct error error;
    const char *const outlets[] = {OUTLET};
    const struct journal_options options = {
        .directory = directory,
        .gateway_id = "bench",
        .segment_size = UINT64_C(64) << 20,
        .max_size = UINT64_C(8) << 30,
        .outlets = outlets,
        .outlets_count = 1,
        .clock = &clock_system,
    };

    if (journal_open(&load->journal, &options, NULL, &error) ||
        journal_cursor(load->journal, OUTLET, &load->cursor, &error))
        die(&error);
    load->latency = tool_allocate(sizeof *load->latency);
    load->tickets = tool_allocate(load->window * sizeof *load->tickets);
    sem_init(&load->free, 0, (unsigned)load->window);
    for (uint64_t i = 0; i < load->window; i++) {
        struct ticket *ticket = &load->tickets[i];
        ticket->load = load;
        ticket->payloads = tool_allocate(load->batch * PAYLOAD_SIZE);
        memset(ticket->payloads, 'x', load->batch * PAYLOAD_SIZE);
        handover_init(&ticket->handover, PARTS_LIMIT, complete, ticket);
    }
}

/* Everything durable is done as far as this outlet is concerned. */
static void follow(struct load *load)
{
    uint64_t durable = journal_durable(load->journal);

    load->cursor.delivered += durable - load->cursor.position;
    load->cursor.position = durable;
    journal_cursor_move(load->journal, OUTLET, &load->cursor);
}

static void fill(struct load *load, struct ticket *ticket)
{
    struct error error;
    char head[HEAD_SIZE] = {0};

    handover_clear(&ticket->handover);
    ticket->handover.payloads = ticket->payloads;
    for (uint64_t i = 0; i < load->batch; i++) {
        uint64_t number = load->sent * load->batch + i;
        memcpy(head, &number, sizeof number);
        if (handover_add(&ticket->handover, JOURNAL_KIND_DATA, (struct slice){head, sizeof head},
                i * PAYLOAD_SIZE, PAYLOAD_SIZE, &error))
            die(&error);
    }
}

/* Tickets come back in order, so the next one is free when any is. due 0: now. */
static void send_next(struct load *load, int64_t due)
{
    struct ticket *ticket = &load->tickets[load->sent % load->window];
    struct error error;

    while (sem_wait(&load->free))
        continue;
    ticket->due = due ? due : tool_now();
    fill(load, ticket);
    while (journal_hand_over(load->journal, &ticket->handover, &error)) {
        if (error.kind != ERROR_RETRY)
            die(&error);
        load->refused++;
        follow(load);
        tool_sleep_until(tool_now() + BACK_OFF);
    }
    load->sent++;
    if (load->sent * load->batch % CURSOR_STEP < load->batch)
        follow(load);
}

/* Waits until nothing is on its way; the tickets are free again afterwards. */
static void settle(struct load *load)
{
    for (uint64_t i = 0; i < load->window; i++)
        while (sem_wait(&load->free))
            continue;
    for (uint64_t i = 0; i < load->window; i++)
        sem_post(&load->free);
}

static void send_batches(struct load *load, int64_t duration)
{
    int64_t start = tool_now();

    while (tool_now() - start < duration)
        send_next(load, 0);
}

static void send_at_pace(struct load *load, int64_t duration)
{
    int64_t start = tool_now();

    for (int64_t due = start; due - start < duration; due += PACE_STEP) {
        if (due > tool_now())
            tool_sleep_until(due);
        for (uint64_t i = 0; i < load->step; i++)
            send_next(load, due);
    }
}

static void run(struct load *load, int64_t duration)
{
    void (*sends)(struct load *, int64_t) = load->step ? send_at_pace : send_batches;

    prctl(PR_SET_TIMERSLACK, 1UL);
    send_batches(load, WARM_UP);
    settle(load);
    memset(load->latency, 0, sizeof *load->latency);
    if (load->step)
        stall_begin();
    uint64_t before = load->sent;
    int64_t start = tool_now();
    int64_t cpu = tool_cpu();
    sends(load, duration);
    settle(load);
    uint64_t commits = load->sent - before;
    tool_report(commits, before, commits * load->batch, tool_now() - start, tool_cpu() - cpu, load->latency,
        stall_end());
    if (load->refused)
        fprintf(stderr, "refused and tried again: %" PRIu64 "\n", load->refused);
    journal_close(&load->journal);
}

int main(int count, char **arguments)
{
    struct load load = {.batch = 1, .window = PACE_WINDOW};

    int64_t duration;

    if (count == 6 && strcmp(arguments[1], "batch") == 0) {
        load.batch = tool_number(arguments[3], "BATCH", 1, 100000);
        load.window = tool_number(arguments[4], "WINDOW", 1, 1000);
        duration = (int64_t)tool_number(arguments[5], "SECONDS", 1, 60) * TOOL_SECOND;
    } else if (count == 5 && strcmp(arguments[1], "pace") == 0) {
        load.step = tool_number(arguments[3], "RATE", 20000, 10000000) / (TOOL_SECOND / PACE_STEP);
        duration = (int64_t)tool_number(arguments[4], "SECONDS", 1, 60) * TOOL_SECOND;
    } else {
        fputs("usage: journal_load batch DIRECTORY BATCH WINDOW SECONDS\n"
              "       journal_load pace DIRECTORY RATE SECONDS\n",
            stderr);
        return 2;
    }
    load_open(&load, arguments[2]);
    run(&load, duration);
    return 0;
}
