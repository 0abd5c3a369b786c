/* outlet_lake_harness: the lake outlet's pump over a real journal, rows with known numbers, and what the lake then holds. */
#ifndef PENSTOCK_TESTS_OUTLET_LAKE_HARNESS_H
#define PENSTOCK_TESTS_OUTLET_LAKE_HARNESS_H

#include "dead_letter_harness.h"
#include "journal_harness.h"
#include "lake_harness.h"
#include "outlet/lake_pump.h"

#define ROWS_MAX 20000

extern struct fixture fixture;
extern char root[80], letters_directory[64];
extern struct harness_clock now;
extern struct lake_pump_options options;
extern struct lake_pump *pump;
extern struct error error;
extern uint64_t put_rows; /* rows given to the journal */
extern unsigned seen[ROWS_MAX]; /* how often read_lake() found each row */
extern unsigned files_seen;

/* For a TestSuite. */
void set_up(void);
void tear_down(void);

void add_rendering(uint32_t id, const char *stream, enum record_format format, char *path);
void put_body(struct slice head, struct slice payload);
/* The next row, of `size` bytes at least, of a rendering; key picks the directory. */
void put(uint32_t rendering, const char *key, size_t size, uint8_t flags);
void put_some(uint64_t count);

void read_lake(void);
/* Rows first..last are there, each once. */
void assert_rows(uint64_t first, uint64_t last);

/* The pump's, after a look at whether it adds up. */
struct journal_cursor cursor(void);

void open_journal(void);
void open_pump(void);
/* Steps until nothing is left. */
void pump_all(void);
void drain(void);
/* As a crash does: what was open is dropped; the journal keeps only the cursor that it has stored. */
void restart(void);

#endif
