/* sqoop_job: what is kept of a line, the form of its file, and what a job becomes */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqoop_harness.h"

static struct sqoop_job job;
static struct bytes text;

static void begin(void)
{
    bytes_init(&text, SQOOP_JOB_MAX);
}

static void end(void)
{
    sqoop_job_free(&job);
    bytes_free(&text);
    forget();
}

TestSuite(sqoop_job, .init = begin, .fini = end);

#define JOB_CREATE(...) TRANSLATE("job", "--create", "j", "--", __VA_ARGS__)
#define INCREMENTAL "--table", "t", "--incremental", "append", "--check-column", "id"

static int no_file(void *context, const char *path, struct bytes *read, struct error *why)
{
    (void)context;
    (void)path;
    (void)read;
    return error_set(why, ERROR_REJECT, "No such file");
}

static const struct sqoop_reader reader = {no_file, NULL};

/* Reads back what is written of the job that the last line creates. */
static void keep(void)
{
    const struct sqoop_job made = {.words = order.job.words};

    bytes_clear(&text);
    sqoop_job_free(&job);
    cr_assert_eq(sqoop_job_write(&made, &text, &error), 0, "%s", error.text);
    cr_assert_eq(sqoop_job_read(&job, bytes_slice(&text), &error), 0, "%s", error.text);
    cr_assert_eq(job.words.count, made.words.count);
    for (size_t i = 0; i < job.words.count; i++)
        cr_assert_str_eq(job.words.words[i], made.words.words[i]);
    forget();
}

static int execute(const char *const *words)
{
    static char *list[16];
    size_t count = 0;

    forget();
    for (; words[count]; count++)
        list[count] = (char *)(uintptr_t)words[count];
    const struct sqoop_words more = {list, count};
    return sqoop_translate_job(&order, "j", &job, &more, &reader, &error);
}

#define EXECUTE(...) execute((const char *const[]){__VA_ARGS__, NULL})
#define EXECUTE_ALONE() execute((const char *const[]){NULL})

static void expect_line(const char *part, bool there)
{
    const char *made = line_of_import();
    cr_assert_eq(strstr(made, part) != NULL, there, "\"%s\": %s", part, made);
}

static void expect_kept(const char *const *words)
{
    size_t count = 0;

    for (; words[count]; count++)
        cr_assert_str_eq(order.job.words.words[count], words[count]);
    cr_assert_eq(order.job.words.count, count);
}

#define EXPECT_KEPT(...) expect_kept((const char *const[]){__VA_ARGS__, NULL})

Test(sqoop_job, keeps_what_changes_something)
{
    cr_assert_eq(TRANSLATE("job", "-Dx=y", "-Dsqoop.bigdecimal.format.string=true", "--verbose", "--create",
                     "j", "--meta-connect", "file:///d", "--", "import", CONNECT, "--table", "t", "-m1",
                     "--direct", "--where", "a\n= 'b\\n'", "--dry-run"),
        0, "%s", error.text);
    cr_assert(order.tool == SQOOP_JOB && order.job.verb == SQOOP_JOB_CREATE && order.dry_run);
    cr_assert_str_eq(order.job.name, "j");
    cr_assert_str_eq(order.job.place, "/d");
    cr_assert_null(order.job.password);
    EXPECT_KEPT("import", "-Dsqoop.bigdecimal.format.string=true", "--connect=jdbc:postgresql://h/d",
        "--verbose", "--direct", "--table=t", "--where=a\n= 'b\\n'", "--num-mappers=1");
    cr_assert(noticed("-D x changes nothing"));
    keep();
    cr_assert_eq(EXECUTE_ALONE(), 0, "%s", error.text);
    cr_assert_eq(order.tool, SQOOP_IMPORT);
    cr_assert_str_eq(order.table, "t");
    cr_assert_null(order.check_column);
    expect_line("--where 'a\n= '\\''b\\n'\\'''", true);
    expect_line("--whole", true);
    expect_line("--job", false);
}

Test(sqoop_job, keeps_no_password)
{
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", "--password", "p"), 0, "%s", error.text);
    EXPECT_KEPT("import", "--connect=jdbc:postgresql://h/d", "--table=t", "-P");
    cr_assert_str_eq(order.job.password, "p");
    cr_assert(noticed("the password is not kept"));
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", "-P"), 0, "%s", error.text);
    EXPECT_KEPT("import", "--connect=jdbc:postgresql://h/d", "--table=t", "-P");
    cr_assert_eq(order.notices.count, 0);
    keep();
    cr_assert_eq(EXECUTE_ALONE(), 0, "%s", error.text);
    expect_line("--ask-password", true);
    cr_assert_eq(EXECUTE("--password-file", "f"), 0, "%s", error.text);
    expect_line("--ask-password", false);
    cr_assert_eq(JOB_CREATE("import", CONNECT "?user=u&password=p", "--table", "t"), -1);
    cr_assert_not_null(strstr(error.text, "there is a password in it"));
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", "--password-file", "f"), 0, "%s", error.text);
    EXPECT_KEPT("import", "--connect=jdbc:postgresql://h/d", "--password-file=f", "--table=t");
}

Test(sqoop_job, what_is_said_later_counts)
{
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", "--warehouse-dir", "w", "--as-avrodatafile",
                     "-Dsqoop.avro.logical_types.decimal.enable=true"),
        0, "%s", error.text);
    keep();
    cr_assert_eq(EXECUTE("--target-dir", "x", "--as-textfile", "-Dx=y"), 0, "%s", error.text);
    expect_line("--target x --names", true);
    expect_line("avro", false);
    cr_assert_eq(EXECUTE("--query", "SELECT $CONDITIONS", "--target-dir", "x"), 0, "%s", error.text);
    cr_assert_null(order.table);
    expect_line("--query", true);
    cr_assert_eq(EXECUTE("--help"), 0, "%s", error.text);
    cr_assert_eq(order.tool, SQOOP_HELP);
    cr_assert_eq(EXECUTE("--nosuch"), -1);
    cr_assert_eq(EXECUTE("--target-dir", "maprfs://x"), -1);
    free(job.words.words[0]);
    job.words.words[0] = strdup("job");
    cr_assert_eq(EXECUTE_ALONE(), -1);
    cr_assert_str_eq(error.text, "job cannot be saved as a job");
}

Test(sqoop_job, increments_have_a_last_value)
{
    cr_assert_eq(JOB_CREATE("import", CONNECT, INCREMENTAL, "--last-value", "3"), 0, "%s", error.text);
    keep();
    cr_assert_eq(EXECUTE_ALONE(), 0, "%s", error.text);
    cr_assert_str_eq(order.check_column, "id");
    expect_line("--last-value 3 --job j --append", true);
    cr_assert_eq(sqoop_job_set(&job.last, "12", &error), 0);
    cr_assert_eq(EXECUTE_ALONE(), 0, "%s", error.text);
    expect_line("--last-value 12 ", true);
    cr_assert_eq(EXECUTE("--last-value", "5"), 0, "%s", error.text);
    expect_line("--last-value 5 ", true);
    cr_assert_eq(EXECUTE("--table", "u"), -1);
    cr_assert_not_null(strstr(error.text, "--table: an incremental job keeps what it reads"));
    cr_assert_eq(sqoop_job_set(&job.last, "", &error), 0);
    cr_assert_null(job.last);
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t"), 0, "%s", error.text);
    keep();
    cr_assert_eq(EXECUTE("--incremental", "append"), -1);
    cr_assert_not_null(strstr(error.text, "--incremental: an incremental job keeps"));
}

Test(sqoop_job, verbs)
{
    static const struct {
        const char *word;
        enum sqoop_job_verb verb;
    } verbs[] = {{"--list", SQOOP_JOB_LIST}, {"--show=a.B-1_", SQOOP_JOB_SHOW},
        {"--exec=a.B-1_", SQOOP_JOB_EXEC}, {"-delete=a.B-1_", SQOOP_JOB_DELETE}};

    for (size_t i = 0; i < COUNT(verbs); i++) {
        cr_assert_eq(TRANSLATE("job", verbs[i].word, "--dry-run"), 0, "%s", error.text);
        cr_assert(order.tool == SQOOP_JOB && order.job.verb == verbs[i].verb && order.dry_run);
        cr_assert_eq(order.job.name == NULL, i == 0);
        cr_assert_null(order.job.place);
    }
    cr_assert_eq(
        TRANSLATE("job", "--exec", "j", "-Dx=y", "--verbose", "--", "--where", "a", "--", "--schema", "s"),
        0);
    cr_assert_eq(order.job.words.count, 8);
    cr_assert_str_eq(order.job.words.words[1], "x=y");
    cr_assert_str_eq(order.job.words.words[2], "--verbose");
    cr_assert_eq(TRANSLATE("job", "--help"), 0);
    cr_assert(order.tool == SQOOP_HELP && strcmp(order.topic, "job") == 0);
    cr_assert_eq(JOB_CREATE("import", "--help"), 0);
    cr_assert(order.tool == SQOOP_HELP && strcmp(order.topic, "import") == 0);
}

Test(sqoop_job, what_cannot_be)
{
    static const struct {
        const char *why, *words[8];
    } lines[] = {{"one of --create, --delete", {"job"}},
        {"one of --create, --delete", {"job", "--list", "--show", "j"}},
        {"a job's name has at most", {"job", "--show", ""}},
        {"a job's name has at most", {"job", "--show", ".j"}},
        {"a job's name has at most", {"job", "--show", "a/b"}},
        {"there is no metastore", {"job", "--list", "--meta-connect", "jdbc:x"}},
        {"there is no metastore", {"job", "--list", "--meta-connect", "hdfs://x"}},
        {"there is no metastore", {"job", "--list", "--meta-connect="}},
        {"the tool and its options are missing", {"job", "--create", "j"}},
        {"the tool and its options are missing", {"job", "--create", "j", "--"}},
        {"behind -- there are options", {"job", "--list", "--", "x"}},
        {"no such tool", {"job", "--create", "j", "--", "x"}},
        {"help cannot be saved as a job", {"job", "--create", "j", "--", "help"}},
        {"codegen cannot be saved as a job: no code", {"job", "--create", "j", "--", "codegen"}},
        {"--connect: ", {"job", "--create", "j", "--", "import", "--table", "t"}},
        {"--where is no option of job", {"job", "--where", "x"}}};
    char name[SQOOP_JOB_NAME_MAX + 2];

    for (size_t i = 0; i < COUNT(lines); i++) {
        cr_assert_eq(translate(lines[i].words), -1, "%zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, lines[i].why), "%s: %s", lines[i].why, error.text);
    }
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    cr_assert_eq(TRANSLATE("job", "--show", name), -1);
    cr_assert_eq(TRANSLATE("job", "--show", name + 1), 0);
}

/* ---- its file -------------------------------------------------------------------------------------------------------- */

#define FIRST "penstock job 1\n"

Test(sqoop_job, a_file)
{
    static const char whole[] =
        FIRST "word import\nword --where=a\\\\n\\nb\\\ntarget /t\nmark 2026\nlast x y\nend\n";

    cr_assert_eq(sqoop_job_read(&job, slice_of(whole), &error), 0, "%s", error.text);
    cr_assert_str_eq(job.words.words[1], "--where=a\\n\nb\\");
    cr_assert_str_eq(job.target, "/t");
    cr_assert_str_eq(job.mark, "2026");
    cr_assert_str_eq(job.last, "x y");
    cr_assert_eq(sqoop_job_write(&job, &text, &error), 0);
    sqoop_job_free(&job);
    cr_assert_eq(sqoop_job_read(&job, bytes_slice(&text), &error), 0, "%s", error.text);
    cr_assert_str_eq(job.words.words[1], "--where=a\\n\nb\\");
    for (size_t length = 0; length < sizeof whole - 1; length++)
        cr_assert_eq(sqoop_job_read(&job, (struct slice){whole, length}, &error), -1, "%zu", length);
}

#define WHOLE(literal)               \
    {                                \
        literal, sizeof(literal) - 1 \
    }

Test(sqoop_job, no_file)
{
    static const struct slice texts[] = {WHOLE(FIRST "word import\0x\nend\n"), WHOLE(FIRST "end\n"),
        WHOLE(FIRST "word import\nlast 1\nlast 2\nend\n"), WHOLE(FIRST "word import\nother 1\nend\n"),
        WHOLE(FIRST "word import\nend\nend\n"), WHOLE(FIRST "word import\n\nend\n"),
        WHOLE("penstock job 2\nword import\nend\n")};

    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_assert_eq(sqoop_job_read(&job, texts[i], &error), -1, "%zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, "this is no saved job"));
    }
}

Test(sqoop_job, in_any_room)
{
    cr_assert_eq(
        JOB_CREATE("import", CONNECT, INCREMENTAL, "--append", "--where", "a\\\nb"), 0, "%s", error.text);
    keep();
    cr_assert_eq(sqoop_job_set(&job.target, "/t", &error) || sqoop_job_set(&job.mark, "m", &error) ||
                     sqoop_job_set(&job.last, "l", &error),
        0);
    bytes_clear(&text);
    cr_assert_eq(sqoop_job_write(&job, &text, &error), 0);
    const size_t written = text.length;
    bytes_clear(&text);
    cr_assert_eq(sqoop_print_job("j", &job, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_str_eq(text.data,
        "Job: j\nTool: import\nOptions:\n----------------------------\nconnect = jdbc:postgresql://h/d\ntable = t\n"
        "where = a\\\\x0Ab\nappend = true\nincremental = append\ncheck-column = id\nincremental.last.value = l\n");
    const size_t printed = text.length - 1;
    for (size_t room = 0; room < (written > printed ? written : printed); room++) {
        struct bytes small;
        bytes_init(&small, room);
        cr_assert(room >= written || sqoop_job_write(&job, &small, &error) == -1);
        bytes_free(&small);
        bytes_init(&small, room);
        cr_assert(room >= printed || sqoop_print_job("j", &job, &small, &error) == -1);
        bytes_free(&small);
    }
}

Test(sqoop_job, long_texts)
{
    static char word[SQOOP_FILE_MAX + 2], property[SQOOP_FILE_MAX + 64];

    memset(word, 'x', sizeof word - 1);
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", "--where", word), -1);
    cr_assert_not_null(strstr(error.text, "--where: "));
    snprintf(property, sizeof property, "-Dorg.apache.sqoop.splitter.allow_text_splitter=%s", word);
    cr_assert_eq(JOB_CREATE("import", CONNECT, "--table", "t", property), -1);
}
