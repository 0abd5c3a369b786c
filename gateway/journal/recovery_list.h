/* recovery_list: the files of the directory that have a segment's name, as recovery and views find them. Room-internal. */
#ifndef PENSTOCK_JOURNAL_RECOVERY_LIST_H
#define PENSTOCK_JOURNAL_RECOVERY_LIST_H

#include "journal/internal.h"

struct found {
    struct segment_header header;
    char name[SEGMENT_NAME_SIZE];
    uint64_t size;
    bool sound; /* has a valid header */
    bool half; /* of its two copies one alone */
    bool aside; /* is to be set aside */
    char why[ERROR_TEXT_SIZE];
};

/* Those that are not to be set aside are the journal's list of segments, in the same order. */
struct listing {
    struct found *items;
    size_t count, capacity;
};

int recovery_list(struct journal *journal, struct journal_report *report, struct error *error);
/* The first half of it: what is listed, as it is; nothing is renamed or deleted. The listing is to be freed also when it fails. */
int recovery_list_peek(struct journal *journal, struct listing *ret_listing, struct error *error);
void recovery_list_free(struct listing *listing);

/* Whether the file has the name that its number gives it. */
bool found_name_right(const struct found *found);

/* Whether name is prefix, decimal number, suffix. */
bool name_has_form(const char *name, const char *prefix, const char *suffix, uint64_t *ret_number);

#endif
