/* kafka_position: see kafka_position.h */
#include "outlet/kafka_position.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define POSITION_VERSION 1

int kafka_position_encode(const struct kafka_position *position, struct bytes *value, struct error *error)
{
    const struct journal_cursor *cursor = &position->cursor;

    return bytes_print(value, error,
        "{\"version\":%d,\"log\":\"%016" PRIx64 "\",\"epoch\":%" PRIu32 ",\"sequence\":%" PRIu64
        ",\"base\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dead_lettered\":%" PRIu64
        ",\"not_for_outlet\":%" PRIu64 ",\"damaged\":%" PRIu64 "}",
        POSITION_VERSION, position->log, position->epoch, cursor->position, cursor->base, cursor->delivered,
        cursor->dead_lettered, cursor->not_for_outlet, cursor->damaged);
}

struct member {
    const char *name;
    uint64_t *number;
};

static bool position_take(const json_t *object, struct kafka_position *position, uint64_t *ret_epoch)
{
    struct journal_cursor *cursor = &position->cursor;
    const struct member members[] = {{"epoch", ret_epoch}, {"sequence", &cursor->position},
        {"base", &cursor->base}, {"delivered", &cursor->delivered}, {"dead_lettered", &cursor->dead_lettered},
        {"not_for_outlet", &cursor->not_for_outlet}, {"damaged", &cursor->damaged}};
    const char *log = json_string_value(json_object_get(object, "log"));

    if (json_integer_value(json_object_get(object, "version")) != POSITION_VERSION || !log ||
        strlen(log) != 16 || strspn(log, "0123456789abcdef") != 16)
        return false;
    position->log = strtoull(log, NULL, 16);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const json_t *number = json_object_get(object, members[i].name);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return false;
        *members[i].number = (uint64_t)json_integer_value(number);
    }
    return cursor->position == cursor->base + cursor->delivered + cursor->dead_lettered +
                                   cursor->not_for_outlet + cursor->damaged;
}

int kafka_position_decode(struct slice value, struct kafka_position *ret_position, struct error *error)
{
    struct kafka_position position = {0};
    uint64_t epoch = 0;
    json_t *object = json_loadb(value.data, value.length, JSON_REJECT_DUPLICATES, NULL);
    const bool taken = position_take(object, &position, &epoch) && epoch <= UINT32_MAX;

    json_decref(object);
    if (!taken)
        return error_set(error, ERROR_REJECT, "it is no position of version %d: %.*s", POSITION_VERSION,
            (int)(value.length < 100 ? value.length : 100), value.data);
    position.epoch = (uint32_t)epoch;
    *ret_position = position;
    return 0;
}
