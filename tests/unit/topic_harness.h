/* topic_harness: a configuration, its streams and its topic map, all of them the real ones. */
#ifndef PENSTOCK_TESTS_TOPIC_HARNESS_H
#define PENSTOCK_TESTS_TOPIC_HARNESS_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"
#include "route/route.h"

#define COUNT(array) (sizeof array / sizeof *array)

struct fixture {
    struct config *config;
    struct streams *streams;
    struct topic_map *map;
    struct error error;
    struct topic_match match;
};

/* The configuration and its streams, from --sets; no map yet. */
void load(struct fixture *f, const char *const *sets, size_t count);
/* And the map. */
void set_up(struct fixture *f, const char *const *sets, size_t count);
void tear_down(struct fixture *f);

bool match(struct fixture *f, const char *topic);

#endif
