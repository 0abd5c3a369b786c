/* import_options_harness: a command line of penstock import in, its options or the refusal out. */
#ifndef PENSTOCK_IMPORT_OPTIONS_HARNESS_H
#define PENSTOCK_IMPORT_OPTIONS_HARNESS_H

#include "command/import_options.h"

#define WORDS_MAX 32

extern struct import_options options;
extern struct error error;
extern char *words[WORDS_MAX +
                   1]; /* of the last line, "import" first, in memory of their own, as a process has them */
extern int words_count;

/* Makes these the words of the line, behind "import", until NULL. */
void say(const char *const *line);
int parse(const char *const *line);
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

void expect_taken(const char *const *line);
#define TAKEN(...) expect_taken((const char *const[]){__VA_ARGS__, NULL})
void expect_refused(const char *why, const char *const *line);
#define REFUSED(why, ...) expect_refused(why, (const char *const[]){__VA_ARGS__, NULL})

void forget(void);

#endif
