/* config_harness: a directory of its own with one configuration file in it, and the errors of loading that. */
#ifndef PENSTOCK_TESTS_CONFIG_HARNESS_H
#define PENSTOCK_TESTS_CONFIG_HARNESS_H

#include "base/config.h"

#define FILE_NAME "p.yaml"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Around each test. */
void config_harness_enter(void);
void config_harness_leave(void);

void config_harness_write(const char *text, size_t length);
struct config *config_harness_load(const char *text);
struct config *config_harness_load_set(const char *set);

/* All errors as one text, none twice or lost; frees the config. */
void config_harness_expect_errors(struct config *config, const char *expected);
void config_harness_expect_none(struct config *config);

#endif
