/* rendering_samples: renderings that the tests of several files store. */
#ifndef PENSTOCK_TESTS_RENDERING_SAMPLES_H
#define PENSTOCK_TESTS_RENDERING_SAMPLES_H

#include <stdio.h>

#include "record/record.h"

static inline struct rendering sample(uint32_t id, const char *stream, char *path)
{
    static char type[] = "event_type", host[] = "host";
    struct rendering rendering = {
        .id = id, .format = RECORD_FORMAT_JSON, .labels = {type, host}, .labels_count = 2, .lake_path = path};

    snprintf(rendering.stream, sizeof rendering.stream, "%s", stream);
    return rendering;
}

static char path_a[] = "a/{key}", path_b[] = "b/{key}";
static char topic_a[] = "INGESTION", topic_b[] = "SENSOR_ID_{key}", name_a[] = "Host", name_b[] = "type";

/* sample() with all that Kafka needs. */
static inline struct rendering sample_topics(uint32_t id)
{
    struct rendering rendering = sample(id, "readings", path_a);

    rendering.topics[0] = topic_a;
    rendering.topics[1] = topic_b;
    rendering.topics_count = 2;
    rendering.value = RECORD_VALUE_ENVELOPE;
    rendering.headers[0] = (struct rendering_header){name_a, 1};
    rendering.headers[1] = (struct rendering_header){name_b, 0};
    rendering.headers_count = 2;
    return rendering;
}

#define TOPICS_JSON                                                                                    \
    "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[\"event_type\",\"host\"],"      \
    "\"lake_path\":\"a/{key}\",\"topics\":[\"INGESTION\",\"SENSOR_ID_{key}\"],\"value\":\"envelope\"," \
    "\"headers\":[{\"name\":\"Host\",\"label\":1},{\"name\":\"type\",\"label\":0}]}"

#endif
