/* sqoop: JDBC URLs, their parameters, users and passwords */
#include <criterion/criterion.h>
#include <stdio.h>

#include "sqoop_harness.h"

TestSuite(sqoop_jdbc, .fini = forget);

/* The address without a shell's quotes, as import gets it. */
static void expect_address(const char *url, const char *address)
{
    cr_assert_eq(TRANSLATE("import", "--connect", url, "--table", "t"), 0, "%s: %s", url, error.text);
    cr_assert_str_eq(order.import.words[1], "--connect");
    cr_assert_str_eq(order.import.words[2], address);
}

static void expect_not(const char *url, const char *why)
{
    cr_assert_eq(TRANSLATE("import", "--connect", url, "--table", "t"), -1, "%s", url);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "\"%s\" is not in: %s", why, error.text);
}

#define J "jdbc:postgresql:"

Test(sqoop_jdbc, places)
{
    expect_address(J "//h/d", "host='h' port='5432' dbname='d' sslmode='prefer'");
    expect_address(J "//h:1/d", "host='h' port='1' dbname='d' sslmode='prefer'");
    expect_address(J "//h", "host='h' port='5432' sslmode='prefer'");
    expect_address(J "//h/", "host='h' port='5432' sslmode='prefer'");
    expect_address(J "//h?x", "host='h' port='5432' sslmode='prefer'");
    expect_address(J "d", "host='localhost' port='5432' dbname='d' sslmode='prefer'");
    expect_address(J "/", "host='localhost' port='5432' sslmode='prefer'");
    expect_address(J "///d", "host='localhost' port='5432' dbname='d' sslmode='prefer'");
    expect_address(J "//a:1,b,[::1]:3/d", "host='a,b,::1' port='1,5432,3' dbname='d' sslmode='prefer'");
    expect_address(J "//[::1]/d", "host='::1' port='5432' dbname='d' sslmode='prefer'");
    expect_address(J "//h/a%20b+c%27%5C", "host='h' port='5432' dbname='a b+c\\'\\\\' sslmode='prefer'");
    expect_not(J "//h/%zz", "two hexadecimal digits");
    expect_not(J "//h/%2", "two hexadecimal digits");
    expect_not(J "//h/%00", "two hexadecimal digits");
    expect_not(J "//u:secret@h/d", "has no user before an @");
    cr_assert_null(strstr(error.text, "secret"));
    cr_assert_eq(TRANSLATE("import", "--table", "t"), -1);
    cr_assert_not_null(strstr(error.text, "--connect: the address of the database is missing"));
}

Test(sqoop_jdbc, other_databases)
{
    expect_not("jdbc:mysql://h/d", "the address of MySQL, and only PostgreSQL");
    expect_not("jdbc:sqlserver://h;database=d", "SQL Server");
    expect_not("jdbc:jtds:sqlserver://h/d", "SQL Server");
    expect_not("jdbc:oracle:thin:@h:1521/x", "Oracle");
    expect_not("jdbc:hsqldb:hsql://h", "HSQLDB");
    expect_not("mysql://h/d", "MySQL");
    expect_not("jdbc:nosuch:x", "this is no address of a PostgreSQL");
    expect_not("postgresql://h/d", "this is no address of a PostgreSQL; allowed: jdbc:postgresql://");
    expect_not("", "this is no address");
}

Test(sqoop_jdbc, tls)
{
#define H "host='h' port='5432' dbname='d' "
    expect_address(J "//h/d?ssl=true", H "sslmode='verify-full'");
    expect_address(J "//h/d?ssl", H "sslmode='verify-full'");
    expect_address(J "//h/d?ssl=false", H "sslmode='prefer'");
    expect_address(J "//h/d?ssl=true&sslmode=verify-ca", H "sslmode='verify-ca'");
    expect_address(
        J "//h/d?ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory", H "sslmode='require'");
    expect_address(J "//h/d?sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory", H "sslmode='prefer'");
    cr_assert(noticed("sslfactory changes nothing"));
    expect_address(J "//h/d?sslmode=require&sslrootcert=/a%20b/ca.crt&sslcert=c&sslkey=k",
        H "sslmode='require' sslrootcert='/a b/ca.crt' sslcert='c' sslkey='k'");
    expect_not(J "//h/d?sslpassword=secret", "sslpassword is not taken");
    cr_assert_null(strstr(error.text, "secret"));
}

Test(sqoop_jdbc, parameters)
{
    expect_address(J
        "//h/d?connectTimeout=5&loginTimeout=7&ApplicationName=a+b&tcpKeepAlive=true&&targetServerType=preferSlave",
        H
        "connect_timeout='5' application_name='a b' keepalives='1' target_session_attrs='prefer-standby' sslmode='prefer'");
    expect_address(J "//h/d?targetServerType=any&targetServerType=primary",
        H "target_session_attrs='any' sslmode='prefer'");
    expect_address(J "//h/d?prepareThreshold=0&x", H "sslmode='prefer'");
    cr_assert(noticed("prepareThreshold changes nothing") && noticed("x changes nothing"));
    expect_address(
        J "//h/d?currentSchema=a,b&currentSchema=c", H "options='-csearch_path=a,b' sslmode='prefer'");
    expect_address(J "//h/d?options=-cx=1", H "options='-cx=1' sslmode='prefer'");
    expect_not(J "//h/d?currentSchema=a&options=-cx=1", "does not stand beside options");
    expect_not(J "//h/d?currentSchema=a%20b", "has no blanks");
    expect_not(J "//h/d?tcpKeepAlive=maybe", "tcpKeepAlive=maybe is not known");
    expect_not(J "//h/d?options=%", "two hexadecimal digits");
}

Test(sqoop_jdbc, a_file_of_parameters)
{
    put_file("p",
        "# a comment\n! another\n\n  sslmode : require  \r\nApplicationName=a b\nuser=u\nssl\ntcpKeepAlive false");
    put_file("wrong", "tcpKeepAlive=x\n");
    cr_assert_eq(TRANSLATE("import", "--connect", J "//h/d?ApplicationName=url", "--table", "t",
                     "--connection-param-file", "p"),
        0, "%s", error.text);
    cr_assert_str_eq(order.import.words[2], H "sslmode='require' application_name='url' keepalives='0'");
    cr_assert_str_eq(order.import.words[4], "u");
    cr_assert_eq(TRANSLATE("import", CONNECT, "--table", "t", "--connection-param-file", "wrong"), -1);
    cr_assert_eq(TRANSLATE("import", CONNECT, "--table", "t", "--connection-param-file", "nosuch"), -1);
    cr_assert_str_eq(error.text, "--connection-param-file nosuch: No such file or directory");
}

/* The line's own user and password come before the URL's, and a password has one place. */
Test(sqoop_jdbc, who_asks)
{
#define U "--connect", J "//h/d?user=u&password=p%26", "--table", "t"
    cr_assert_eq(TRANSLATE("import", U), 0, "%s", error.text);
    cr_assert_str_eq(order.import.words[4], "u");
    cr_assert_str_eq(order.import.words[5], "--password");
    cr_assert_str_eq(order.import.words[6], "p&");
    cr_assert_null(strstr(line_of_import(), "p&"));
    cr_assert_eq(TRANSLATE("import", U, "--username", "v", "--password", "q"), 0);
    cr_assert_str_eq(order.import.words[4], "v");
    cr_assert_str_eq(order.import.words[6], "q");
    cr_assert_eq(TRANSLATE("import", U, "--password-file", "file:///f"), 0);
    cr_assert_str_eq(order.import.words[5], "--password-file");
    cr_assert_str_eq(order.import.words[6], "/f");
    cr_assert_eq(TRANSLATE("import", U, "-P"), 0);
    cr_assert_str_eq(order.import.words[5], "--ask-password");
    EXPECT_REFUSED("comes from one place", "--table", "t", "-P", "--password", "x");
    EXPECT_REFUSED("comes from one place", "--table", "t", "--password-file", "f", "--password", "x");
    EXPECT_REFUSED("--password-file hdfs:...:", "--table", "t", "--password-file", "hdfs:///f");
}
