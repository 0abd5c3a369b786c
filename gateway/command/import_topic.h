/* import_topic: the client of `penstock import --to kafka:TOPIC`, whose properties are checked as those of the gateway. @thread main */
#ifndef PENSTOCK_COMMAND_IMPORT_TOPIC_H
#define PENSTOCK_COMMAND_IMPORT_TOPIC_H

#include "command/import_options.h"

struct import_topic {
    struct config *config;
    struct kafka_client *client;
    struct job_topic job; /* the options' words; must not outlive them */
};

/* Contacts nobody. ERROR_REJECT says what is wrong with the properties, all of it. */
int import_topic_open(
    struct import_topic *ret_topic, const struct import_options *options, struct error *error);
/* Takes what was zeroed. */
void import_topic_close(struct import_topic *topic);

#endif
