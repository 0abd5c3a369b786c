/* ddl: what Hive is told about tables of files */
#include <criterion/criterion.h>

#include "lake/ddl.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TEXT_MAX ((size_t)4 << 20)

static struct bytes text;
static struct error error;

static void end(void)
{
    bytes_free(&text);
}

TestSuite(ddl, .fini = end);

static const struct delimited_options hive = {
    .field = 1, .line = '\n', .null_string = {"\\N", 2}, .null_other = {"\\N", 2}, .style = DELIMITED_JAVA};

static const struct ddl_column one[] = {{{.name = "id", .type = COLUMN_INT32}, NULL}};

static struct ddl_table table_of(const struct ddl_column *columns, size_t count)
{
    return (struct ddl_table){.name = "t",
        .record = "t",
        .columns = columns,
        .columns_count = count,
        .format = TABLE_DELIMITED,
        .delimited = &hive};
}

static const char *created(const struct ddl_table *table)
{
    bytes_free(&text);
    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_hive_create(table, &text, &error), 0, "%s", error.text);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    return text.data;
}

static void expect_refused(const struct ddl_table *table, const char *why)
{
    bytes_free(&text);
    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_hive_create(table, &text, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

/* What COPY's CSV holds: no escapes where nothing is enclosed, and booleans of one's own, which Hive would take for NULL. */
Test(ddl, text_of_postgresql)
{
    static const struct ddl_column columns[] = {{{.name = "good", .type = COLUMN_BOOL}, NULL}};
    struct delimited_options options = hive;
    struct ddl_table table = table_of(columns, 1);

    table.delimited = &options;
    options.escape = '\\';
    cr_assert_not_null(strstr(created(&table), "ESCAPED BY"));
    options.style = DELIMITED_POSTGRES;
    cr_assert_null(strstr(created(&table), "ESCAPED BY"));
    options.true_text = slice_of("TRUE");
    options.false_text = slice_of("false");
    cr_assert_not_null(strstr(created(&table), "`good` BOOLEAN"));
    options.false_text = slice_of("no");
    cr_assert_not_null(strstr(created(&table), "`good` STRING"));
    options.false_text = slice_of("falsy");
    cr_assert_not_null(strstr(created(&table), "`good` STRING"));
    options.false_text = (struct slice){0};
    options.true_text = slice_of("yes!");
    cr_assert_not_null(strstr(created(&table), "`good` STRING"));
}

/* In any smaller room it is refused. */
enum statement { CREATE, LOAD, EMPTY };

static int say(const struct ddl_table *table, enum statement statement, struct bytes *to)
{
    if (statement == CREATE)
        return ddl_hive_create(table, to, &error);
    return statement == LOAD ? ddl_hive_load(table, "/d", true, to, &error)
                             : ddl_hive_empty(table, to, &error);
}

static void expect_rooms(const struct ddl_table *table, enum statement statement)
{
    for (size_t room = 0;; room++) {
        struct bytes small;
        bytes_init(&small, room);
        const int result = say(table, statement, &small);
        const bool whole = result == 0;
        cr_assert(whole || error.kind == ERROR_REJECT);
        cr_assert(!whole || small.length == room);
        bytes_free(&small);
        if (whole)
            return;
    }
}

/* ---- types ------------------------------------------------------------------------------------------------------------- */

#define FIELD(NAME, TYPE, ...)                                   \
    {                                                            \
        {.name = NAME, .type = COLUMN_##TYPE, __VA_ARGS__}, NULL \
    }

static const struct ddl_column every[] = {FIELD("a", BOOL, ), FIELD("b", INT32, ), FIELD("c", INT64, ),
    FIELD("d", FLOAT32, ), FIELD("e", FLOAT64, ), FIELD("f", DECIMAL, .precision = 10, .scale = 2),
    FIELD("g", DATE, ), FIELD("h", TIME, ), FIELD("i", TIMESTAMP, ), FIELD("j", TIMESTAMP_UTC, ),
    FIELD("k", UUID, ), FIELD("l", NUMBER, ), FIELD("m", STRING, ), FIELD("n", JSON, ), FIELD("o", BYTES, ),
    FIELD("p", LIST, .element = COLUMN_INT64),
    FIELD("q", LIST, .element = COLUMN_DECIMAL, .precision = 38, .scale = 38)};

Test(ddl, types_of_text)
{
    struct ddl_column columns[COUNT(every) + 1] = {0};
    struct ddl_table table = table_of(columns, COUNT(columns));

    memcpy(columns, every, sizeof every);
    columns[COUNT(every)] =
        (struct ddl_column)FIELD("r", NUMBER, .precision = 12, .scale = 3); /* as it is declared */
    cr_assert_str_eq(created(&table),
        "CREATE TABLE IF NOT EXISTS `t` (\n  `a` BOOLEAN,\n  `b` INT,\n  `c` BIGINT,\n  `d` DOUBLE,\n  `e` DOUBLE,\n"
        "  `f` DECIMAL(10,2),\n  `g` STRING,\n  `h` STRING,\n  `i` STRING,\n  `j` STRING,\n  `k` STRING,\n  `l` DOUBLE,\n"
        "  `m` STRING,\n  `n` STRING,\n  `o` STRING,\n  `p` STRING,\n  `q` STRING,\n  `r` DECIMAL(12,3))\n"
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\001' LINES TERMINATED BY '\\012'\n"
        "STORED AS TEXTFILE\nTBLPROPERTIES ('serialization.null.format'='\\\\N');\n");
    expect_rooms(&table, CREATE);
}

Test(ddl, types_of_parquet)
{
    struct ddl_table table = table_of(every, COUNT(every));

    table.format = TABLE_PARQUET;
    table.location = "file:///d";
    cr_assert_str_eq(created(&table),
        "CREATE EXTERNAL TABLE IF NOT EXISTS `t` (\n  `a` BOOLEAN,\n  `b` INT,\n  `c` BIGINT,\n  `d` FLOAT,\n  `e` DOUBLE,\n"
        "  `f` DECIMAL(10,2),\n  `g` DATE,\n  `h` BIGINT,\n  `i` TIMESTAMP,\n  `j` TIMESTAMP,\n  `k` BINARY,\n  `l` STRING,\n"
        "  `m` STRING,\n  `n` STRING,\n  `o` BINARY,\n  `p` ARRAY<BIGINT>,\n  `q` ARRAY<DECIMAL(38,38)>)\n"
        "STORED AS PARQUET\nLOCATION 'file:///d';\n");
    expect_rooms(&table, CREATE);
}

Test(ddl, types_of_avro)
{
    struct ddl_table table = table_of(every, COUNT(every));

    table.format = TABLE_AVRO;
    table.record = "it's";
    const char *made = created(&table);
    static const char begin[] =
        "CREATE TABLE IF NOT EXISTS `t` (\n  `a` BOOLEAN,\n  `b` INT,\n  `c` BIGINT,\n  `d` FLOAT,\n  `e` DOUBLE,\n"
        "  `f` DECIMAL(10,2),\n  `g` DATE,\n  `h` BIGINT,\n  `i` BIGINT,\n  `j` BIGINT,\n  `k` STRING,\n  `l` STRING,\n"
        "  `m` STRING,\n  `n` STRING,\n  `o` BINARY,\n  `p` ARRAY<BIGINT>,\n  `q` ARRAY<DECIMAL(38,38)>)\n"
        "STORED AS AVRO\nTBLPROPERTIES ('avro.schema.literal'='{\"type\":\"record\",\"name\":\"it_s\"";
    cr_assert_eq(strncmp(made, begin, strlen(begin)), 0, "%s", made);
    cr_assert_not_null(strstr(made, "\"tableName\":\"it\\'s\""), "%s", made);
    cr_assert_not_null(strstr(made, "\"logicalType\":\"timestamp-micros\""));
    cr_assert_str_eq(made + strlen(made) - 5, "}');\n");
    expect_rooms(&table, CREATE);
}

Test(ddl, own_words_for_a_type)
{
    const struct ddl_column columns[] = {{{.name = "d", .type = COLUMN_DATE}, "DATE"},
        {{.name = "l", .type = COLUMN_LIST, .element = COLUMN_INT32}, "ARRAY<INT>"}};
    struct ddl_table table = table_of(columns, COUNT(columns));

    cr_assert_not_null(strstr(created(&table), "(\n  `d` DATE,\n  `l` ARRAY<INT>)\n"));
    table.format = TABLE_PARQUET;
    cr_assert_not_null(strstr(created(&table), "(\n  `d` DATE,\n  `l` ARRAY<INT>)\n"));
}

/* ---- names and texts --------------------------------------------------------------------------------------------------- */

Test(ddl, names_are_quoted)
{
    const struct ddl_column columns[] = {
        FIELD("a`b", INT32, ), FIELD("``", INT32, ), FIELD("ü - / % (1)", INT32, )};
    struct ddl_table table = table_of(columns, COUNT(columns));

    table.database = "lake_1";
    table.must_be_new = true;
    table.partition_key = "d`t";
    table.partition_value = "it's \\ 1;2\t";
    const char *made = created(&table);
    cr_assert_not_null(
        strstr(made, "CREATE TABLE `lake_1`.`t` (\n  `a``b` INT,\n  `````` INT,\n  `ü - / % (1)` INT)\n"
                     "PARTITIONED BY (`d``t` STRING)\nROW FORMAT"),
        "%s", made);
    expect_rooms(&table, CREATE);
    bytes_clear(&text);
    cr_assert_eq(ddl_hive_load(&table, "/a b/it's", false, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_str_eq(text.data, "LOAD DATA LOCAL INPATH '/a b/it\\'s'\nINTO TABLE `lake_1`.`t` PARTITION "
                                "(`d``t`='it\\'s \\\\ 1\\0732\\011');\n");
    expect_rooms(&table, LOAD);
    bytes_clear(&text);
    cr_assert_eq(ddl_hive_empty(&table, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_str_eq(text.data,
        "ALTER TABLE `lake_1`.`t` ADD IF NOT EXISTS PARTITION (`d``t`='it\\'s \\\\ 1\\0732\\011');\n"
        "TRUNCATE TABLE `lake_1`.`t` PARTITION (`d``t`='it\\'s \\\\ 1\\0732\\011');\n");
    expect_rooms(&table, EMPTY);
}

Test(ddl, without_a_file)
{
    const struct ddl_table table = table_of(one, 1);

    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_hive_empty(&table, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_str_eq(text.data, "TRUNCATE TABLE `t`;\n");
    expect_rooms(&table, EMPTY);
    cr_assert_eq(ddl_hive_empty(&(struct ddl_table){.name = "a b"}, &text, &error), -1);
}

Test(ddl, load_overwrites)
{
    const struct ddl_table table = table_of(one, 1);

    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_hive_load(&table, "/d", true, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_str_eq(text.data, "LOAD DATA LOCAL INPATH '/d'\nOVERWRITE INTO TABLE `t`;\n");
    expect_rooms(&table, LOAD);
    cr_assert_eq(ddl_hive_load(&table, "/a*", true, &text, &error), -1);
    cr_assert_not_null(strstr(error.text, "/a*: Hive takes a path with one of * ? [ ] { } \\ for a pattern"));
}

Test(ddl, names_that_hive_does_not_take)
{
    static const char *const names[] = {"", "a b", "a.b", "ü", "a`b", "a-b"};
    struct ddl_table table = table_of(one, 1);

    for (size_t i = 0; i < COUNT(names); i++) {
        table.name = names[i];
        expect_refused(&table, "the table \"");
        table.name = "t";
        table.database = names[i];
        expect_refused(&table, "the database \"");
        table.database = NULL;
    }
    cr_assert_eq(ddl_hive_load(&(struct ddl_table){.name = "a b"}, "/d", false, &text, &error), -1);
}

/* Seen of Spark 3.5's spark-sql, whose splitSemiColon() knows no backticks. */
Test(ddl, columns_that_clients_take_apart)
{
    static const char *const names[] = {"a;b", "it's", "a\"b", "a--b", "a/*b", "a\nb", "\001", "a,b"};

    for (size_t i = 0; i < COUNT(names); i++) {
        const struct ddl_column column = FIELD(names[i], INT32, );
        struct ddl_table table = table_of(&column, 1);
        expect_refused(&table, "do not take a name with , ; ' \" -- /* or a line break");
        table = table_of(one, 1);
        table.partition_key = names[i];
        table.partition_value = "x";
        expect_refused(&table, "the partition key ");
    }
}

Test(ddl, columns_that_hive_does_not_take)
{
    const struct ddl_column columns[] = {FIELD("Id", INT32, ), FIELD("n", INT32, ), FIELD("iD", INT32, )};
    struct ddl_table table = table_of(columns, COUNT(columns));

    expect_refused(&table, "the columns Id and iD: Hive does not know them apart");
    table.columns_count = 2;
    table.partition_key = "N";
    expect_refused(&table, "the partition key N: a column is called so");
    table.columns_count = 0;
    expect_refused(&table, "the table t: Hive has none without columns");
    table = table_of(one, 1);
    table.format = TABLE_JSON_LINES;
    expect_refused(&table, "JSON lines");
}

/* ---- delimited text ---------------------------------------------------------------------------------------------------- */

static void expect_delimiters(const struct delimited_options *options, const char *expected)
{
    struct ddl_table table = table_of(one, 1);

    table.delimited = options;
    const char *made = created(&table);
    cr_assert_not_null(strstr(made, expected), "\"%s\" is not in: %s", expected, made);
}

Test(ddl, delimiters)
{
    struct delimited_options options = hive;

    options.field = '\'';
    options.escape = '\\';
    options.style = DELIMITED_ISO;
    expect_delimiters(
        &options, "DELIMITED FIELDS TERMINATED BY '\\047' ESCAPED BY '\\134' LINES TERMINATED BY '\\012'\n");
    options.field = '7';
    options.escape = 0;
    expect_delimiters(&options, "FIELDS TERMINATED BY '55' LINES");
    options.field = (char)0xfe;
    expect_delimiters(&options, "FIELDS TERMINATED BY '-2' LINES");
    options.line = 0;
    struct ddl_table table = table_of(one, 1);
    table.delimited = &options;
    expect_refused(&table, "lines have to end in \\n");
}

/* As the writer has it in the file: test_delimited_java.c. */
Test(ddl, null_as_it_is_written)
{
    struct delimited_options options = hive;

    options.null_string = options.null_other = (struct slice){"a,\"\\", 4};
    options.field = ',';
    options.enclosure = '"';
    expect_delimiters(&options, "'serialization.null.format'='a,\"\\\\');\n");
    options.escape = '\\';
    expect_delimiters(&options, "'serialization.null.format'='a\\\\,\"\\\\\\\\');\n");
    options.quoting = DELIMITED_QUOTE_NEEDED;
    expect_delimiters(&options, "'serialization.null.format'='\"a,\\\\\"\\\\\\\\\"');\n");
    options.null_string.length = options.null_other.length = 1;
    expect_delimiters(&options, "'serialization.null.format'='a');\n");
    options.quoting = DELIMITED_QUOTE_ALL;
    expect_delimiters(&options, "'serialization.null.format'='\"a\"');\n");
    options.style = DELIMITED_ISO;
    expect_delimiters(&options, "'serialization.null.format'='a');\n");
}

Test(ddl, long_null)
{
    static char long_text[(1 << 16) + 1];
    struct delimited_options options = hive;
    struct ddl_table table = table_of(one, 1);

    memset(long_text, 'x', sizeof long_text);
    options.quoting = DELIMITED_QUOTE_ALL;
    options.null_string = options.null_other = (struct slice){long_text, sizeof long_text};
    table.delimited = &options;
    expect_refused(&table, "");
    options.null_string.length = options.null_other.length = 1 << 16; /* without room for what encloses it */
    expect_refused(&table, "");
    options.null_string = options.null_other = (struct slice){"", 0};
    options.enclosure = '"';
    expect_delimiters(&options, "'serialization.null.format'='\"\"');\n");
}

Test(ddl, nulls_that_differ)
{
    const struct ddl_column numbers[] = {FIELD("n", NUMBER, ), FIELD("d", DECIMAL, .precision = 4),
        FIELD("s", STRING, ), FIELD("j", JSON, ), FIELD("u", UUID, ),
        FIELD("l", LIST, .element = COLUMN_INT32)};
    const struct ddl_column day[] = {FIELD("n", NUMBER, ), FIELD("day", DATE, )};
    struct delimited_options options = hive;
    struct ddl_table table = table_of(numbers, COUNT(numbers));

    options.null_other = (struct slice){"", 0};
    table.delimited = &options;
    cr_assert_not_null(strstr(created(&table), "'serialization.null.format'='\\\\N');\n"));
    table.columns = day;
    table.columns_count = COUNT(day);
    expect_refused(
        &table, "the column day is a string in Hive, and its NULL is not written as that of strings is");
}
