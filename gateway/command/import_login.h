/* import_login: from the words of a log-in to one that a database can be opened with: secrets leave the command line, a password is asked for, and signals end what waits.
 * @thread main
 */
#ifndef PENSTOCK_COMMAND_IMPORT_LOGIN_H
#define PENSTOCK_COMMAND_IMPORT_LOGIN_H

#include <stdatomic.h>

#include "command/import_options.h"

#define IMPORT_PASSWORD_MAX 1024

/* Set by the first SIGINT or SIGTERM, once they are caught; the second one ends the program. */
extern atomic_bool import_stop;
void import_login_catch_signals(void);

/* What is typed at the terminal, which does not show it. */
int import_login_ask(char password[static IMPORT_PASSWORD_MAX], struct error *error);

/* Completes options->login, which points to password from then on: the caller writes over it. What was secret in argv is written over here. */
int import_login_take(
    struct import_options *options, char password[static IMPORT_PASSWORD_MAX], struct error *error);

#endif
