/* credentials: the file that says who may write, and look after the gateway: one principal a line, as a JSON object; blank lines and lines that begin with # say nothing.
 *
 *   {"name":"pump-7","secret":"sha256:9f86...","streams":["readings"],"keys":["PUMP_7","{name}"],"rate":100}
 *
 * name     once in a file; also the user name of HTTP Basic and MQTT
 * secret   the digest of what is shown for it, as a bearer token or as the user's password (secret.h); once in a file
 * password  instead, or as well: a slow hash of a password that somebody chose (password.h), of who names itself with it
 * certificate  instead, or as well: a name in a client certificate that holds: "CN=pump-7", "DNS:...", "URI:...", "email:..."; once in a file
 * streams  patterns of names of streams that it may write, one at least
 * keys     patterns of records' keys; {name} is its own name; not there: any
 * rate     records per second; not there: as many as come
 * admin    "read" or "reload": what it may do on the admin listener; who may do that need not write any stream
 *
 * A set that was read is constant, and lives as long as anybody holds it. @thread any
 */
#ifndef PENSTOCK_ACCESS_CREDENTIALS_H
#define PENSTOCK_ACCESS_CREDENTIALS_H

#include "access/principal.h"
#include "base/error.h"

#define CREDENTIALS_BYTES_MAX ((size_t)64 << 20) /* of a file */

struct credentials;

/* The caller holds it. ERROR_FATAL names file and line: not there, readable by everybody, too large, or what is wrong in it. */
int credentials_read(struct credentials **ret_credentials, const char *file, struct error *error);
/* The same of a text. */
int credentials_parse(
    struct credentials **ret_credentials, struct slice text, const char *file, struct error *error);
struct credentials *credentials_hold(struct credentials *credentials);
/* Sets NULL. NULL is allowed. */
void credentials_release(struct credentials **credentials);

size_t credentials_count(const struct credentials *credentials);
struct principal *credentials_at(
    const struct credentials *credentials, size_t index); /* in the file's order */
/* NULL: there is none. */
struct principal *credentials_find(
    const struct credentials *credentials, const unsigned char digest[SECRET_DIGEST]);
struct principal *credentials_certified(const struct credentials *credentials, struct slice certificate);
struct principal *credentials_named(const struct credentials *credentials, struct slice name);
/* Whether any principal has a password; then one of these passwords, for each name always the same. */
bool credentials_has_passwords(const struct credentials *credentials);
const struct password *credentials_any_password(const struct credentials *credentials, struct slice name);

/* Appends the text without the principal's line. ERROR_REJECT: it has none. */
int credentials_without(struct slice text, const char *name, struct bytes *ret_text, struct error *error);

/* Appends its line, with the line break. ERROR_REJECT: a pattern is no UTF-8. */
int credentials_print(const struct principal *principal, struct bytes *text, struct error *error);

#endif
