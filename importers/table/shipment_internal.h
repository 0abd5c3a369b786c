/* shipment_internal: what the files of a shipment share. */
#ifndef PENSTOCK_TABLE_SHIPMENT_INTERNAL_H
#define PENSTOCK_TABLE_SHIPMENT_INTERNAL_H

#include "table/shipment.h"

#define SHIPMENT_PIECE ((size_t)4 << 20) /* of a file that is read again */

struct shipment {
    struct shipment_options options;
    char place[ATTEMPT_PATH_MAX], seen[ATTEMPT_PATH_MAX];
    int lock;
    bool any; /* something was in the target */
    unsigned first;
};

/* To put files; or (looks) to look. */
int shipment_reach(
    const struct shipment *shipment, bool looks, struct deposit **ret_deposit, struct error *error);

#endif
