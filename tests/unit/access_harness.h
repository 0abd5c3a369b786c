/* access_harness: credentials as tests write them, in a file that goes again, and a clock that tests move. */
#ifndef PENSTOCK_TESTS_ACCESS_HARNESS_H
#define PENSTOCK_TESTS_ACCESS_HARNESS_H

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "access/credentials.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

#define RIGHT "abcdefghijklmnopqrstuvwxyz"
#define WRONG "abcdefghijklmnopqrstuvwxyZ"
#define DIGEST_OF_RIGHT "sha256:71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73"
#define DIGEST_ZERO "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static struct error error;

#define LINE(name, digest, more) "{\"name\":\"" name "\",\"secret\":\"" digest "\"" more "}\n"
#define ALL ",\"streams\":[\"*\"]"

#define CERTIFIED(name, certificate) \
    "{\"name\":\"" name "\",\"certificate\":\"" certificate "\",\"streams\":[\"*\"]}\n"

static inline struct credentials *parse(const char *text)
{
    struct credentials *credentials = NULL;

    cr_assert_eq(credentials_parse(&credentials, slice_of(text), "f", &error), 0, "%s", error.text);
    return credentials;
}

static char file[] = "/tmp/penstock-access-XXXXXX";
static int64_t now = 5 * CLOCK_SECOND;

static inline int64_t clock_now(const struct clock *clock)
{
    (void)clock;
    return now;
}

static const struct clock test_clock = {clock_now, clock_now};

static inline const struct config *config_of(const char *name)
{
    static struct config config;

    config.access.credentials = (char *)(uintptr_t)name;
    return &config;
}

static inline void write_file(const char *text)
{
    const int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static inline struct access *access_of(const char *text)
{
    struct access *access = NULL;
    const int fd = mkstemp(file);

    cr_assert_geq(fd, 0);
    close(fd);
    write_file(text);
    cr_assert_eq(access_new(&access, config_of(file), &test_clock, &error), 0, "%s", error.text);
    return access;
}

static inline void end(struct access *access)
{
    access_free(&access);
    unlink(file);
}

#define NOBODY ((struct slice){NULL, 0})
#define NO_ONE (&(const struct access_origin){0}) /* no connection */

#endif
