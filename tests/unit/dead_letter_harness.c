/* dead_letter_harness: see dead_letter_harness.h */
#include "dead_letter_harness.h"

#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void letters_start(char ret_directory[64])
{
    snprintf(ret_directory, 64, "/tmp/penstock-letters-XXXXXX");
    cr_assert_not_null(mkdtemp(ret_directory));
}

static int letters_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

void letters_end(const char *directory)
{
    nftw(directory, letters_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int letters_put(
    struct dead_letters *letters, const char *stream, unsigned number, size_t size, struct error *error)
{
    char *payload = malloc(size + 32);
    size_t length = (size_t)snprintf(payload, 32, "letter %u ", number);

    if (length < size)
        memset(payload + length, 'x', size - length);
    const struct record record = {.received = number,
        .key = slice_of("k"),
        .labels = {slice_of("north")},
        .labels_count = 1,
        .payload = {payload, length < size ? size : length}};
    static const char *const labels[] = {"site"};
    const struct dead_letter letter = {
        .id = {"test-1", 7, number},
        .outlet = "lake",
        .stream = stream,
        .topic = "",
        .reason = "test",
        .time = number,
        .record = &record,
        .labels = labels,
    };
    int result = dead_letters_add(letters, &letter, error);
    free(payload);
    return result;
}

static int letters_visit(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *error)
{
    struct letters_found *found = context;

    (void)line, (void)error;
    if (!parsed) {
        found->unreadable++;
        return 0;
    }
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    char text[64];
    cr_assert_lt(found->count, LETTERS_FOUND_MAX);
    snprintf(text, sizeof text, "%.*s", (int)letter->record->payload.length, letter->record->payload.data);
    cr_assert_eq(sscanf(text, "letter %u", &found->number[found->count]), 1, "%s", text);
    snprintf(found->reason, sizeof found->reason, "%s", letter->reason);
    found->count++;
    return 0;
}

void letters_read(const char *directory, const char *stream, struct letters_found *ret_found)
{
    struct error error;

    *ret_found = (struct letters_found){0};
    cr_assert_eq(
        dead_letters_visit(directory, stream, letters_visit, ret_found, &error), 0, "%s", error.text);
}

void letters_assert(const char *directory, const char *stream, unsigned first, unsigned last)
{
    static struct letters_found found;

    letters_read(directory, stream, &found);
    cr_assert_eq(found.unreadable, 0);
    cr_assert_eq(found.count, last - first + 1, "%zu letters, not %u to %u", found.count, first, last);
    for (size_t i = 0; i < found.count; i++)
        cr_assert_eq(found.number[i], first + i, "letter %u in place of %zu", found.number[i], first + i);
}

size_t letters_files(const char *directory, const char *pattern)
{
    char full[256];
    glob_t found;

    snprintf(full, sizeof full, "%s/%s", directory, pattern);
    size_t count = glob(full, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

const char *letters_path(const char *directory, const char *pattern, size_t nth)
{
    static char full[256];
    glob_t found;

    snprintf(full, sizeof full, "%s/%s", directory, pattern);
    cr_assert_eq(glob(full, 0, NULL, &found), 0, "%s", full);
    cr_assert_lt(nth, found.gl_pathc);
    snprintf(full, sizeof full, "%s", found.gl_pathv[nth]);
    globfree(&found);
    return full;
}

uint64_t letters_size(const char *path)
{
    struct stat status;

    cr_assert_eq(stat(path, &status), 0, "%s", path);
    return (uint64_t)status.st_size;
}
