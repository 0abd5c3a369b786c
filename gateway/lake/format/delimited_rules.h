/* delimited_rules: which bytes of a field of delimited text ask for what. Room-internal. @thread any, once made */
#ifndef PENSTOCK_LAKE_FORMAT_DELIMITED_RULES_H
#define PENSTOCK_LAKE_FORMAT_DELIMITED_RULES_H

#include "lake/format/text_out.h"

enum delimited_demand {
    DELIMITED_ENCLOSES = 1, /* the field is enclosed */
    DELIMITED_PREFIXED = 2, /* the byte gets one before it: the escape, or itself */
    DELIMITED_DROPPED = 4, /* the replacement stands in its place */
    DELIMITED_REFUSED = 8, /* no reader could tell that it is not a terminator */
};

#define DELIMITED_SPECIALS 8 /* field, line, CR, LF, enclosure, escape and \01 are seven */
#define DELIMITED_REPLACEMENT_MAX 32

/* Bytes to look for, each eight times; words behind the count repeat the first. */
struct delimited_set {
    uint64_t words[DELIMITED_SPECIALS];
    size_t count;
};

struct delimited_rules {
    uint8_t demands[256]; /* enum delimited_demand, joined */
    char prefixes[256];
    struct delimited_set specials; /* what demands anything */
    struct delimited_set rewritten; /* what is prefixed or dropped */
    char replacement[2 * DELIMITED_REPLACEMENT_MAX]; /* with its prefixes */
    size_t replacement_length;
};

/* The rules of fields that nothing is dropped from. ERROR_REJECT: options that contradict each other. */
int delimited_rules_make(
    struct delimited_rules *ret_rules, const struct delimited_options *options, struct error *error);
/* The same with drop_delimiters or delimiters_replacement, which strings and JSON obey. */
int delimited_rules_dropping(struct delimited_rules *ret_rules, const struct delimited_rules *rules,
    const struct delimited_options *options, struct error *error);

/* What the bytes of the text demand, joined; once it is to be enclosed or refused the rest is not looked at. */
unsigned delimited_demands(const struct delimited_rules *rules, struct slice text);
/* Writes the text with its prefixes, without what has to be dropped. */
int delimited_write(
    struct text_out *out, const struct delimited_rules *rules, struct slice text, struct error *error);

#endif
