/* sqoop_frame: the frame in which eval prints an answer, as Sqoop draws it */
#include <criterion/criterion.h>

#include "sqoop_harness.h"

TestSuite(sqoop_frame, .fini = forget);

/* What getColumnDisplaySize() of PostgreSQL's JDBC driver says, and 20 at most. */
Test(sqoop_frame, widths)
{
    static const struct {
        uint32_t type;
        int32_t modifier;
        size_t width;
    } cases[] = {{16, -1, 1}, {18, -1, 1}, {21, -1, 6}, {23, -1, 11}, {20, -1, 20}, {26, -1, 10},
        {700, -1, 15}, {701, -1, 20}, {25, -1, 20}, {17, -1, 20}, {1082, -1, 13}, {1083, -1, 15},
        {1083, 0, 8}, {1083, 1, 11}, {1083, 3, 12}, {1266, -1, 20}, {1266, 0, 14}, {1114, -1, 20},
        {1184, 0, 20}, {1186, -1, 20}, {1043, -1, 20}, {1043, 9, 5}, {1043, 259, 20}, {1042, 7, 3},
        {1700, -1, 20}, {1700, (10 << 16) + 2 + 4, 12}, {1700, (10 << 16) + 4, 11},
        {1700, (38 << 16) + 4, 20}, {1560, 3, 3}, {1562, -1, 20}, {1562, 7, 7}, {1007, -1, 11}, {1015, 9, 5},
        {3802, -1, 20}, {0, 0, 20}};

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_assert_eq(sqoop_frame_width(cases[i].type, cases[i].modifier), cases[i].width, "%u, %d: %zu",
            cases[i].type, cases[i].modifier, sqoop_frame_width(cases[i].type, cases[i].modifier));
}

#define VALUES(...) ((const char *const[]){__VA_ARGS__})
#define WIDTHS(...) ((const size_t[]){__VA_ARGS__})

static void expect_row(const char *expected, const char *const *values, const size_t *widths, size_t count)
{
    struct bytes text;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(sqoop_frame_row(values, widths, count, &text, &error), 0, "%s", error.text);
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s", (int)text.length, text.data);
    bytes_free(&text);
}

Test(sqoop_frame, rows)
{
    expect_row("| id          | name                 | \n", VALUES("id", "name"), WIDTHS(11, 20), 2);
    expect_row("| (null)  | long | \n", VALUES(NULL, "long"), WIDTHS(7, 1), 2);
    expect_row("| (null) |  | \n", VALUES(NULL, ""), WIDTHS(1, 0), 2);
    expect_row("| \n", VALUES(NULL), WIDTHS(0), 0);
    /* One character, and one that Java counts twice. */
    expect_row(
        "| \xc3\xa9    | \xf0\x9f\x98\x80   | \n", VALUES("\xc3\xa9", "\xf0\x9f\x98\x80"), WIDTHS(4, 4), 2);
    expect_row("| a\\x0Ab   | \n", VALUES("a\nb"), WIDTHS(8), 1);
}

Test(sqoop_frame, rules)
{
    struct bytes text;

    bytes_init(&text, 1 << 10);
    cr_assert_eq(sqoop_frame_rule(WIDTHS(11, 20), 2, &text, &error), 0);
    cr_assert(slice_is(bytes_slice(&text), "--------------------------------------\n"));
    bytes_clear(&text);
    cr_assert_eq(sqoop_frame_rule(NULL, 0, &text, &error), 0);
    cr_assert(slice_is(bytes_slice(&text), "-\n"));
    bytes_free(&text);
}

Test(sqoop_frame, in_any_room)
{
    for (size_t room = 0; room < 24; room++) {
        struct bytes text;
        bytes_init(&text, room);
        cr_assert_eq(sqoop_frame_row(VALUES("id", NULL), WIDTHS(11, 4), 2, &text, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        bytes_clear(&text);
        cr_assert_eq(sqoop_frame_rule(WIDTHS(11, 7), 2, &text, &error), -1);
        bytes_free(&text);
    }
}
