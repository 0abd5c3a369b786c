/* verify_tables: tables that are as a manifest has them, all the ways in which they are not, and whatever keeps them from being compared */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "failing_malloc.h"
#include "table/verify.h"
#include "verify_harness.h"

#define NOTES_MAX 1000

static struct manifest_column columns[] = {{"id", "bigint"}, {"name", "text"}};
static struct manifest_table then[SCRIPT_TABLES_MAX];
static struct manifest manifest = {.tables = then};
static struct verify_table now[SCRIPT_TABLES_MAX];
static struct error error;
static char notes[NOTES_MAX]; /* a line each */

static void take_note(void *context, const char *text)
{
    const size_t used = strlen(notes);

    cr_assert_eq(context, &manifest);
    snprintf(notes + used, sizeof notes - used, "%s\n", text);
}

static struct verify_options options = {
    .kind = &scripted, .connections = 1, .note = take_note, .context = &manifest};

/* ---- a thread that is refused ------------------------------------------------------------------------------------ */

static bool no_threads;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *context)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, body, context);
}

/* ---- what there was, and what there is --------------------------------------------------------------------------- */

/* A table that was imported, and is as it was. title: its name as SQL has it. */
static struct script_table *add_table(const char *schema, const char *name, const char *title, uint64_t rows)
{
    struct script_table *table = &script.tables[manifest.tables_count];

    then[manifest.tables_count++] = (struct manifest_table){.schema = schema,
        .name = name,
        .rows = SCRIPT_SPLITS * rows,
        .rows_read = SCRIPT_SPLITS * rows,
        .checksum = SCRIPT_SPLITS * (UINT64_MAX - rows), /* sums go round */
        .columns = columns,
        .columns_count = 2};
    for (size_t i = 0; i < 2; i++)
        table->columns[i] = (struct table_column){.name = columns[i].name, .type = columns[i].type};
    table->table = (struct table){
        .schema = schema, .name = name, .title = title, .columns = table->columns, .columns_count = 2};
    table->rows = rows;
    table->checksum = UINT64_MAX - rows;
    return table;
}

static struct script_table *one, *two, *three;

static void begin(void)
{
    one = add_table("public", "one", "\"public\".\"one\"", 10);
    two = add_table("public", "two", "\"public\".\"two\"", 20);
    three = add_table("public", "three", "\"public\".\"three\"", 30);
}

/* Whatever happened, all is given back. */
static void end(void)
{
    cr_assert_eq(script.opened, 0);
    cr_assert_eq(script.connected, 0);
    cr_assert_eq(script.lists, 0);
}

TestSuite(verify_tables, .init = begin, .fini = end, .timeout = 60);

static void compare(void)
{
    cr_assert_eq(verify_tables(&manifest, &options, now, &error), 0, "%s", error.text);
}

static void expect_failure(enum error_kind kind, const char *text)
{
    cr_assert_eq(verify_tables(&manifest, &options, now, &error), -1);
    cr_assert_eq(error.kind, kind);
    cr_assert_str_eq(error.text, text);
}

static void expect_equal(size_t index)
{
    cr_assert_eq(now[index].verdict, VERIFY_EQUAL, "%s", now[index].text);
    cr_assert_eq(now[index].rows, then[index].rows);
}

static void expect_other(size_t index, const char *text)
{
    cr_assert_eq(now[index].verdict, VERIFY_OTHER);
    cr_assert_str_eq(now[index].text, text);
}

static void expect_reads(const struct script_table *table, unsigned times)
{
    for (size_t i = 0; i < SCRIPT_SPLITS; i++)
        cr_assert_eq(atomic_load(&table->reads[i]), times);
}

Test(verify_tables, as_they_were)
{
    for (unsigned connections = 1; connections <= 7; connections += 3) {
        options.connections = connections;
        script.connects = 0;
        compare();
        for (size_t i = 0; i < 3; i++)
            expect_equal(i);
        cr_assert_eq(script.connects, connections + 1, "the keeper is one more");
        cr_assert_eq(script.workers, connections);
        expect_reads(one, connections / 3 + 1);
        expect_reads(three, connections / 3 + 1);
    }
    cr_assert_eq(script.stops, 0);
    cr_assert_str_empty(notes);
}

Test(verify_tables, other_rows)
{
    one->rows++;
    two->checksum ^= 1;
    compare();
    cr_assert_eq(now[0].verdict, VERIFY_CHANGED);
    cr_assert_eq(now[0].rows, SCRIPT_SPLITS * 11);
    cr_assert_eq(now[1].verdict, VERIFY_CHANGED);
    cr_assert_eq(now[1].rows, then[1].rows);
    expect_equal(2);
}

Test(verify_tables, other_columns)
{
    one->columns[1].name = "label";
    two->columns[1].type = "character varying(20)";
    three->columns[2] = (struct table_column){.name = "at", .type = "date"};
    three->table.columns_count = 3;
    struct script_table *four = add_table("public", "four", "\"public\".\"four\"", 40);
    four->table.columns_count = 1;
    struct script_table *five = add_table("public", "five", "\"public\".\"five\"", 50);
    compare();
    expect_other(0, "where column name was is label now");
    expect_other(1, "column name is character varying(20) now, and was text");
    expect_other(2, "column at is new");
    expect_other(3, "where column name was is none now");
    expect_equal(4);
    expect_reads(one, 0);
    expect_reads(five, 1);
    cr_assert_eq(script.holds, 1);
    cr_assert(strstr(script.asked, "\n\"public\".\"five\" \n"), "what is not compared is not locked: %s",
        script.asked);
}

Test(verify_tables, gone)
{
    two->table.title = NULL;
    compare();
    expect_equal(0);
    expect_other(1, "there is no \"public\".\"two\"");
    expect_equal(2);
    cr_assert_str_eq(script.asked, "\"public\".\"one\" \"public\".\"two\" \"public\".\"three\" \n"
                                   "\"public\".\"one\" \n\"public\".\"two\" \n\"public\".\"three\" \n"
                                   "\"public\".\"one\" \"public\".\"three\" \n");
}

Test(verify_tables, all_gone)
{
    one->table.title = two->table.title = three->table.title = NULL;
    compare();
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(now[i].verdict, VERIFY_OTHER);
    cr_assert(script.connects == 1 && script.holds == 0);
}

/* Each can be described, and not all of them: there is nothing to leave out. */
Test(verify_tables, refused_together)
{
    script.refuses_several = true;
    expect_failure(ERROR_REJECT, "not all of them");
}

Test(verify_tables, no_tables)
{
    manifest.tables_count = 0;
    compare();
    cr_assert_eq(script.holds, 0);
}

Test(verify_tables, named_twice)
{
    then[manifest.tables_count++] = then[0];
    compare();
    expect_equal(0);
    expect_other(3, "the manifest names it more than once");
    expect_reads(one, 1);
}

/* The database has them in an order of its own. */
Test(verify_tables, in_another_order)
{
    const struct manifest_table first = then[0];

    then[0] = then[2];
    then[2] = first;
    compare();
    for (size_t i = 0; i < 3; i++)
        expect_equal(i);
}

Test(verify_tables, strange_names)
{
    manifest.tables_count = 0;
    add_table("a \"quoted\" one", "a.b", "\"a \"\"quoted\"\" one\".\"a.b\"", 1);
    add_table("", "\"", "\"\".\"\"\"\"", 2);
    add_table("x\"; drop table t;--", "Ünï\n", "\"x\"\"; drop table t;--\".\"Ünï\n\"", 3);
    compare();
    for (size_t i = 0; i < 3; i++)
        expect_equal(i);
}

Test(verify_tables, the_same_selection)
{
    const char *names[] = {"id", "name"};

    manifest.where = "id > 7";
    manifest.columns = names;
    manifest.columns_count = 2;
    manifest.arrays_as_text = true;
    options.login = (struct database_login){.host = "db", .user = "reader"};
    options.snapshot = (struct snapshot_options){.lock_wait = 77};
    options.read = (struct read_options){.row_max = 1234};
    compare();
    cr_assert(script.selection.columns == names && script.selection.columns_count == 2);
    cr_assert_str_eq(script.selection.where, "id > 7");
    cr_assert_null(script.selection.query);
    cr_assert(script.arrays_as_text && script.selection.lock_wait == 77 && script.snapshot.lock_wait == 77);
    cr_assert_eq(script.read.row_max, 1234);
    cr_assert(strcmp(script.login.host, "db") == 0 && strcmp(script.login.user, "reader") == 0);
}

Test(verify_tables, a_query)
{
    manifest.tables_count = 1;
    manifest.query = "SELECT 1";
    then[0].schema = then[0].name = "";
    one->table.schema = one->table.name = "";
    compare();
    expect_equal(0);
    cr_assert_str_eq(script.selection.query, "SELECT 1");
    cr_assert(script.selection.names_count == 0 && !script.selection.columns && !script.arrays_as_text);
}

/* ---- what goes wrong --------------------------------------------------------------------------------------------- */

static void fail(
    const char *call, unsigned at, unsigned times, enum error_kind kind, enum database_trouble trouble)
{
    script.fault = (struct script_fault){call, at, times, kind, trouble};
}

Test(verify_tables, notices)
{
    script.notice = "sslmode=require: no CA";
    compare();
    cr_assert_str_eq(notes, "sslmode=require: no CA\n");
    script.notice = "";
    *notes = '\0';
    compare();
    cr_assert_str_empty(notes);
}

Test(verify_tables, calls_that_fail)
{
    static const char *const calls[] = {"open", "connect", "hold", "plan", "adopt", "read", "describe"};

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char text[40];
        snprintf(text, sizeof text, "%s fails", calls[i]);
        fail(calls[i], 0, UINT32_MAX, ERROR_FATAL, DATABASE_LOST);
        expect_failure(ERROR_FATAL, text);
        end();
    }
    /* Also once it is under way. */
    fail("plan", 2, 1, ERROR_RETRY, DATABASE_LOST);
    expect_failure(ERROR_RETRY, "plan fails");
    fail("connect", 1, 1, ERROR_RETRY, DATABASE_BUSY);
    expect_failure(ERROR_RETRY, "connect fails");
}

/* What was refused is looked for, table by table, and then the connection is lost. */
Test(verify_tables, lost_while_it_is_sorted_out)
{
    two->table.title = NULL;
    fail("describe", 2, 1, ERROR_RETRY, DATABASE_LOST);
    expect_failure(ERROR_RETRY, "describe fails");
}

Test(verify_tables, tables_that_change_meanwhile)
{
    fail("hold", 0, 2, ERROR_RETRY, DATABASE_CHANGED);
    compare();
    expect_equal(2);
    cr_assert(script.holds == 3 && script.connects == 4);
    fail("hold", 0, 3, ERROR_RETRY, DATABASE_CHANGED);
    expect_failure(ERROR_RETRY, "hold fails");
    cr_assert_eq(script.holds, 6);
}

Test(verify_tables, fewer_connections_are_enough)
{
    options.connections = 4;
    fail("adopt", 2, 1, ERROR_RETRY, DATABASE_BUSY);
    compare();
    cr_assert_str_eq(notes, "adopt fails\n");
    expect_equal(2);
    cr_assert_eq(script.connects, 4, "none is tried behind the one that is refused");
    *notes = '\0';
    fail("connect", 3, 1, ERROR_RETRY, DATABASE_BUSY);
    compare();
    cr_assert_str_eq(notes, "connect fails\n");
}

Test(verify_tables, no_threads)
{
    no_threads = true;
    options.connections = 4;
    compare();
    for (size_t i = 0; i < 3; i++)
        expect_equal(i);
    expect_reads(two, 1);
}

Test(verify_tables, the_first_failure_ends_the_others)
{
    script.first_reader_waits = true;
    options.connections = 2;
    fail("read", 0, 1, ERROR_RETRY, DATABASE_LOST);
    expect_failure(ERROR_RETRY, "read fails");
    cr_assert_eq(script.stops, 4, "both, by both of them");
}

Test(verify_tables, memory_ends)
{
    size_t failed = 0;

    options.connections = 2;
    for (fail_at = 1;; fail_at++) {
        allocations = 0;
        memset(&error, 0, sizeof error);
        if (verify_tables(&manifest, &options, now, &error) == 0)
            break;
        cr_assert_eq(error.kind, ERROR_RETRY, "%s", error.text);
        cr_assert_not_null(strstr(error.text, "out of memory"));
        failed++;
        end();
    }
    fail_at = 0;
    cr_assert_gt(failed, 12);
}
