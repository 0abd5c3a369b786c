/* dead_letter_outlet_harness: the dead-letter outlet's parts over a real journal, with two streams and their renderings. */
#ifndef PENSTOCK_TESTS_DEAD_LETTER_OUTLET_HARNESS_H
#define PENSTOCK_TESTS_DEAD_LETTER_OUTLET_HARNESS_H

#include "dead_letter_harness.h"
#include "journal_harness.h"
#include "lake_harness.h"
#include "outlet/dead_letter_replay.h"
#include "outlet/outlet.h"

#define FOUND_RECORDS 4096
#define SEEN_TEXT 400

extern struct fixture fixture;
extern char directory[64]; /* of the letters */
extern struct harness_clock now;
extern struct config *config;
extern struct routes *routes; /* of streams readings (labels site, zone; rendering 1), notes (rendering 2) */
extern struct rendering_table *renderings;
extern struct dead_letter_pump_options options;
extern struct dead_letter_pump *pump;
extern struct dead_letter_replay *replay;
extern struct error error;

/* For a TestSuite. */
void set_up(void);
void tear_down(void);

/* As the pipeline does: each stream's rendering has an id of its own. */
void store_rendering(const char *name, uint32_t id);
void open_journal(void);

/* Hands over records "letter FIRST " ..., as letters_put() has them; a body that is no record. */
void put(uint32_t rendering, unsigned first, unsigned last, uint8_t flags);
void put_junk(void);

struct seen_record {
    char payload[SEEN_TEXT], origin[SEEN_TEXT], key[SEEN_TEXT], site[SEEN_TEXT], zone[SEEN_TEXT];
    uint32_t rendering;
    uint8_t flags;
    int64_t received, event;
};

/* All records of the journal behind `after`. */
extern struct seen_record seen[FOUND_RECORDS];
extern size_t seen_count;
void read_journal(uint64_t after);

void open_pump(void);
/* Steps until nothing is left. */
void pump_all(void);
/* The pump's, after a look at whether it adds up. */
struct journal_cursor cursor(void);

#endif
