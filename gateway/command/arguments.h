/* arguments: the command line that all commands share (-c FILE, --set NAME=VALUE), the words of those that take some, and the
 * way from there to a configuration. @thread main
 */
#ifndef PENSTOCK_COMMAND_ARGUMENTS_H
#define PENSTOCK_COMMAND_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"

/* Something that can be printed instead of checking, e.g. option_print_schema(). */
typedef int arguments_print_fn(struct bytes *text, struct error *error);

struct arguments {
    const char *file; /* NULL: the defaults alone */
    const char **sets; /* in the order given; the array is owned, the strings are argv's */
    size_t sets_count;
    const char **words; /* what is no option, of commands that take words; the array is owned */
    size_t words_count;
    const char *limit; /* dead-letters only: as written; NULL: none */
    bool all; /* dead-letters only */
    const char *directory; /* journal only, as the others up to payload; NULL: that of gateway.data */
    bool json;
    const char *from, *to, *stream, *queued; /* as written; NULL: none */
    bool payload;
    const char *credentials; /* credentials only, as the next: a file; NULL: that of access.credentials */
    const char *streams, *keys, *rate, *certificate, *admin; /* as written; NULL: none */
    const char *password_file; /* "-": standard input */
    bool ask_password;
    const char *location, *table; /* ddl only */
    bool help;
    bool version;
    arguments_print_fn *print; /* check only; NULL: nothing */
};

/* argv[0] is the command's name. Fills what has to be freed also when it fails. ERROR_REJECT says what is wrong and what
 * is allowed. */
int arguments_parse(struct arguments *ret_arguments, int argc, char **argv, struct error *error);
void arguments_free(struct arguments *arguments);

/* Parses, and does what --help and --version ask for. Returns true when the command has to go on; otherwise it is
 * done and *ret_status is its exit status. */
bool arguments_take(struct arguments *ret_arguments, int argc, char **argv, int *ret_status);

/* The configuration that they name. NULL after its errors, all of them, were written to standard error; those that
 * only compiling its streams finds are among them. */
struct config *arguments_load(const struct arguments *arguments);

/* The same without what only compiling its streams and reading its files finds. */
struct config *arguments_read(const struct arguments *arguments);

/* As arguments_load(), but what is wrong is appended to errors, a line each. */
struct config *arguments_load_again(const struct arguments *arguments, struct bytes *errors);

/* For --help. */
int arguments_print_help(struct bytes *text, struct error *error);

#define cleanup_arguments __attribute__((cleanup(arguments_free)))

#endif
