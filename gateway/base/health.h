/* health: what is wrong at the moment, for /readyz and the log.
 *
 * A part of the gateway names a condition ("journal.full", "lake") and sets or clears it. A condition either
 * degrades (records are still accepted) or refuses (they are not). @thread any
 */
#ifndef PENSTOCK_BASE_HEALTH_H
#define PENSTOCK_BASE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#define HEALTH_CONDITIONS_MAX 32

enum health_level { HEALTH_OK, HEALTH_DEGRADED, HEALTH_REFUSING };

struct health_condition {
    char name[48];
    char text[320];
    enum health_level level;
};

/* Sets the condition, or clears it with HEALTH_OK (text is ignored then). The text is copied. */
void health_set(const char *name, enum health_level level, const char *text);

/* Copies the conditions that are not OK; returns their number, ret_worst the worst level of all. */
size_t health_list(struct health_condition *list, size_t size, enum health_level *ret_worst);

#endif
