/* credentials_password: where `penstock credentials` gets passwords from: never the command line, which everybody on the machine can read. @thread main */
#ifndef PENSTOCK_COMMAND_CREDENTIALS_PASSWORD_H
#define PENSTOCK_COMMAND_CREDENTIALS_PASSWORD_H

#include "access/credentials.h"
#include "base/bytes.h"
#include "base/error.h"

/* Hashes what the file holds, "-": standard input; NULL, or where that is a terminal: what is typed there twice, and not shown. */
int credentials_password_take(struct password *ret_password, const char *file, struct error *error);

/* Each line of a file that mosquitto_passwd has written. */
typedef int credentials_mosquitto_fn(
    void *context, const char *user, struct password *password, struct error *error);

int credentials_mosquitto_each(
    const char *file, credentials_mosquitto_fn *take, void *context, struct error *error);

#endif
