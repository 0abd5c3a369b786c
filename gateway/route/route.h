/* route: the pure functions on both sides of the journal.
 *
 * In front: which stream, and where its key, labels and time come from (struct stream, compiled once from the
 * configuration). Behind: templates that render paths and topics from a stored record. And which of them are in force (struct plan, behind one atomic pointer).
 * No I/O, no globals. @thread main compiles and puts in force; what is compiled is constant, any.
 */
#ifndef PENSTOCK_ROUTE_ROUTE_H
#define PENSTOCK_ROUTE_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"
#include "decode/decode.h"
#include "record/record.h"

/* ---- selectors: where a value comes from ------------------------------------------------------------------- */

enum selector_source {
    SELECTOR_NONE,
    SELECTOR_POINTER, /* "/a/b": a JSON pointer into the record */
    SELECTOR_HEADER, /* "header:Host": a request header */
    SELECTOR_QUERY, /* "query:site": a parameter of the URL */
    SELECTOR_PATH, /* "path:key": the URL's second segment */
    SELECTOR_TOPIC, /* "topic:site": the level of the MQTT topic that its pattern calls {site} */
    SELECTOR_MQTT, /* "mqtt:client_id": what else is known of an MQTT message, see source/mqtt_facts.h */
    SELECTOR_FILE, /* "file:site": what a watch's pattern calls {site} in the file's path; or file:path, file:name, file:host */
    SELECTOR_LINE, /* "line:site": what a watch's pattern for records calls (?<site>...) */
};

/* All that may follow "mqtt:". */
#define SELECTOR_MQTT_TABLE(X) \
    X(client_id)               \
    X(user)                    \
    X(topic)                   \
    X(qos)                     \
    X(retain)                  \
    X(dup)                     \
    X(will)                    \
    X(content_type)            \
    X(response_topic)          \
    X(correlation_data)        \
    X(expiry)                  \
    X(payload_format)

struct selector {
    enum selector_source source;
    char *name; /* pointer text, header, parameter; owned */
    size_t index; /* of the pointer among the stream's pointers (SELECTOR_POINTER) */
};

/* ---- streams ----------------------------------------------------------------------------------------------- */

struct template;

struct stream {
    char name[RECORD_STREAM_NAME_MAX + 1];
    size_t
        place; /* among all streams that there have been since the start, from 1: where sources keep what is theirs of it */
    bool kept; /* of a plan that was in force: owned by the routes */
    enum record_format format;
    struct selector key;
    struct selector labels[RECORD_LABELS_MAX];
    char *label_names[RECORD_LABELS_MAX]; /* owned */
    size_t labels_count;
    struct selector sequence; /* SELECTOR_NONE: records are not deduplicated; else there is a key */
    bool sequence_stores_old; /* what is too far behind is stored, perhaps twice; else it is not */
    struct selector time; /* SELECTOR_NONE, SELECTOR_POINTER or SELECTOR_LINE */
    struct time_format time_format; /* text "": RFC 3339 */
    int64_t time_past, time_future;
    char **pointers; /* all JSON pointers that its selectors need, each once; owned */
    size_t pointers_count;
    struct schema *
        schema; /* that records are held against; set by the pipeline before the sources run; NULL: none; owned */
    uint64_t key_rate; /* records per second of one key; 0: as many as come */
    uint64_t schema_hash; /* of its text; 0: none */
    bool schema_pass; /* what it does not allow is marked, not refused */
    char *lake_path; /* template text, checked; owned */
    struct form form; /* of its files; set by the pipeline before the sources run */
    char *topics[RECORD_TOPICS_MAX]; /* template texts, checked; owned */
    struct template
        *topic_templates[RECORD_TOPICS_MAX]; /* NULL: constant, nothing to check per record; owned */
    size_t topics_count;
    enum record_value value;
    struct rendering_header headers[RECORD_LABELS_MAX]; /* name owned */
    size_t headers_count;
    uint64_t
        max_message; /* largest message that its outlet takes, key and headers included; 0: no limit. Set by the
                           * pipeline before the sources run, constant afterwards */
    char *ack; /* what a POST waits for where it does not say: fsync, memory, delivered; owned */
    unsigned
        ack_outlets; /* journal_outlet_bit() of those that "delivered" means; set by the pipeline before the sources run */
    _Atomic bool
        suspended; /* its dead letters have used up their quota: until letters are taken away its sources are refused */
    uint64_t journal_share; /* percent of the journal that its records may take; 0: all of it */
    const _Atomic bool *
        over_share; /* they take more: until outlets have delivered, its sources are refused; NULL: there is no
                                     * such limit. Set by the pipeline before the sources run */
    uint32_t rendering; /* id; set by the pipeline once the rendering is durable, constant afterwards */
};

struct streams {
    struct stream **items;
    size_t count;
};

/* Compiles every stream; what is wrong is reported to the config at its place (all of it), and -1 returned. Names of
 * streams and labels, formats and numbers of labels were checked by the config itself. */
int streams_compile(struct streams **ret_streams, struct config *config, struct error *error);
/* Also one that is kept. */
void stream_free(struct stream **stream);
/* With those that are not kept. */
void streams_free(struct streams **streams);

/* Takes one away, before anything knows it. @thread main */
void streams_drop(struct streams *streams, size_t index);

/* NULL when there is none of that name. */
struct stream *streams_find(const struct streams *streams, struct slice name);

/* Whether its sources are refused at the moment. @thread any */
static inline bool stream_is_over_share(const struct stream *stream)
{
    return stream->over_share && atomic_load_explicit(stream->over_share, memory_order_relaxed);
}

static inline bool stream_is_suspended(const struct stream *stream)
{
    return atomic_load_explicit(&stream->suspended, memory_order_relaxed) || stream_is_over_share(stream);
}

/* The stream's rendering as it would be stored (id 0). */
int stream_rendering(const struct stream *stream, struct rendering **ret_rendering, struct error *error);

/* ---- topics of MQTT ------------------------------------------------------------------------------------------
 * Which stream a message belongs to. A pattern is a topic filter (MQTT 5.0 section 4.7) whose levels may have names: "grid/{sensor_id}/+/#".
 * {NAME} and + stand for one level, {NAME} not for an empty one; # at the end for all that follow, and for none.
 * As in a filter, neither stands for a first level that begins with '$'. */

#define TOPIC_CAPTURES_MAX 16
#define TOPIC_LEVELS_MAX 32 /* of a pattern */
#define TOPIC_LENGTH_MAX 65535

struct topic_map;

struct topic_match {
    const struct stream *stream;
    const char *pattern;
    struct slice key; /* data NULL: the topic says none */
    size_t captures_count;
    struct {
        const char *name; /* the map's */
        struct slice value; /* in the topic */
    } captures[TOPIC_CAPTURES_MAX];
};

/* Compiles mqtt.topics; an empty one means readings/{sensor_id} for the stream readings, if there is one. What is wrong is reported to the
 * config at its place and -1 returned: a pattern that is none, two that match the same topics, a name twice, an unknown stream; and a
 * stream whose key is topic:NAME that a pattern leads to without such a level, or one of whose labels is and none of its patterns has it.
 * The capture that is the key: the one called "key", else the one called like the last token of the stream's key pointer ("/sensor_id");
 * none where the stream's key is topic:NAME and the pattern has that level. streams NULL, for those that do not compile: the patterns
 * are judged, and -1 returned. */
int topic_map_compile(
    struct topic_map **ret_map, struct config *config, const struct streams *streams, struct error *error);
void topic_map_free(struct topic_map **map);

/* The most specific pattern that matches: at the first level where two differ, text before {NAME} before + before #, and an end before #.
 * topic is a topic name as MQTT allows it. false: none does. */
bool topic_map_match(const struct topic_map *map, struct slice topic, struct topic_match *ret_match);

/* ---- what is in force ----------------------------------------------------------------------------------------------
 * A plan is what a reload may change: the limits, which streams there are, and which topics lead to them. It is never changed itself: another one takes its place, and streams that
 * are the same are in both. Whoever has looked at one may go on with it, for plans and streams stay until the end; so there is a most of both. */

#define ROUTES_SPARE 1000 /* streams that reloads may bring since the start, new or changed, */
#define ROUTES_PLANS_MAX 1000 /* and plans */

struct plan {
    struct plan *before; /* that it has replaced */
    struct config limits; /* the start's configuration; its numbers are those that are in force */
    struct streams *streams; /* owned, as the next */
    struct topic_map *topics; /* mqtt.topics */
};

struct routes {
    _Atomic(struct plan *) now;
    size_t plans;
    _Atomic size_t places; /* the highest place of a stream */
    size_t most; /* places that there may be */
    struct stream **kept; /* by place less 1; owned */
    _Atomic bool
        unmapped_suspended; /* as a stream's `suspended`, for what belongs to no stream (RECORD_NO_RENDERING) */
};

/* The first plan; takes streams and topics over, also when it fails. @thread main, as the next two */
int routes_new(struct routes **ret_routes, const struct config *config, struct streams **streams,
    struct topic_map **topics, struct error *error);
void routes_free(struct routes **routes);
/* Another plan, whose streams are new or of the one that is in force. Takes them over, and nothing when it fails. ERROR_REJECT: there have been too many. */
int routes_change(struct routes *routes, const struct config *limits, struct streams **streams,
    struct topic_map **topics, struct error *error);

/* Whether there is room for a plan with these. */
int routes_check(const struct routes *routes, const struct streams *streams, struct error *error);

static inline const struct plan *routes_now(const struct routes *routes)
{
    return atomic_load_explicit(&routes->now, memory_order_acquire);
}

/* 0 for what belongs to no stream. */
static inline size_t stream_place(const struct stream *stream)
{
    return stream ? stream->place : 0;
}

/* Whether sources are refused at the moment; stream NULL: for what belongs to none. */
static inline bool streams_suspended(const struct routes *routes, const struct stream *stream)
{
    return stream ? stream_is_suspended(stream)
                  : atomic_load_explicit(&routes->unmapped_suspended, memory_order_relaxed);
}

/* ---- templates --------------------------------------------------------------------------------------------- */

#define TEMPLATE_LENGTH_MAX 1024 /* bytes of a template's text */
#define TEMPLATE_COMPONENTS_MAX 12 /* directories in a path */
#define TEMPLATE_COMPONENT_MAX 255 /* bytes of one directory's name */

/* "grid/sensor{key}/dt={time:%Y-%m-%d}": {stream}, {key}, {time:FORMAT} (UTC; %Y %m %d %H %M %S %j %s), {time_source}
 * (event, received or outside), {schema_result} (invalid, or ok), and the stream's label names; {key:02}, and so a label: with zeros in front, as many characters at least. Slashes separate directories; what the user wrote stands as
 * it is, but no directory may be empty or start with '.' or '_', for readers skip those.
 * In values these become % and two hex digits: control bytes, each of  " # % ' * + : / = ? [ \ ] ^ { ~  and at the start of
 * a directory '.' and '_'. An empty value becomes __HIVE_DEFAULT_PARTITION__ (%5F_HIVE_DEFAULT_PARTITION__ at the start of
 * a directory). A name longer than TEMPLATE_COMPONENT_MAX is cut and ends in '~' and 32 hex digits: the first half of its SHA-256. */
int template_compile(struct template **ret_template, const char *text, const char *const *labels,
    size_t labels_count, struct error *error);
void template_free(struct template **template);

/* A Kafka topic by the same fields: "SENSOR_ID_{key}". No slash; the user's own text holds Kafka's characters only. */
int template_compile_topic(struct template **ret_template, const char *text, const char *const *labels,
    size_t labels_count, struct error *error);

/* Whether it renders to the same text for all records of a stream. */
bool template_is_constant(const struct template *template);

#define TEMPLATE_TOPIC_MAX 249 /* bytes; Kafka: org.apache.kafka.common.internals.Topic */

/* Appends the topic. Values stand as they are: ERROR_REJECT names the value that holds anything but A-Z a-z 0-9 . _ - or is
 * empty, a topic longer than TEMPLATE_TOPIC_MAX, and the topics "." and "..". */
int template_render_topic(const struct template *template, const char *stream, const struct record *record,
    struct bytes *out, struct error *error);

/* Appends the path (no leading or trailing slash). */
int template_render(const struct template *template, const char *stream, const struct record *record,
    struct bytes *out, struct error *error);

/* A directory NAME=..., which engines read as a column. */
struct template_partition {
    struct slice name; /* in the template's text */
    bool is_date; /* dt={time:%Y-%m-%d} */
};

/* Appends the directories in front that all records of the stream have in common; those behind them are partitions. ERROR_REJECT names one
 * that is none. */
int template_partitions(const struct template *template, const char *stream, struct bytes *directory,
    struct template_partition partitions[TEMPLATE_COMPONENTS_MAX], size_t *ret_count, struct error *error);

#endif
