/* attempt_harness: a folder for each test of attempts, and system calls that fail. */
#ifndef PENSTOCK_ATTEMPT_HARNESS_H
#define PENSTOCK_ATTEMPT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "table/attempt.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The call that is to fail. */
extern struct attempt_fault {
    const char *call; /* NULL: none */
    unsigned at; /* how many of them succeed first */
    int number; /* errno */
    bool once;
    bool met;
    void (*meanwhile)(void); /* it does not fail: this is done before it */
} fault;

/* Once. */
void fail_at(const char *call, unsigned at, int number);
void do_at(const char *call, unsigned at, void (*meanwhile)(void));

/* attempt_lock(), which nobody else has, and attempt_publish(). */
int publish(struct attempt *attempt, struct error *error);

/* An empty folder is the working directory until the end. */
void begin(void);
void end(void);

bool is_there(const char *path);
/* How many names the folder has that start so. */
size_t entries(const char *path, const char *start);
size_t open_files(void);
void put(const char *path, const char *text);
void expect(const char *path, const char *text);
/* What is in the working directory under names that start so. */
void remove_all(const char *start);

#endif
