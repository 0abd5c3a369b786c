/* job_state: what of an import is done, read from a log that was torn at every byte, and one that says what cannot be */
#include "table/job_state.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const lines[] = {
    "{\"import\":1,\"penstock\":\"1\",\"options\":{},\"where\":\"h/d\",\"system\":\"7\",\"tables\":[]}\n",
    "{\"snapshot\":{\"id\":\"0000-1\",\"position\":\"0/1\",\"taken\":5},\"keeper\":\"one\",\"process\":1}\n",
    "{\"table\":0,\"split\":0,\"rows\":1}\n",
    "{\"table\":0,\"split\":3,\"rows\":2}\n",
    "{\"snapshot\":{\"id\":\"0000-2\",\"position\":\"0/2\",\"taken\":6},\"keeper\":\"two\",\"process\":2}\n",
    "{\"table\":1,\"split\":1,\"rows\":3}\n",
};
#define LINES (sizeof lines / sizeof *lines)

static char folder[] = "/tmp/test-job-state-XXXXXX";
static char target[sizeof folder + 8];
static struct attempt *attempt;
static struct job_state *state;
static struct error error;

static void begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/made", folder);
    cr_assert_eq(attempt_open(&attempt, target, false, &error), 0, "%s", error.text);
}

static void end(void)
{
    job_state_close(&state);
    job_state_close(&state);
    attempt_close(&attempt);
    cr_assert_eq(rmdir(folder), 0, "nothing is left");
}

TestSuite(job_state, .init = begin, .fini = end);

/* The log is exactly this, and is read. */
static void read_log(const char *text, size_t length)
{
    cleanup_bytes struct bytes ignored;

    bytes_init(&ignored, ATTEMPT_LOG_MAX);
    job_state_close(&state);
    cr_assert_eq(attempt_log_open(attempt, &ignored, &error), 0);
    cr_assert_eq(attempt_log_cut(attempt, 0, &error), 0);
    cr_assert_eq(attempt_log_add(attempt, (struct slice){text, length}, &error), 0);
    cr_assert_eq(job_state_open(&state, attempt, &error), 0, "%s", error.text);
}

static size_t join(char *text, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < LINES; i++)
        length += (size_t)snprintf(text + length, size - length, "%s", lines[i]);
    return length;
}

Test(job_state, torn_at_every_byte)
{
    char text[2048];
    const size_t length = join(text, sizeof text);

    for (size_t cut = 0; cut <= length; cut++) {
        size_t whole = 0, used = 0, splits = 0, snapshots = 0;
        for (; whole < LINES && used + strlen(lines[whole]) <= cut; whole++) {
            used += strlen(lines[whole]);
            splits += strstr(lines[whole], "\"split\"") != NULL;
            snapshots += strstr(lines[whole], "\"snapshot\"") != NULL;
        }
        read_log(text, cut);
        cr_assert_eq(state->length, used, "cut at %zu", cut);
        cr_assert_eq(job_state_is_whole(state), whole > 1);
        cr_assert_eq(json_array_size(state->splits), splits);
        cr_assert_eq(state->snapshots_count, snapshots);
    }
    cr_assert_str_eq(state->keeper, "two");
    cr_assert_str_eq(state->snapshots[0].id, "0000-1");
    cr_assert_str_eq(state->snapshots[1].position, "0/2");
    cr_assert_eq(state->snapshots[1].taken, 6);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(
            json_integer_value(json_object_get(json_array_get(state->splits, i), "of_snapshot")), i == 2);
}

Test(job_state, what_is_no_line_is_the_end)
{
    static const char *const bad[] = {"\n", "{}\n", "[1]\n", "{\"table\":0,\"split\":1\n",
        "{\"split\":1,\"split\":2}\n", "{\"snapshot\":{\"id\":\"1\"},\"keeper\":\"k\"}\n", "{\"import\":1}\n",
        "{\"snapshot\":{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\",\"position\":\"1\"},\"keeper\":\"k\"}\n",
        "{\"snapshot\":{\"id\":\"1\",\"position\":\"1\"},\"keeper\":\"0123456789012345678901234567890123456789012345678901234567890123\"}\n"};
    char text[2048];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int length =
            snprintf(text, sizeof text, "%s%s%s%s%s", lines[0], lines[1], lines[2], bad[i], lines[3]);
        read_log(text, (size_t)length);
        cr_assert_eq(json_array_size(state->splits), 1, "%s", bad[i]);
        cr_assert_eq(state->snapshots_count, 1);
        cr_assert_eq(state->length, strlen(lines[0]) + strlen(lines[1]) + strlen(lines[2]));
    }
}

Test(job_state, another_version_is_none)
{
    static const char text[] = "{\"import\":2,\"tables\":[]}\n";

    read_log(text, strlen(text));
    cr_assert_not(job_state_is_whole(state));
    cr_assert_eq(state->length, 0);
}

Test(job_state, not_more_snapshots_than_there_is_room_for)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    bytes_add_text(&text, lines[0], &error);
    for (int i = 0; i < JOB_SNAPSHOTS_MAX + 1; i++)
        bytes_add_text(&text, lines[1], &error);
    read_log(text.data, text.length);
    cr_assert_eq(state->snapshots_count, JOB_SNAPSHOTS_MAX);
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

#define PREPARED(split, connection) \
    "{\"table\":0,\"split\":" #split ",\"rows\":1,\"connection\":" #connection ",\"prepared\":5}\n"
#define COMMITTED(split) "{\"committed\":" #split "}\n"

static void read_after_the_beginning(const char *more)
{
    char text[2048];

    read_log(text, (size_t)snprintf(text, sizeof text, "%s%s%s", lines[0], lines[1], more));
}

Test(job_state, what_is_prepared_counts_when_it_is_committed)
{
    read_after_the_beginning(PREPARED(4, 0) PREPARED(5, 1) COMMITTED(5) PREPARED(0, 1));
    cr_assert_eq(json_array_size(state->splits), 1);
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(state->splits, 0), "split")), 5);
    cr_assert(json_object_get(json_array_get(state->splits, 0), "of_snapshot"));
    cr_assert(job_state_is_prepared(state, 4, 0) && job_state_is_prepared(state, 0, 1));
    cr_assert_not(job_state_is_prepared(state, 4, 1), "of another connection");
    cr_assert_not(job_state_is_prepared(state, 5, 1), "it is decided");
    cr_assert_not(job_state_is_prepared(state, 6, 0), "there is none");
}

Test(job_state, what_is_prepared_again_is_the_other_connections)
{
    read_after_the_beginning(PREPARED(4, 0) PREPARED(4, 1));
    cr_assert(job_state_is_prepared(state, 4, 1));
    cr_assert_not(job_state_is_prepared(state, 4, 0));
}

Test(job_state, what_was_not_prepared_is_not_committed)
{
    static const char *const bad[] = {COMMITTED(5), COMMITTED(-1), "{\"committed\":\"4\"}\n",
        "{\"split\":-1,\"connection\":0}\n", "{\"split\":100001,\"connection\":0}\n"};
    char more[512];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(more, sizeof more, "%s%s%s", PREPARED(4, 0), bad[i], COMMITTED(4));
        read_after_the_beginning(more);
        cr_assert_eq(json_array_size(state->splits), 0, "%s", bad[i]);
        cr_assert_eq(state->length, strlen(lines[0]) + strlen(lines[1]) + strlen(PREPARED(4, 0)));
    }
}

/* It is in the log at once, behind what was torn, and is found there again. */
Test(job_state, what_is_settled_stays)
{
    cleanup_bytes struct bytes ignored;

    bytes_init(&ignored, ATTEMPT_LOG_MAX);
    read_after_the_beginning(PREPARED(4, 0) PREPARED(3, 1) "{\"table\":0,\"spl");
    cr_assert_eq(job_state_settle(state, 3, &error), 0, "%s", error.text);
    cr_assert_eq(job_state_settle(state, 4, &error), 0, "%s", error.text);
    const size_t length = state->length;
    for (int again = 0; again < 2; again++) {
        cr_assert_eq(json_array_size(state->splits), 2);
        cr_assert_eq(json_object_size(state->prepared), 0);
        cr_assert_eq(state->length, length);
        job_state_close(&state);
        cr_assert_eq(job_state_open(&state, attempt, &error), 0, "%s", error.text);
    }
}

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

Test(job_state, a_log_beside_its_directory_comes_back)
{
    struct error ignored;
    bool busy;
    char inside[256], outside[256];
    struct attempt *found = NULL;

    read_log(lines[0], strlen(lines[0]));
    snprintf(inside, sizeof inside, "%s/.log", attempt_where(attempt));
    struct stat status;
    cr_assert_eq(stat(attempt_where(attempt), &status), 0);
    snprintf(
        outside, sizeof outside, "%s-%llx.log", attempt_where(attempt), (unsigned long long)status.st_ino);
    cr_assert_eq(rename(inside, outside), 0);
    cr_assert_eq(attempt_find(&found, target, &busy, &ignored), 0);
    cr_assert_null(found);
    cr_assert(busy, "its import is at work");
    attempt_keep(attempt, true);
    attempt_close(&attempt);
    cr_assert_eq(attempt_find(&attempt, target, &busy, &error), 0);
    cr_assert_not_null(attempt);
    cr_assert_not(busy);
    cr_assert_eq(access(inside, F_OK), 0);
    cr_assert_neq(access(outside, F_OK), 0);
    attempt_keep(attempt, false);
}

Test(job_state, a_log_without_its_directory_is_deleted)
{
    struct attempt *found = NULL;
    bool busy;
    char alone[256];

    snprintf(alone, sizeof alone, "%s/.made.import-00c0ffee-1.log", folder);
    fclose(fopen(alone, "w"));
    cr_assert_eq(attempt_find(&found, target, &busy, &error), 0);
    cr_assert_neq(access(alone, F_OK), 0);
}

Test(job_state, text_of_no_encoding_is_kept)
{
    json_t *plain = job_state_text("é"), *odd = job_state_text("a\xff"), *none = job_state_text(NULL);

    cr_assert_str_eq(json_string_value(plain), "é");
    cr_assert_str_eq(json_string_value(json_object_get(odd, "hex")), "61ff");
    cr_assert(json_is_null(none));
    json_decref(plain);
    json_decref(odd);
    json_decref(none);
}
