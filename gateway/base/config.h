/* config: what the user asked for.
 *
 * YAML file, then --set, over the defaults of one option table (base/option.h). A value knows where it came from,
 * so that whoever finds it wrong later (a template, a JSON pointer) reports it at its file, line and column with
 * config_report(). All errors of a configuration are collected, none hides another.
 * Strings are owned by the config and live as long as it does. @thread main while it is read; then constant, any.
 */
#ifndef PENSTOCK_BASE_CONFIG_H
#define PENSTOCK_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/* A list of strings: `[a, b]`, or one string alone. */
struct config_list {
    char **items;
    size_t count;
};

/* A mapping whose names the user chooses: `{event_type: /event_type}`; in the order of the file. */
struct config_pair {
    char *name;
    char *value;
};

struct config_map {
    struct config_pair *items;
    size_t count;
};

/* What files of records are in the lake. */
struct config_files {
    char *format; /* source, parquet, avro, csv */
    char *compression; /* default, none, gzip, snappy, zstd */
    char *misfit; /* dead-letter, rest */
};

/* One entry below `streams:`. Durations are microseconds, sizes bytes, everywhere. */
struct config_stream {
    char *name;
    char *format; /* json, text, bytes */
    char *key; /* JSON pointer, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME; "" for none */
    struct config_map labels;
    struct {
        char *sequence; /* as key; "" for none */
        char *old; /* store, drop */
    } dedupe;
    struct {
        char *field; /* JSON pointer, line:NAME; "" for the received time */
        char *format; /* of texts; "" for RFC 3339 */
        char *zone; /* UTC, local, +01:00 */
        int64_t past;
        int64_t future;
    } time;
    uint64_t key_rate; /* records per second of one key; 0: as many as come */
    char *schema; /* reading.v1, or a file; "" for none */
    char *schema_invalid; /* refuse, pass */
    struct config_list topics; /* templates; none: nothing of it goes to Kafka */
    char *value; /* payload, envelope: what Kafka gets */
    struct config_map headers; /* Kafka header: name of the label whose value it gets */
    struct {
        char *level; /* fsync, memory, delivered: where a request does not say */
        struct config_list outlets; /* kafka, lake; none: kafka for a stream with topics, else the lake */
    } ack;
    struct {
        char *path; /* template */
        struct config_files files;
    } lake;
    uint64_t journal_share; /* percent; 0: no limit of its own */
};

/* What a listener shows to its clients, and wants from them. */
struct config_tls {
    char *certificate, *key; /* files; "": no TLS */
    char *client_ca; /* file; "": clients are not asked for certificates */
    char *clients; /* required, optional */
    uint64_t max_handshakes; /* of each thread */
};

/* One entry below `mqtt.subscribe:`. */
struct config_subscription {
    char *name;
    char *url; /* mqtt://HOST:PORT, mqtts://HOST:PORT */
    struct config_list filters;
    char *version; /* 3.1.1, 5 */
    char *client_id; /* "": gateway id and name */
    char *user;
    char *password_file;
    struct {
        char *ca; /* file; "": what the system trusts */
        char *certificate, *key;
    } tls;
    int64_t keep_alive;
    int64_t session_expiry; /* 0: never; MQTT 5 only, as the window */
    uint64_t window; /* Receive Maximum */
    uint64_t batch; /* messages per hand-over */
    struct {
        int64_t least, most;
    } reconnect;
};

/* One entry below `files:`. */
struct config_watch {
    char *name;
    struct config_list watch; /* patterns; or: */
    struct config_list spool; /* directories, or patterns */
    struct config_list exclude; /* patterns */
    char *stream;
    char *read_from; /* beginning, end, or a time (RFC 3339) */
    char *long_lines; /* split, truncate, dead-letter */
    uint64_t max_line;
    char *encoding; /* utf-8, utf-16, utf-16le, utf-16be, latin-1 */
    char *invalid; /* pass, replace, fail */
    struct {
        char *preset; /* none, java, python, go; or: */
        char *start, *next; /* patterns; "": none */
        int64_t timeout;
        uint64_t max_lines;
    } multiline;
    char *pattern; /* whose groups are line:NAME; "": none */
    int64_t scan; /* between two looks at the directories */
    bool events; /* inotify */
    int64_t rotate_wait; /* from the last line of a rotated file to its end */
    int64_t idle; /* until a line without its end counts as whole; 0: never */
    int64_t close_after; /* a file without anything new */
    uint64_t rate; /* bytes per second; 0: as fast as it goes */
    uint64_t max_open;
    bool follow_symlinks;
    bool hard_links;
    char *records; /* lines, csv; in a spool also: file */
    char *delimiter; /* of csv */
    bool numbers;
    /* of a spool */
    char *complete; /* closed, quiet, marker */
    int64_t quiet;
    char *marker; /* behind the name */
    char *order; /* time, name */
    char *done; /* keep, archive, rename, delete */
    char *after; /* journal, outlets */
    char *archive, *failed; /* directories below the root of its pattern */
    char *suffix;
};

/* One entry below `land.topics:`. */
struct config_land_topic {
    char *name;
    struct config_list topic; /* names, or ^patterns */
    char *path; /* template */
    char *format; /* json, text, bytes */
    char *schema; /* reading.v1, or a file; "" for none */
    struct config_files lake;
    char *key; /* JSON pointer; "": the message's own */
    char *time; /* JSON pointer; "": the message's own */
    struct config_map labels; /* JSON pointer, header:NAME */
};

struct config {
    struct {
        char *id; /* "" until the pipeline puts the host's name in */
        char *data; /* directory */
        int64_t grace; /* how long a stop may take */
        char *user; /* whom root becomes; "": it stays */
    } gateway;
    struct {
        uint64_t max_size;
        uint64_t segment_size;
    } journal;
    struct {
        char *credentials; /* file; "": nobody is asked for any */
        uint64_t address_rate; /* records per second; 0: as many as come */
    } access;
    struct {
        struct config_list listen; /* ADDRESS:PORT, unix:/PATH */
        bool anonymous; /* on loopback and on Unix sockets */
        struct {
            char *mode; /* of chmod(1) */
            char *group; /* "": the system's */
        } socket;
        struct config_tls tls;
    } admin;
    struct {
        struct config_list listen;
        bool anonymous; /* listening beyond loopback without credentials was asked for */
        struct config_tls tls;
        uint64_t threads; /* 0: as many as suit this machine */
        uint64_t max_body;
        uint64_t max_record;
        uint64_t max_records; /* per request */
        uint64_t max_connections;
        uint64_t max_connections_per_address; /* 0: no limit */
        struct config_list trusted_proxies; /* loopback, addresses, networks */
        uint64_t max_in_flight; /* bytes of bodies held at once, all requests together */
        uint64_t max_in_flight_per_address; /* of unfinished bodies; 0: no limit */
        int64_t head_timeout;
        int64_t idle_timeout;
        int64_t body_timeout; /* until then a body may come at any rate; then at least min_rate on average */
        uint64_t min_rate; /* bytes per second */
        int64_t commit_timeout; /* then 504, outcome unknown */
        int64_t delivery_timeout; /* of Penstock-Ack: delivered; then 202 */
        uint64_t max_deliveries; /* requests that wait for theirs */
        uint64_t max_deliveries_per_address; /* 0: no limit */
        struct {
            uint64_t max_keys;
            int64_t keep;
        } idempotency;
    } http;
    struct {
        struct config_list listen;
        bool anonymous; /* as http's */
        struct config_tls tls;
        uint64_t threads;
        struct config_map topics; /* pattern: stream; none: readings/{sensor_id} */
        char *unmapped; /* dead-letter, refuse */
        uint64_t max_packet;
        uint64_t max_records; /* per message */
        uint64_t max_connections;
        uint64_t max_new_per_address; /* without a CONNECT */
        uint64_t max_in_flight; /* messages per connection; its Receive Maximum */
        uint64_t max_unacknowledged; /* bytes, all connections together */
        uint64_t max_topic_aliases; /* per connection */
        int64_t max_keep_alive;
        int64_t connect_timeout; /* until CONNECT is there */
        int64_t packet_timeout; /* until a packet that has begun is there */
        uint64_t max_sessions; /* that outlive their connection */
        int64_t max_session_expiry;
        struct config_subscription *subscribe;
        size_t subscribe_count;
    } mqtt;
    struct config_watch *files;
    size_t files_count;
    const char
        *drop; /* the folder of the entry that there is without a file, which the gateway makes; or NULL */
    struct {
        struct config_map properties; /* librdkafka's; any entry here or in `files` turns the outlet on */
        struct config_map files; /* librdkafka's property: the file that holds its value */
        char *delivery; /* at-least-once, exactly-once */
        int64_t transaction_every;
        uint64_t max_topics;
        char *unwritable_topic; /* hold, dead-letter */
        int64_t hold_retry; /* between two looks at a held topic */
        struct {
            uint64_t partitions; /* 0: topics are not created */
            uint64_t replication; /* 0: the broker's default */
        } create_topics;
    } kafka;
    struct {
        uint64_t quota; /* bytes per stream; above it sources of the stream wait */
    } dead_letters;
    struct config_lake {
        bool enabled;
        char *url; /* file:///..., or a path, or what a store takes; "" means DATA/lake */
        uint64_t max_open_files;
        struct {
            uint64_t size;
            int64_t every;
            uint64_t records;
            int64_t idle;
        } roll;
        uint64_t connections;
        char *ca; /* file */
        struct {
            char *endpoint; /* http://..., https://...; "": Amazon's of the region */
            char *region;
            char *path_style; /* auto, always, never */
            char *credentials; /* file; "": the environment */
            char *profile;
            uint64_t part_size;
            char *encryption; /* none, AES256, aws:kms */
            char *kms_key;
        } s3;
        struct {
            char *user; /* "": the process's */
            char *token; /* file */
            struct config_list name_nodes; /* HOST:PORT, besides the URL's */
            struct config_list redirects; /* patterns of hosts */
        } hdfs;
    } lake;
    struct {
        char *group;
        char *spool; /* directory */
        char *from; /* earliest, latest, a time */
        char *dead_letters; /* template */
        struct config_map properties; /* librdkafka's, of the consumer */
        struct config_land_topic *topics;
        size_t topics_count;
    } land;
    struct {
        char *level; /* debug, info, warn, error */
        char *format; /* text, json */
    } log;

    struct config_stream *streams; /* the two default streams, overridden and extended by the file's */
    size_t streams_count;

    struct config_store *store; /* private: origins, errors, owned strings */
};

/* Reads file (NULL: no file, the defaults alone), then each "name=value" of sets. Always leaves what config_free() and
 * config_errors() take; errors are collected, see config_errors(). Returns -1 only when the file cannot be read to its
 * end (not there, a syntax error) or memory is gone: what is not known cannot be
 * judged, so nobody should compile such a config. The reason is among the errors too. file outlives the config. */
int config_load(struct config **ret_config, const char *file, const char *const *sets, size_t sets_count);

void config_free(struct config **config);

/* Adds an error about a value: field is the address of a member of this config (a string, number, list, one item of a list,
 * one item's `value` of a map, or a whole stream). The message gets "FILE:LINE:COLUMN: NAME: " or "--set NAME: " or "default of NAME: " in
 * front. Of a value that was refused already, with the default or nothing in its place now, nothing more is reported. */
void config_report(struct config *config, const void *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends what config_report() puts in front of a message. */
void config_print_where(struct config *config, const void *field, struct bytes *text);

/* How many errors there are, and all of them, one per line, in the order of the file. */
size_t config_errors(const struct config *config);
int config_print_errors(const struct config *config, struct bytes *text, struct error *error);

/* The effective configuration as YAML, each value followed by a comment that names its source. */
int config_print(const struct config *config, struct bytes *text, struct error *error);

/* ---- another one in its place ------------------------------------------------------------------------------------
 * What a reload takes over is said by the rows of the table (option_is_live()); all else takes a start. */

/* Whether both have the same elements of this collection ("streams"), in the same order. */
bool config_same_elements(const struct config *one, const struct config *other, const char *collection);
bool config_same_map(const struct config_map *one, const struct config_map *other);
bool config_same_stream(const struct config_stream *one, const struct config_stream *other);

/* Appends the names of what differs and takes a start, ", " between them. */
int config_print_pending(
    const struct config *now, const struct config *fresh, struct bytes *names, struct error *error);

/* Takes over the numbers that a reload may change; all else of `limits` stays. ERROR_REJECT: one does not go with what takes a start, and
 * nothing is changed. */
int config_adopt(struct config *limits, const struct config *fresh, bool *ret_changed, struct error *error);

#endif
