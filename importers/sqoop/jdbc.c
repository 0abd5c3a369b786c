/* jdbc: JDBC URLs and properties of PostgreSQL's driver (pgjdbc 42), in the words of libpq; see sqoop_internal.h.
 *
 * jdbc:postgresql://HOST[:PORT][,HOST[:PORT]...]/[DATABASE][?NAME=VALUE[&...]] and jdbc:postgresql:DATABASE. Parts may be percent-encoded. What libpq would choose
 * otherwise is said: no host is localhost, and TLS is used where the server has it, as the driver does.
 */
#include <ctype.h>
#include <stdio.h>

#include "sqoop/sqoop_internal.h"

#define JDBC_TEXT_MAX ((size_t)64 * 1024)
#define JDBC_HOST_MAX 16
#define JDBC_DATABASE_MAX 256

/* What a property becomes. Those of one keyword: the first that is said counts. */
struct jdbc_property {
    const char *name, *keyword;
    const char *choices; /* "theirs=ours ..."; NULL: the value as it is */
};

static const struct jdbc_property jdbc_properties[] = {
    {"sslmode", "sslmode", NULL},
    {"sslrootcert", "sslrootcert", NULL},
    {"sslcert", "sslcert", NULL},
    {"sslkey", "sslkey", NULL},
    {"sslpassword", NULL, NULL}, /* it would stand in the address */
    {"connectTimeout", "connect_timeout", NULL},
    {"loginTimeout", "connect_timeout", NULL},
    {"ApplicationName", "application_name", NULL},
    {"gssEncMode", "gssencmode", NULL},
    {"kerberosServerName", "krbsrvname", NULL},
    {"options", "options", NULL},
    {"tcpKeepAlive", "keepalives", "true=1 false=0"},
    {"targetServerType", "target_session_attrs",
        "any=any primary=primary master=primary secondary=standby slave=standby preferSecondary=prefer-standby "
        "preferSlave=prefer-standby"},
};

/* What the database is called in a URL, for a sentence that refuses it. */
static const char *const jdbc_others[] = {"mysql", "MySQL", "mariadb", "MariaDB", "oracle", "Oracle",
    "sqlserver", "SQL Server", "jtds", "SQL Server", "microsoft", "SQL Server", "db2", "Db2", "hsqldb",
    "HSQLDB", "netezza", "Netezza", "teradata", "Teradata", "hive2", "Hive", "sqlite", "SQLite", "h2", "H2",
    "redshift", "Amazon Redshift", "sap", "SAP HANA", "vertica", "Vertica", "derby", "Derby", "cubrid",
    "CUBRID"};

struct jdbc {
    struct sqoop_line *line;
    struct bytes address; /* keywords and values, as libpq reads them */
    char said[sizeof jdbc_properties / sizeof *jdbc_properties]; /* keywords that have a value */
    const char *user, *password; /* NULL: not in it */
    const char *schemas;
};

/* ---- keywords -------------------------------------------------------------------------------------------------------- */

static int jdbc_add(struct jdbc *jdbc, const char *keyword, struct slice value, struct error *error)
{
    if (bytes_print(&jdbc->address, error, "%s%s='", jdbc->address.length ? " " : "", keyword))
        return -1;
    for (size_t i = 0; i < value.length; i++) {
        const char one = value.data[i];
        if (((one == '\'' || one == '\\') && bytes_add(&jdbc->address, "\\", 1, error)) ||
            bytes_add(&jdbc->address, &one, 1, error))
            return -1;
    }
    return bytes_add(&jdbc->address, "'", 1, error);
}

/* NULL: it is none of the choices. */
static const char *jdbc_choice(const char *choices, struct slice value, size_t *ret_length)
{
    for (const char *at = choices; *at;) {
        const size_t theirs = strcspn(at, "="), ours = strcspn(at + theirs + 1, " ");
        if (slice_equal((struct slice){at, theirs}, value)) {
            *ret_length = ours;
            return at + theirs + 1;
        }
        at += theirs + 1 + ours;
        at += *at == ' ';
    }
    return NULL;
}

static bool jdbc_is_said(const struct jdbc *jdbc, const char *keyword)
{
    for (size_t i = 0; i < sizeof jdbc->said; i++)
        if (jdbc->said[i] && !strcmp(jdbc_properties[i].keyword, keyword))
            return true;
    return false;
}

static int jdbc_set(
    struct jdbc *jdbc, const struct jdbc_property *property, struct slice value, struct error *error)
{
    if (!property->keyword)
        return error_set(error, ERROR_REJECT,
            "--connect: %s is not taken: use a key without a password, in a file that nobody else may read",
            property->name);
    if (property->choices) {
        size_t length = 0;
        const char *ours = jdbc_choice(property->choices, value, &length);
        if (!ours)
            return error_set(error, ERROR_REJECT, "--connect: %s=%.*s is not known", property->name,
                (int)(value.length < 100 ? value.length : 100), value.data);
        value = (struct slice){ours, length};
    }
    if (jdbc_is_said(jdbc, property->keyword))
        return 0;
    jdbc->said[property - jdbc_properties] = 1;
    return jdbc_add(jdbc, property->keyword, value, error);
}

/* ---- properties ------------------------------------------------------------------------------------------------------ */

/* ssl or ssl=true is verify-full unless sslmode says something else, or the factory checks nothing. */
static int jdbc_take_ssl(struct jdbc *jdbc, const char *mode, struct error *error)
{
    return jdbc_set(jdbc, &jdbc_properties[0], slice_of(mode), error);
}

static int jdbc_take_property(struct jdbc *jdbc, struct slice name, const char *value, struct error *error)
{
    if (slice_is(name, "user") || slice_is(name, "password")) {
        const char **at = *name.data == 'u' ? &jdbc->user : &jdbc->password;
        *at = *at ? *at : value;
        return 0;
    }
    if (slice_is(name, "currentSchema")) {
        jdbc->schemas = jdbc->schemas ? jdbc->schemas : value;
        return 0;
    }
    if (slice_is(name, "ssl"))
        return !*value || strcmp(value, "true") == 0 ? jdbc_take_ssl(jdbc, "verify-full", error) : 0;
    if (slice_is(name, "sslfactory") && strstr(value, "NonValidatingFactory"))
        return jdbc_take_ssl(jdbc, "require", error);
    for (size_t i = 0; i < sizeof jdbc_properties / sizeof *jdbc_properties; i++)
        if (slice_is(name, jdbc_properties[i].name))
            return jdbc_set(jdbc, &jdbc_properties[i], slice_of(value), error);
    return words_note(jdbc->line->order, error,
        "--connect: %.*s changes nothing: it is about the JDBC driver",
        (int)(name.length < 100 ? name.length : 100), name.data);
}

/* What a factory says goes before `ssl`, and sslmode before both, wherever they stand. */
static int jdbc_rank(struct slice name)
{
    return slice_is(name, "sslmode") ? 0 : slice_is(name, "sslfactory") ? 1 : 2;
}

/* A part of a URL without its percent signs. NULL: no memory, or a wrong one. */
static const char *jdbc_decode(struct jdbc *jdbc, struct slice text, bool plus, struct error *error)
{
    char *kept = words_keep(jdbc->line->order, text.data, text.length, error), *to = kept;
    unsigned byte;

    for (const char *at = kept; at && *at; at++) {
        const bool percent = *at == '%';
        if (percent && (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]) ||
                           sscanf(at + 1, "%2x", &byte) != 1 || byte == 0)) {
            error_set(error, ERROR_REJECT, "--connect: a %% in a URL has two hexadecimal digits behind it");
            return NULL;
        }
        *to++ = percent ? (char)byte : plus && *at == '+' ? ' ' : *at;
        at += percent ? 2 : 0;
    }
    if (kept)
        *to = '\0';
    return kept;
}

/* Behind the ?, of this rank. */
static int jdbc_take_query(struct jdbc *jdbc, const char *query, int rank, struct error *error)
{
    for (const char *at = query; *at;) {
        const size_t length = strcspn(at, "&");
        const char *equal = memchr(at, '=', length);
        const struct slice name = {at, equal ? (size_t)(equal - at) : length};
        if (length && jdbc_rank(name) == rank) {
            const struct slice raw = {equal ? equal + 1 : at + length, equal ? length - name.length - 1 : 0};
            const char *value = jdbc_decode(jdbc, raw, true, error);
            if (!value || jdbc_take_property(jdbc, name, value, error))
                return -1;
        }
        at += length;
        at += *at == '&';
    }
    return 0;
}

/* A line of a Java properties file: NAME=VALUE, NAME: VALUE; # and ! begin comments. */
static int jdbc_take_line(struct jdbc *jdbc, struct slice line, int rank, struct error *error)
{
    while (line.length && isspace((unsigned char)*line.data)) {
        line.data++;
        line.length--;
    }
    while (line.length && isspace((unsigned char)line.data[line.length - 1]))
        line.length--;
    if (!line.length || *line.data == '#' || *line.data == '!')
        return 0;
    const char *text = words_keep(jdbc->line->order, line.data, line.length, error);
    if (!text)
        return -1;
    const struct slice name = {text, strcspn(text, "=: \t")};
    const char *value = text + name.length + strspn(text + name.length, " \t");
    value += *value == '=' || *value == ':';
    value += strspn(value, " \t");
    return jdbc_rank(name) == rank ? jdbc_take_property(jdbc, name, value, error) : 0;
}

static int jdbc_take_file(struct jdbc *jdbc, const struct bytes *text, int rank, struct error *error)
{
    for (size_t at = 0; at < text->length;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->length - at);
        const size_t length = end ? (size_t)(end - line) : text->length - at;
        if (jdbc_take_line(jdbc, (struct slice){line, length}, rank, error))
            return -1;
        at += length + 1;
    }
    return 0;
}

/* ---- the URL --------------------------------------------------------------------------------------------------------- */

static int jdbc_refuse(const char *url, struct error *error)
{
    const char *name = strncmp(url, "jdbc:", 5) == 0 ? url + 5 : url;
    const size_t length = strcspn(name, ":");

    for (size_t i = 0; i < sizeof jdbc_others / sizeof *jdbc_others; i += 2)
        if (strlen(jdbc_others[i]) == length && memcmp(jdbc_others[i], name, length) == 0)
            return error_set(error, ERROR_REJECT,
                "--connect: this is the address of %s, and only PostgreSQL is read: jdbc:postgresql://HOST:PORT/DATABASE",
                jdbc_others[i + 1]);
    return error_set(error, ERROR_REJECT,
        "--connect: this is no address of a PostgreSQL; allowed: jdbc:postgresql://HOST:PORT/DATABASE");
}

/* HOST:PORT,HOST:PORT: libpq has the hosts and the ports in a list each. */
static int jdbc_take_hosts(struct jdbc *jdbc, struct slice text, struct error *error)
{
    cleanup_bytes struct bytes hosts, ports;

    bytes_init(&hosts, JDBC_TEXT_MAX);
    bytes_init(&ports, JDBC_TEXT_MAX);
    for (size_t at = 0; at <= text.length;) {
        const char *one = text.data + at, *comma = memchr(one, ',', text.length - at);
        const size_t length = comma ? (size_t)(comma - one) : text.length - at;
        const char *bracket = length && *one == '[' ? memchr(one, ']', length) : NULL;
        const char *from = bracket ? bracket : one;
        const char *colon = memchr(from, ':', length - (size_t)(from - one));
        struct slice host = {one, colon ? (size_t)(colon - one) : length};
        if (bracket)
            host = (struct slice){one + 1, (size_t)(bracket - one - 1)};
        const struct slice port = {
            colon ? colon + 1 : "5432", colon ? length - (size_t)(colon + 1 - one) : 4};
        if ((at && (bytes_add(&hosts, ",", 1, error) || bytes_add(&ports, ",", 1, error))) ||
            bytes_add(&hosts, host.length ? host.data : "localhost", host.length ? host.length : 9, error) ||
            bytes_add(&ports, port.data, port.length, error))
            return -1;
        at += length + 1;
    }
    return jdbc_add(jdbc, "host", bytes_slice(&hosts), error) ||
                   jdbc_add(jdbc, "port", bytes_slice(&ports), error)
               ? -1
               : 0;
}

/* Behind "jdbc:postgresql:". */
static int jdbc_take_url(struct jdbc *jdbc, const char *rest, struct error *error)
{
    const bool hosts = strncmp(rest, "//", 2) == 0;
    const char *place = rest + (hosts ? 2 : 0);
    const size_t authority = hosts ? strcspn(place, "/?") : 0;
    const char *name = place + authority + (place[authority] == '/');

    if (memchr(place, '@', authority))
        return error_set(error, ERROR_REJECT,
            "--connect: a JDBC URL has no user before an @: say --username and --password-file");
    if (jdbc_take_hosts(jdbc, (struct slice){place, authority}, error))
        return -1;
    const char *database = jdbc_decode(jdbc, (struct slice){name, strcspn(name, "?")}, false, error);
    if (!database || (*database && jdbc_add(jdbc, "dbname", slice_of(database), error)))
        return -1;
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static int jdbc_take_parameters(struct jdbc *jdbc, const char *url, struct error *error)
{
    const char *file = parse_value(jdbc->line, "connection-param-file");
    const char *query = url + strcspn(url, "?");
    cleanup_bytes struct bytes text;

    bytes_init(&text, SQOOP_FILE_MAX);
    if (file && jdbc->line->reader->read(jdbc->line->reader->context, file, &text, error))
        return error_wrap(error, "--connection-param-file %.200s", file);
    for (int rank = 0; rank < 3; rank++)
        if (jdbc_take_query(jdbc, query + (*query == '?'), rank, error) ||
            jdbc_take_file(jdbc, &text, rank, error))
            return -1;
    return 0;
}

/* The search path, as the driver sets it. */
static int jdbc_add_schemas(struct jdbc *jdbc, struct error *error)
{
    char path[JDBC_DATABASE_MAX];

    if (!jdbc->schemas)
        return 0;
    if (jdbc_is_said(jdbc, "options") || strpbrk(jdbc->schemas, " \t\\"))
        return error_set(error, ERROR_REJECT,
            "--connect: currentSchema has no blanks, and does not stand beside options; say the schema behind the line: -- --schema NAME");
    snprintf(path, sizeof path, "-csearch_path=%s", jdbc->schemas);
    return jdbc_add(jdbc, "options", slice_of(path), error);
}

static int jdbc_add_words(struct jdbc *jdbc, struct error *error)
{
    struct sqoop_words *words = &jdbc->line->order->import;
    const char *user = parse_value(jdbc->line, "username"), *password = parse_value(jdbc->line, "password");
    const char *address = words_keep(jdbc->line->order, jdbc->address.data, jdbc->address.length, error);
    const bool elsewhere = parse_value(jdbc->line, "password-file") || parse_value(jdbc->line, "P");

    user = user ? user : jdbc->user;
    password = password || elsewhere ? password : jdbc->password;
    return !address || words_add_pair(words, "--connect", address, error) ||
                   words_add_pair(words, "--user", user, error) ||
                   words_add_pair(words, "--password", password, error)
               ? -1
               : 0;
}

int jdbc_translate(struct sqoop_line *line, struct error *error)
{
    static const char start[] = "jdbc:postgresql:";
    const char *url = parse_value(line, "connect");
    struct jdbc jdbc = {.line = line};

    if (!url)
        return error_set(error, ERROR_REJECT, "--connect: the address of the database is missing");
    if (strncmp(url, start, sizeof start - 1) != 0)
        return jdbc_refuse(url, error);
    bytes_init(&jdbc.address, JDBC_TEXT_MAX);
    int result = jdbc_take_url(&jdbc, url + sizeof start - 1, error) ||
                 jdbc_take_parameters(&jdbc, url, error) || jdbc_add_schemas(&jdbc, error) ||
                 (!jdbc_is_said(&jdbc, "sslmode") && jdbc_add(&jdbc, "sslmode", slice_of("prefer"), error)) ||
                 jdbc_add_words(&jdbc, error);
    bytes_free(&jdbc.address);
    return result ? -1 : 0;
}
