/* example: see example.h */
#include "pipeline/example.h"

#include <string.h>

/* Would the example be accepted by this stream? */
static bool example_suits(const struct stream *stream)
{
    return stream && stream->format == RECORD_FORMAT_JSON &&
           (stream->key.source == SELECTOR_NONE ||
               (stream->key.source == SELECTOR_POINTER && !strcmp(stream->key.name, "/sensor_id")));
}

int example_print(const struct source_kind *http, const struct source *source, const struct streams *streams,
    bool asks, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes places;

    bytes_init(&places, 64 * 1024);
    if (http->describe(source, &places, error) || bytes_add(&places, "", 1, error))
        return -1;
    const char *url = strstr(places.data, "http://");
    if (!url || !example_suits(streams_find(streams, slice_of("readings"))))
        return 0;
    return bytes_print(text, error,
        "curl %s-d '{\"sensor_id\":\"SENSOR_1\",\"wattage\":812.5}' %.*s/readings\n",
        asks ? "-H \"Authorization: Bearer $SECRET\" " : "", (int)strcspn(url, "\n"), url);
}
