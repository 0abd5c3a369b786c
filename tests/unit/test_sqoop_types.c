/* sqoop: columns that have another type */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "sqoop_harness.h"

TestSuite(sqoop_types, .fini = forget);

#define MAP "--table", "t", "--map-column-java"
#define TEXT_MAX (64 * 1024)

Test(sqoop_types, what_java_calls_them)
{
    static const char *const types[][2] = {{"String", "text"}, {"Integer", "int4"}, {"Long", "int8"},
        {"Float", "float4"}, {"Double", "float8"}, {"Boolean", "bool"}, {"java.lang.String", "text"},
        {"java.math.BigDecimal", "numeric"}, {"java.sql.Date", "date"}, {"java.sql.Time", "time"},
        {"java.sql.Timestamp", "timestamp"}};

    for (size_t i = 0; i < COUNT(types); i++) {
        char said[64], made[64];
        snprintf(said, sizeof said, "id=%s", types[i][0]);
        snprintf(made, sizeof made, "--column-type id=%s --connections 4 ", types[i][1]);
        expect_has(made, (const char *const[]){MAP, said, NULL});
    }
}

Test(sqoop_types, several)
{
    EXPECT_HAS("--column-type a=text --column-type b=int8 --connections", MAP, "a=String,b=Long");
    EXPECT_HAS("--column-type a=text --column-type 'b c=int8' --connections", MAP, " a = String , b c=Long ");
    /* As URLs have them. */
    EXPECT_HAS("--column-type a,b=text --column-type c=d=int8 ", MAP, "a%2cb=String,c%3Dd=Long");
    EXPECT_HAS("--column-type 'a b=text' ", MAP, "a+b=String");
    EXPECT_HAS("--column-type 100%=text --column-type %zz=text --column-type %4z=text ", MAP,
        "100%=String,%zz=String,%4z=String");
}

Test(sqoop_types, what_is_none)
{
    static const char *const none[] = {
        "", "a", "=String", "a=String,", ",a=String", "a=String=x", " =String"};

    for (size_t i = 0; i < COUNT(none); i++)
        expect_refused("is not COLUMN=TYPE", (const char *const[]){MAP, none[i], NULL});
    EXPECT_REFUSED("--map-column-java: a=string: allowed: String, Integer", MAP, "b=Long,a=string");
    EXPECT_REFUSED("allowed: String, Integer", MAP, "a=java.lang.");
    EXPECT_REFUSED("allowed: String, Integer", MAP, "a=");
}

Test(sqoop_types, long_names)
{
    for (size_t length = TEXT_MAX - 10; length < TEXT_MAX + 3; length++) {
        char *said = calloc(1, length + sizeof "=String");
        memset(said, 'y', length);
        memcpy(said + length, "=String", sizeof "=String");
        if (length + strlen("=text") < TEXT_MAX)
            EXPECT_HAS("--column-type yyy", MAP, said);
        else
            EXPECT_REFUSED("--map-column-java: ", MAP, said);
        free(said);
    }
}
