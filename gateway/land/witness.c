/* witness: see internal.h; a note is "penstock 1 OFFSET TIME CHECKSUM" */
#include "land/internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"

void land_witness_take(struct land_witness *witness, const struct kafka_record *record)
{
    uint32_t checksum = 0;

    if (record->key.length)
        checksum = crc32c(checksum, record->key.data, record->key.length);
    if (record->value.length)
        checksum = crc32c(checksum, record->value.data, record->value.length);
    *witness = (struct land_witness){record->offset, record->time, checksum};
}

void land_witness_print(const struct land_witness *witness, char ret_note[KAFKA_NOTE_MAX])
{
    ret_note[0] = '\0';
    if (witness->offset >= 0)
        snprintf(ret_note, KAFKA_NOTE_MAX, "penstock 1 %" PRId64 " %" PRId64 " %08" PRIx32, witness->offset,
            witness->time, witness->checksum);
}

void land_witness_parse(const char *note, struct land_witness *ret_witness)
{
    struct land_witness found;

    *ret_witness = (struct land_witness){.offset = -1};
    if (sscanf(note, "penstock 1 %" SCNd64 " %" SCNd64 " %" SCNx32, &found.offset, &found.time,
            &found.checksum) == 3 &&
        found.offset >= 0)
        *ret_witness = found;
}

bool land_witness_equal(const struct land_witness *one, const struct land_witness *other)
{
    return one->offset == other->offset && one->time == other->time && one->checksum == other->checksum;
}
