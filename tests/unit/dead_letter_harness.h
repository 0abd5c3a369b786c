/* dead_letter_harness: letters whose payload follows from a number, a directory for them, and what is found in it. */
#ifndef PENSTOCK_TESTS_DEAD_LETTER_HARNESS_H
#define PENSTOCK_TESTS_DEAD_LETTER_HARNESS_H

#include <criterion/criterion.h>

#include "dead_letter/dead_letter.h"

#define LETTERS_FOUND_MAX 4096

/* What a visit found, in its order. */
struct letters_found {
    size_t count; /* letters */
    unsigned number[LETTERS_FOUND_MAX]; /* of their payloads */
    char reason[256]; /* of the last */
    size_t unreadable; /* lines that are no letters */
};

void letters_start(
    char ret_directory[64]); /* makes an empty directory's name; remove it with letters_end() */
void letters_end(const char *directory);

/* Adds letter `number` of a stream, its payload at least `size` bytes; what dead_letters_add() returns. */
int letters_put(
    struct dead_letters *letters, const char *stream, unsigned number, size_t size, struct error *error);

/* Reads a stream's letters (NULL: all streams'); asserts that each is as it was put. */
void letters_read(const char *directory, const char *stream, struct letters_found *ret_found);

/* Asserts that the stream holds first..last once each, in order, and nothing else. */
void letters_assert(const char *directory, const char *stream, unsigned first, unsigned last);

/* Files whose names fit the pattern: how many, the path of the nth from 0 (until the next call), a file's size. */
size_t letters_files(const char *directory, const char *pattern);
const char *letters_path(const char *directory, const char *pattern, size_t nth);
uint64_t letters_size(const char *path);

#endif
