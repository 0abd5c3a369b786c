/* health: see health.h */
#include "base/health.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    struct health_condition items[HEALTH_CONDITIONS_MAX]; /* those that are not OK, oldest first */
    size_t count;
} health_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The condition's row, else a free one, else one that matters less, else NULL. @holds health_state.lock */
static struct health_condition *health_find(const char *name, enum health_level level)
{
    struct health_condition *less = NULL;

    for (size_t i = 0; i < health_state.count; i++) {
        struct health_condition *item = &health_state.items[i];
        if (!strncmp(item->name, name, sizeof item->name - 1))
            return item;
        if (item->level < level)
            less = item;
    }
    if (level != HEALTH_OK && health_state.count < HEALTH_CONDITIONS_MAX)
        return &health_state.items[health_state.count++];
    return less;
}

/* @holds health_state.lock */
static void health_remove(struct health_condition *item)
{
    const size_t index = (size_t)(item - health_state.items);

    health_state.count--;
    memmove(item, item + 1, (health_state.count - index) * sizeof *item);
}

void health_set(const char *name, enum health_level level, const char *text)
{
    pthread_mutex_lock(&health_state.lock);
    struct health_condition *item = health_find(name, level);

    if (item && level == HEALTH_OK)
        health_remove(item);
    else if (item) {
        snprintf(item->name, sizeof item->name, "%s", name);
        snprintf(item->text, sizeof item->text, "%s", text);
        item->level = level;
    }
    pthread_mutex_unlock(&health_state.lock);
}

size_t health_list(struct health_condition *list, size_t size, enum health_level *ret_worst)
{
    enum health_level worst = HEALTH_OK;

    pthread_mutex_lock(&health_state.lock);
    const size_t count = health_state.count < size ? health_state.count : size;
    if (count)
        memcpy(list, health_state.items, count * sizeof *list);
    for (size_t i = 0; i < health_state.count; i++) {
        if (health_state.items[i].level > worst)
            worst = health_state.items[i].level;
    }
    pthread_mutex_unlock(&health_state.lock);
    *ret_worst = worst;
    return count;
}
