/* journal: what the subcommands of `penstock journal` share. @thread main */
#ifndef PENSTOCK_COMMAND_JOURNAL_H
#define PENSTOCK_COMMAND_JOURNAL_H

#include "command/arguments.h"
#include "journal/view.h"
#include "pipeline/states.h"

struct journal_command {
    const struct arguments *arguments;
    struct config *config;
    const char *directory; /* of the journal */
    uint64_t from, to; /* of export: sequences */
};

/* Writes its result to standard output. -1: exit status 1, and the error is told. */
typedef int journal_verb_fn(const struct journal_command *command, struct error *error);

journal_verb_fn journal_inspect_run;
journal_verb_fn journal_verify_run;
journal_verb_fn journal_export_run;
journal_verb_fn journal_forget_run;

/* A journal as it is found, whatever becomes of it meanwhile. */
struct journal_look {
    struct journal_view *view;
    struct states states; /* with `state`: what it holds */
};

/* Begins anew, a bounded number of times, while the gateway frees what is being read. ERROR_REJECT: there is no segment in the directory. */
int journal_look_open(
    struct journal_look *ret_look, const struct journal_command *command, bool state, struct error *error);
void journal_look_close(struct journal_look *look);

#define cleanup_journal_look __attribute__((cleanup(journal_look_close)))

#endif
