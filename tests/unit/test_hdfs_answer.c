/* hdfs_answer: what name nodes and data nodes say. The answers are those of Hadoop 3.5. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "lake/store/hdfs_answer.h"

static struct error error;

#define REMOTE(name)                                                               \
    "{\"RemoteException\":{\"exception\":\"" name "\",\"javaClassName\":\"x." name \
    "\",\"message\":\"why\\nand where\"}}"

static const struct {
    const char *body;
    long status;
    enum hdfs_outcome outcome;
} answers[] = {
    {"", 200, HDFS_DONE},
    {"", 201, HDFS_DONE},
    {"", 307, HDFS_DONE},
    {REMOTE("AccessControlException"), 403, HDFS_REFUSED},
    {REMOTE("FileAlreadyExistsException"), 403, HDFS_REFUSED},
    {REMOTE("FileNotFoundException"), 404, HDFS_REFUSED},
    {REMOTE("IllegalArgumentException"), 400, HDFS_REFUSED},
    {REMOTE("SafeModeException"), 403, HDFS_LATER},
    {REMOTE("RetriableException"), 403, HDFS_LATER},
    {REMOTE("RetriableException"), 500, HDFS_LATER},
    {REMOTE("StandbyException"), 403, HDFS_STANDBY},
    {REMOTE("IOException"), 403, HDFS_UNKNOWN},
    {REMOTE("RuntimeException"), 500, HDFS_UNKNOWN},
    {"<html>", 403, HDFS_REFUSED},
    {"", 401, HDFS_REFUSED},
    {"", 500, HDFS_UNKNOWN},
    {"", 503, HDFS_UNKNOWN},
    {"", 429, HDFS_UNKNOWN},
    {"", 408, HDFS_UNKNOWN},
    {"", 0, HDFS_UNKNOWN},
};

Test(hdfs_answer, is_judged_by_the_exception)
{
    struct hdfs_exception exception;

    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        cr_expect_eq(hdfs_answer_judge(answers[i].status, slice_of(answers[i].body), &exception),
            answers[i].outcome, "%ld %s", answers[i].status, answers[i].body);
    hdfs_answer_judge(403, slice_of(REMOTE("SafeModeException")), &exception);
    cr_expect_str_eq(exception.name, "SafeModeException");
    cr_expect_str_eq(exception.message, "why");
    hdfs_answer_judge(200, slice_of(REMOTE("SafeModeException")), &exception);
    cr_expect_str_eq(exception.name, "");
}

Test(hdfs_answer, messages_are_one_line_and_bounded)
{
    struct hdfs_exception exception;
    char body[4000];
    char text[1000] = "";

    memset(text, 'x', sizeof text - 1);
    snprintf(body, sizeof body,
        "{\"RemoteException\":{\"exception\":\"%s\",\"message\":\"a\\tb\\u001b[0m\\u007f%s\"}}", text, text);
    hdfs_answer_judge(403, slice_of(body), &exception);
    cr_expect_eq(strlen(exception.name), HDFS_EXCEPTION_SIZE - 1);
    cr_expect_eq(strlen(exception.message), HDFS_MESSAGE_SIZE - 1);
    cr_expect_eq(memcmp(exception.message, "a b [0m x", 9), 0);
    cr_expect_eq(hdfs_answer_judge(403, slice_of("{\"RemoteException\":{\"exception\":7}}"), &exception),
        HDFS_REFUSED);
    cr_expect_str_eq(exception.name, "");
}

Test(hdfs_answer, truth_and_lengths)
{
    uint64_t length = 7;

    cr_expect(hdfs_answer_is_true(slice_of("")));
    cr_expect(hdfs_answer_is_true(slice_of("{\"boolean\":true}")));
    cr_expect_not(hdfs_answer_is_true(slice_of("{\"boolean\":false}")));
    cr_expect_not(hdfs_answer_is_true(slice_of("<html>")));
    static const char *const none[] = {"", "[]", "{}", "{\"FileStatus\":{\"length\":5}}",
        "{\"FileStatus\":{\"length\":5,\"type\":\"DIRECTORY\"}}",
        "{\"FileStatus\":{\"length\":-5,\"type\":\"FILE\"}}",
        "{\"FileStatus\":{\"length\":\"5\",\"type\":\"FILE\"}}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        cr_expect_eq(hdfs_answer_length(slice_of(none[i]), &length), -1, "%s", none[i]);
    cr_expect_eq(length, 7);
    cr_expect_eq(
        hdfs_answer_length(slice_of("{\"FileStatus\":{\"length\":5000000000,\"type\":\"FILE\"}}"), &length),
        0);
    cr_expect_eq(length, UINT64_C(5000000000));
}

static char seen[200];

static int see(void *context, const char *name, bool is_file, struct error *ret_error)
{
    const size_t length = strlen(seen);

    (void)context;
    if (strcmp(name, "stop") == 0)
        return error_set(ret_error, ERROR_RETRY, "stopped");
    snprintf(seen + length, sizeof seen - length, "%s%s ", name, is_file ? "" : "/");
    return 0;
}

#define ENTRIES \
    "{\"FileStatuses\":{\"FileStatus\":[{\"pathSuffix\":\"a\",\"type\":\"FILE\"},{\"pathSuffix\":\"b\",\"type\":\"DIRECTORY\"},{\"pathSuffix\":\"c\",\"type\":\"FILE\"}]}}"

Test(hdfs_answer, lists)
{
    uint64_t more = 9;

    cr_assert_eq(hdfs_answer_list(slice_of(ENTRIES), see, NULL, &more, &error), 0);
    cr_expect_str_eq(seen, "a b/ c ");
    cr_expect_eq(more, 0);
    seen[0] = '\0';
    cr_assert_eq(hdfs_answer_list(slice_of("{\"DirectoryListing\":{\"partialListing\":" ENTRIES
                                           ",\"remainingEntries\":12}}"),
                     see, NULL, &more, &error),
        0);
    cr_expect_str_eq(seen, "a b/ c ");
    cr_expect_eq(more, 12);
    static const char *const none[] = {"", "{}", "[1]", "{\"FileStatuses\":{}}",
        "{\"FileStatuses\":{\"FileStatus\":[{\"type\":\"FILE\"}]}}",
        "{\"FileStatuses\":{\"FileStatus\":[{\"pathSuffix\":\"stop\",\"type\":\"FILE\"}]}}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cr_expect_eq(hdfs_answer_list(slice_of(none[i]), see, NULL, &more, &error), -1, "%s", none[i]);
        cr_expect_eq(error.kind, ERROR_RETRY);
    }
}
