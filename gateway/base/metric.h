/* metric: the numbers that /metrics shows, in one table.
 *
 * Each metric is one row of METRIC_TABLE: identifier, type, name, label names ("" for none, comma separated), help.
 * The README's table is printed from it. A series is one metric with one set of label values; its address stays valid
 * until the process ends, so a thread looks it up once and adds without a lock. A metric has at most
 * METRIC_SERIES_MAX series; further label values share one series whose values are "other". @thread any
 * Types: COUNTER, GAUGE, HISTOGRAM_SECONDS (50 us to 10 s in steps of 1, 2, 5), HISTOGRAM_COUNT (powers of 4 to 1 Mi).
 * Format: Prometheus text exposition format 0.0.4.
 */
#ifndef PENSTOCK_BASE_METRIC_H
#define PENSTOCK_BASE_METRIC_H

#include <stdint.h>

#include "base/bytes.h"

#define METRIC_SERIES_MAX 256
#define METRIC_LABELS_MAX 3
#define METRIC_LABEL_VALUE_MAX 128 /* bytes; longer ones are cut */

/* clang-format off */
#define METRIC_TABLE(X) \
    X(RECORDS_ACCEPTED, COUNTER, "penstock_records_accepted_total", "source,stream", "Records acknowledged to their sender.") \
    X(RECORDS_REJECTED, COUNTER, "penstock_records_rejected_total", "source,stream,reason", "Records refused with an answer that says why.") \
    X(RECORDS_SCHEMA_INVALID, COUNTER, "penstock_records_schema_invalid_total", "stream", "Records that were taken and marked although their stream's schema does not allow them (schema_invalid: pass).") \
    X(REQUESTS_REFUSED, COUNTER, "penstock_requests_refused_total", "source,status", "Whole requests answered with an error, by status.") \
    X(REQUEST_BYTES, COUNTER, "penstock_request_bytes_total", "source", "Body bytes received.") \
    X(CONNECTIONS, GAUGE, "penstock_connections", "source", "Connections open now.") \
    X(TLS_HANDSHAKES, COUNTER, "penstock_tls_handshakes_total", "listener,outcome", "Handshakes of TLS that were done, and connections that ended before theirs was.") \
    X(TLS_RELOADS, COUNTER, "penstock_tls_reloads_total", "listener,outcome", "Times that certificate and key were read again (SIGHUP).") \
    X(TLS_CERTIFICATE_EXPIRY, GAUGE, "penstock_tls_certificate_expiry_seconds", "listener", "When the certificate ends, or the first one of its chain (seconds since 1970).") \
    X(BODY_BYTES_IN_FLIGHT, GAUGE, "penstock_body_bytes_in_flight", "source", "Bytes of request bodies held now.") \
    X(IDEMPOTENCY_KEYS, GAUGE, "penstock_idempotency_keys", "source", "Keys of requests that are kept with their answers, looked at once a second.") \
    X(IDEMPOTENCY_REPLAYED, COUNTER, "penstock_idempotency_replayed_total", "source", "Repeated requests that got the kept answer; their records were not taken again.") \
    X(IDEMPOTENCY_EVICTED, COUNTER, "penstock_idempotency_evicted_total", "source", "Keys that were given up before their time (http.idempotency.keep) because there were too many.") \
    X(RECORDS_DUPLICATE, COUNTER, "penstock_records_duplicate_total", "stream,kind", "Records that were acknowledged and not stored, because their sequence number had been used by their key (window) or was more than 63 below the highest one (old).") \
    X(RECORDS_UNDECIDED, COUNTER, "penstock_records_undecided_total", "stream", "Records that were stored although they may be duplicates, because their sequence number was more than 63 below the highest one of their key (dedupe.old: store).") \
    X(DEDUPE_KEYS, GAUGE, "penstock_dedupe_keys", "", "Keys whose sequence numbers are known.") \
    X(DEDUPE_EVICTED, COUNTER, "penstock_dedupe_evicted_total", "", "Keys whose sequence numbers were given up for newer keys: what they repeat is stored again.") \
    X(RATE_FORGOTTEN, COUNTER, "penstock_rate_debts_forgotten_total", "", "Times that an address or a key ahead of its rate (access.address_rate, key_rate) was forgotten because too many others were.") \
    X(SUBSCRIBER_CONNECTED, GAUGE, "penstock_subscriber_connected", "broker", "1 while there is a session with the broker of mqtt.subscribe.") \
    X(SUBSCRIBER_RECONNECTS, COUNTER, "penstock_subscriber_reconnects_total", "broker", "Connections behind the first one.") \
    X(SUBSCRIBER_SESSIONS_LOST, COUNTER, "penstock_subscriber_sessions_lost_total", "broker", "Connections at which the broker did not know the session any more: what it held is gone.") \
    X(SUBSCRIBER_TROUBLES, COUNTER, "penstock_subscriber_troubles_total", "broker,reason", "Connections that failed or ended, filters refused, waits for the journal.") \
    X(SUBSCRIBER_BATCH_MESSAGES, HISTOGRAM_COUNT, "penstock_subscriber_batch_messages", "broker", "Messages made durable and acknowledged together.") \
    X(FILES_KNOWN, GAUGE, "penstock_files", "watch", "Files that are read or watched for more.") \
    X(FILES_WAITING, GAUGE, "penstock_files_waiting", "watch", "New files that wait because the journal's state has no room for more (journal.segment_size).") \
    X(FILES_LAG, GAUGE, "penstock_files_lag_bytes", "watch", "Bytes that were seen in files and are not read yet.") \
    X(FILES_OLDEST, GAUGE, "penstock_files_oldest_unread_seconds", "watch", "How long there has been something unread in a file, of the one that has waited longest.") \
    X(FILES_LINES, COUNTER, "penstock_files_lines_total", "watch", "Lines, or records of several, that became records or dead letters.") \
    X(FILES_BYTES, COUNTER, "penstock_files_bytes_total", "watch", "Bytes of these lines.") \
    X(FILES_GAPS, COUNTER, "penstock_files_gaps_total", "watch", "Files that vanished before they were read to their end.") \
    X(FILES_TRUNCATED, COUNTER, "penstock_files_truncated_total", "watch", "Times that a file was cut, and read from its beginning.") \
    X(FILES_FINISHED, COUNTER, "penstock_files_finished_total", "watch", "Files of a spool that were read to their end.") \
    X(FILES_FAILED, COUNTER, "penstock_files_failed_total", "watch", "Files of a spool that could not be taken.") \
    X(FILES_LONG_LINES, COUNTER, "penstock_files_long_lines_total", "watch", "Lines above max_line, and records of several lines above it or multiline.max_lines.") \
    X(FILES_PATTERNS_GIVEN_UP, COUNTER, "penstock_files_patterns_given_up_total", "watch", "Times that looking for a pattern in a line took too many steps; it counts as not found.") \
    X(FILES_UNDECODABLE, COUNTER, "penstock_files_undecodable_lines_total", "watch", "Lines with bytes that are nothing in their encoding; with `invalid: pass` those of UTF-8 are not looked for.") \
    X(COMMIT_SECONDS, HISTOGRAM_SECONDS, "penstock_commit_seconds", "", "Time of one group commit: write and fdatasync.") \
    X(COMMIT_RECORDS, HISTOGRAM_COUNT, "penstock_commit_records", "", "Records in one group commit.") \
    X(JOURNAL_BYTES, GAUGE, "penstock_journal_bytes", "", "Bytes of the journal's segments on disk, reserve included.") \
    X(JOURNAL_FREE_BYTES, GAUGE, "penstock_journal_free_bytes", "", "Bytes that the journal may still take before it refuses.") \
    X(JOURNAL_SEQUENCE, GAUGE, "penstock_journal_sequence", "", "Sequence of the newest durable record.") \
    X(STREAM_BYTES, GAUGE, "penstock_stream_journal_bytes", "stream", "Bytes of the journal that records take which outlets have not passed.") \
    X(STREAM_OVER, COUNTER, "penstock_stream_over_share_total", "stream", "Times that these were more than the stream's journal_share, and its sources began to wait.") \
    X(STREAM_REFUSED, COUNTER, "penstock_stream_refused_total", "source,stream", "Requests answered with 503 because of that; MQTT and files wait instead.") \
    X(JOURNAL_SEGMENTS_RETIRED, COUNTER, "penstock_journal_segments_retired_total", "", "Segments given up after a write or fsync error.") \
    X(JOURNAL_RECORDS_DAMAGED, COUNTER, "penstock_journal_records_damaged_total", "outlet", "Records that the outlet lost to damage of the journal, each named in the log.") \
    X(OUTLET_DELIVERED, COUNTER, "penstock_outlet_delivered_total", "outlet", "Records confirmed by the outlet's store.") \
    X(OUTLET_DEAD_LETTERED, COUNTER, "penstock_outlet_dead_lettered_total", "outlet", "Records that became dead letters.") \
    X(OUTLET_NOT_FOR_OUTLET, COUNTER, "penstock_outlet_not_for_outlet_total", "outlet", "Records that were not meant for the outlet, as those of streams without topics are not meant for Kafka.") \
    X(DEAD_LETTER_BYTES, GAUGE, "penstock_dead_letter_bytes", "", "Bytes of all dead letters kept, those put aside not among them.") \
    X(OUTLET_FILES, COUNTER, "penstock_outlet_files_total", "outlet", "Files published.") \
    X(OUTLET_ERRORS, COUNTER, "penstock_outlet_errors_total", "outlet", "Deliveries that failed and are tried again.") \
    X(OUTLET_LAG_RECORDS, GAUGE, "penstock_outlet_lag_records", "outlet", "Durable records that the outlet has not delivered.") \
    X(OUTLET_LAG_SECONDS, GAUGE, "penstock_outlet_lag_seconds", "outlet", "Age of the oldest durable record not delivered.") \
    X(OUTLET_OPEN_FILES, GAUGE, "penstock_outlet_open_files", "outlet", "Files open in the outlet.") \
    X(OUTLET_HELD, GAUGE, "penstock_outlet_held_records", "outlet", "Records that the cursor has passed and that wait for a held topic.") \
    X(KAFKA_TOPICS, GAUGE, "penstock_kafka_topics", "", "Topics known, of kafka.max_topics.") \
    X(KAFKA_TOPICS_HELD, GAUGE, "penstock_kafka_topics_held", "", "Topics that are missing or forbidden; the log names them all.") \
    X(KAFKA_IN_FLIGHT, GAUGE, "penstock_kafka_in_flight", "", "Messages handed to librdkafka and not yet confirmed.") \
    X(KAFKA_QUEUE_MESSAGES, GAUGE, "penstock_kafka_queue_messages", "", "Messages in librdkafka's queues.") \
    X(KAFKA_QUEUE_BYTES, GAUGE, "penstock_kafka_queue_bytes", "", "Bytes in librdkafka's queues.") \
    X(KAFKA_RETRIES, COUNTER, "penstock_kafka_retries_total", "", "Requests that librdkafka sent again.") \
    X(KAFKA_TRANSACTIONS, COUNTER, "penstock_kafka_transactions_total", "outcome", "Transactions of exactly-once that were committed or aborted; those whose commit was not answered count when brokers have told which it was.") \
    X(KAFKA_COMMIT_SECONDS, HISTOGRAM_SECONDS, "penstock_kafka_commit_seconds", "", "Time of one commit of a transaction of exactly-once.") \
    X(LAND_RECORDS, COUNTER, "penstock_land_records_total", "topic", "Records that penstock land has read and put into open files, dead letters among them.") \
    X(LAND_DEAD_LETTERS, COUNTER, "penstock_land_dead_letters_total", "topic", "Those of them that went to land.dead_letters.") \
    X(LAND_FILES, COUNTER, "penstock_land_files_total", "", "Files that penstock land has published.") \
    X(LAND_OPEN_FILES, GAUGE, "penstock_land_open_files", "", "Files that it has open.") \
    X(LAND_PARTITIONS, GAUGE, "penstock_land_partitions", "state", "Partitions that it has: open ones, those that wait for the lake or the brokers, and those that it has stopped.") \
    X(LAND_LAG_RECORDS, GAUGE, "penstock_land_lag_records", "topic,partition", "Offsets of the partition that it has not read yet.") \
    X(LAND_ERRORS, COUNTER, "penstock_land_errors_total", "", "Times that a partition had to be opened again, because the lake or the brokers failed.") \
    X(KAFKA_BROKER_UP, GAUGE, "penstock_kafka_broker_up", "broker", "1 while there is a connection to the broker.")
/* clang-format on */

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM_SECONDS, METRIC_HISTOGRAM_COUNT };

enum metric_id {
#define METRIC_ENUM(id, type, name, labels, help) METRIC_##id,
    METRIC_TABLE(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

struct metric_series;

/* The series with these label values, in the order of the row's label names; unused ones are NULL. Never NULL. */
struct metric_series *metric_series(
    enum metric_id id, const char *value1, const char *value2, const char *value3);

void metric_add(struct metric_series *series, uint64_t count); /* counters */
void metric_set(struct metric_series *series, double value); /* gauges */
void metric_observe(struct metric_series *series, double value); /* histograms */
uint64_t metric_read(const struct metric_series *series); /* a counter's value, for tests and state pages */

/* Appends the whole page: all series, then process_resident_memory_bytes, process_cpu_seconds_total,
 * process_open_fds, process_start_time_seconds from /proc. */
int metric_print(struct bytes *page, struct error *error);

/* Appends the README's table (Markdown). */
int metric_print_table(struct bytes *page, struct error *error);

#endif
