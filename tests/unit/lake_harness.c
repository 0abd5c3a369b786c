/* lake_harness: see lake_harness.h */
#include "lake_harness.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake/file_name.h"

#define HARNESS_ROWS_MAX 256
#define HARNESS_ROW_MAX 40000

static int64_t harness_now(const struct clock *clock)
{
    return ((const struct harness_clock *)clock)->now;
}

struct harness_clock harness_clock_at(int64_t now)
{
    return (struct harness_clock){{harness_now, harness_now}, now};
}

void harness_make_directory(char ret_path[64])
{
    snprintf(ret_path, 64, "%s/penstock-lake-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    cr_assert_not_null(mkdtemp(ret_path));
}

static int harness_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

void harness_remove(const char *path)
{
    nftw(path, harness_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct lake_options harness_options(const char *root, const struct harness_clock *clock)
{
    return (struct lake_options){
        .root = root, .gateway_id = "gw-1", .max_open_files = 100, .clock = &clock->clock};
}

/* Which place row 1, 2, ... goes to; over again behind the end. */
static const char harness_pattern[] = "ABACDBBADCCAABDADCBBCDAABACCD";

void harness_row(uint64_t sequence, struct lake_row *ret_row)
{
    static char text[HARNESS_ROW_MAX];
    char place = harness_pattern[(sequence - 1) % (sizeof harness_pattern - 1)];
    const char *path = place == 'A' ? "grid/dt=1" : place == 'B' ? "grid/dt=2/h=3" : "other";

    /* Some rows are larger than a file's buffer. */
    snprintf(text, sizeof text, "{\"n\":%*llu}", sequence % 10 == 9 ? HARNESS_ROW_MAX - 10 : 0,
        (unsigned long long)sequence);
    *ret_row = (struct lake_row){
        .path = slice_of(path),
        .stream = place == 'D' ? "notes" : "readings",
        .format = place == 'D' ? RECORD_FORMAT_TEXT : RECORD_FORMAT_JSON,
        .epoch = sequence < HARNESS_NEW_EPOCH ? 0x3f9a1c22 : 0x00000007,
        .sequence = sequence,
        .received = (int64_t)sequence * 1000,
        .payload = slice_of(text),
    };
}

int harness_append(
    struct lake *lake, uint64_t sequence, uint64_t replay_until, bool *ret_there, struct error *error)
{
    struct lake_row row;

    harness_row(sequence, &row);
    return lake_append(lake, &row, replay_until, ret_there, error);
}

/* ---- the proof -------------------------------------------------------------------------------------------- */

static const char *harness_root;
static unsigned harness_seen[HARNESS_ROWS_MAX];
static uint64_t harness_files;

static bool harness_belongs(const struct lake_row *row, struct slice path, const struct file_name *name)
{
    return slice_equal(row->path, path) && slice_is(name->stream, row->stream) && name->epoch == row->epoch;
}

/* Exactly the rows of the place between first and last, each on a line. */
static void harness_verify_rows(
    FILE *file, const char *file_path, struct slice path, const struct file_name *name)
{
    static char line[HARNESS_ROW_MAX + 10];
    struct lake_row row;

    cr_assert_lt(name->last, HARNESS_ROWS_MAX);
    for (uint64_t sequence = name->first; sequence <= name->last; sequence++) {
        harness_row(sequence, &row);
        if (!harness_belongs(&row, path, name)) {
            cr_assert(sequence != name->first && sequence != name->last, "%s: wrong positions", file_path);
            continue;
        }
        cr_assert_not_null(fgets(line, sizeof line, file), "%s ends before row %llu", file_path,
            (unsigned long long)sequence);
        cr_assert(strncmp(line, row.payload.data, row.payload.length) == 0 &&
                      strcmp(line + row.payload.length, "\n") == 0,
            "%s: %s instead of row %llu", file_path, line, (unsigned long long)sequence);
        harness_seen[sequence]++;
    }
    cr_assert_null(fgets(line, sizeof line, file), "%s holds more than its name says: %s", file_path, line);
}

static int harness_verify_one(const char *file_path, const struct stat *status, int type, struct FTW *place)
{
    struct file_name name;
    const char *relative = file_path + strlen(harness_root) + 1;

    (void)status;
    if (type != FTW_F || strncmp(relative, ".penstock/", 10) == 0)
        return 0;
    cr_assert_eq(file_name_parse(slice_of(file_path + place->base), &name), 0, "%s: no lake file", file_path);
    cr_assert(slice_is(name.gateway_id, "gw-1"));
    struct slice path = {relative, (size_t)(file_path + place->base - relative - 1)};
    FILE *file = fopen(file_path, "r");
    cr_assert_not_null(file);
    harness_verify_rows(file, file_path, path, &name);
    fclose(file);
    harness_files++;
    return 0;
}

uint64_t harness_verify(const char *root, uint64_t last)
{
    harness_root = root;
    harness_files = 0;
    memset(harness_seen, 0, sizeof harness_seen);
    cr_assert_eq(nftw(root, harness_verify_one, 16, FTW_PHYS), 0);
    for (uint64_t sequence = 1; sequence <= last; sequence++)
        cr_assert_eq(harness_seen[sequence], 1, "row %llu is there %u times", (unsigned long long)sequence,
            harness_seen[sequence]);
    return harness_files;
}

bool harness_has(const char *root, const char *path)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", root, path);
    return access(full, F_OK) == 0;
}
