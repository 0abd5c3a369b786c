/* intake_harness: see intake_harness.h */
#include "intake_harness.h"

static struct config_pair event_labels[] = {
    {"type", "/event_type"}, {"host", "header:Host"}, {"site", "query:site"}, {"ok", "/ok"}};

static struct config_pair unit_labels[] = {{"type", "/event_type"}, {"unit", "/unit"}};
static struct config_pair line_labels[] = {{"site", "line:site"}, {"host", "header:Host"}};
static struct config_pair unit_headers[] = {{"x-type", "type"}, {"x-unit", "unit"}};
static char *topics[] = {"ALL", "SENSOR_{key}", "{type}-{time:%Y}"};

static struct config_stream config_streams[STREAMS] = {
    [READINGS] = {.name = "readings",
        .format = "json",
        .key = "/sensor_id",
        .dedupe = {"", "store"},
        .time = {"/created_at", "", "UTC", 24 * HOUR, HOUR},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [LINES] = {.name = "lines",
        .format = "text",
        .key = "",
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [BY_HEADER] = {.name = "by_header",
        .format = "text",
        .key = "header:X-Key",
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [KEYLESS] = {.name = "keyless",
        .format = "json",
        .key = "",
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [EVENTS] = {.name = "events",
        .format = "json",
        .key = "",
        .labels = {event_labels, COUNT(event_labels)},
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [TOPICS] = {.name = "topics",
        .format = "json",
        .key = "/sensor_id",
        .labels = {unit_labels, COUNT(unit_labels)},
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .topics = {topics, COUNT(topics)},
        .value = "payload",
        .headers = {unit_headers, COUNT(unit_headers)},
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [WRAPPED] = {.name = "wrapped",
        .format = "json",
        .key = "/sensor_id",
        .labels = {unit_labels, COUNT(unit_labels)},
        .dedupe = {"", "store"},
        .time = {"/at", "", "UTC", 24 * HOUR, HOUR},
        .topics = {topics, 1},
        .value = "envelope",
        .headers = {unit_headers, COUNT(unit_headers)},
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [LOGS] = {.name = "logs",
        .format = "text",
        .key = "",
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .topics = {topics, 1},
        .value = "envelope",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [BLOBS] = {.name = "blobs",
        .format = "bytes",
        .key = "header:X-Key",
        .labels = {unit_labels, COUNT(unit_labels)},
        .dedupe = {"", "store"},
        .time = {"/at", "", "UTC", 24 * HOUR, HOUR},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [WRAPPED_BLOBS] = {.name = "wrapped_blobs",
        .format = "bytes",
        .key = "",
        .dedupe = {"", "store"},
        .time = {"", "", "UTC", 0, 0},
        .topics = {topics, 1},
        .value = "envelope",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [IN_LINES] = {.name = "in_lines",
        .format = "text",
        .key = "line:id",
        .labels = {line_labels, COUNT(line_labels)},
        .dedupe = {"", "store"},
        .time = {"line:time", "", "UTC", 24 * HOUR, HOUR},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [ONCE] = {.name = "once",
        .format = "json",
        .key = "/sensor_id",
        .dedupe = {"/seq", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "envelope",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [ONCE_IN_HEADER] = {.name = "once_in_header",
        .format = "json",
        .key = "/sensor_id",
        .dedupe = {"header:X-Key", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
    [ONCE_IN_LINES] = {.name = "once_in_lines",
        .format = "text",
        .key = "header:X-Key",
        .dedupe = {"line:id", "store"},
        .time = {"", "", "UTC", 0, 0},
        .value = "payload",
        .schema = "",
        .schema_invalid = "refuse",
        .lake = {.path = "{stream}", .files = {"source", "default", "dead-letter"}}},
};

static void request_look(void *context, struct slice payload)
{
    struct request *request = context;

    request->looked++;
    request->line = payload;
}

/* Its word of this number. */
static struct slice line_word(struct slice line, size_t number)
{
    for (size_t at = 0; at < line.length; at++) {
        const char *from = line.data + at, *blank = memchr(from, ' ', line.length - at);
        const size_t length = blank ? (size_t)(blank - from) : line.length - at;
        if (number-- == 0)
            return (struct slice){from, length};
        at += length;
    }
    return (struct slice){NULL, 0};
}

static struct slice request_find(void *context, enum selector_source source, const char *name)
{
    struct request *request = context;

    request->asked++;
    if (source == SELECTOR_LINE)
        return line_word(request->line, strcmp(name, "id") == 0 ? 0 : strcmp(name, "site") == 0 ? 1 : 2);
    if (source == SELECTOR_HEADER && (strcmp(name, "Host") == 0 || strcmp(name, "X-Key") == 0))
        return request->header;
    return source == SELECTOR_QUERY && strcmp(name, "site") == 0 ? request->query : (struct slice){NULL, 0};
}

static char fsync_level[] = "fsync";

void set_up_with(struct fixture *f, size_t parts_limit, struct intake_limits limits)
{
    struct config config = {.streams = config_streams, .streams_count = STREAMS};

    *f = (struct fixture){
        .facts = {.find = request_find, .look = request_look, .origin = SLICE("10.0.0.1"), .received = NOW}};
    f->facts.context = &f->request;
    for (size_t i = 0; i < STREAMS; i++)
        config_streams[i].ack.level = fsync_level;
    cr_assert_eq(streams_compile(&f->streams, &config, &f->error), 0, "%s", f->error.text);
    for (size_t i = 0; i < STREAMS; i++)
        f->streams->items[i]->rendering = (uint32_t)(100 + i);
    cr_assert_eq(intake_new(&f->intake, f->streams, f->streams->count, &limits, &f->error), 0);
    handover_init(&f->handover, parts_limit, NULL, NULL);
    bytes_init(&f->body, 64 * 1024);
}

void set_up(struct fixture *f)
{
    set_up_with(f, 64 * 1024, LIMITS(200, 150));
}

void tear_down(struct fixture *f)
{
    bytes_free(&f->body);
    handover_free(&f->handover);
    intake_free(&f->intake);
    cr_assert_null(f->intake);
    intake_free(&f->intake);
    streams_free(&f->streams);
}

int take(struct fixture *f, int stream, enum decode_form form, struct slice body)
{
    f->error.text[0] = '\0';
    return intake_take(
        f->intake, f->streams->items[stream], form, body, &f->facts, &f->handover, &f->result, &f->error);
}

struct record record_at(struct fixture *f, size_t n)
{
    struct handover_piece piece;
    struct record record;
    size_t position = 0;

    for (size_t i = 0; i <= n; i++)
        cr_assert(handover_next(&f->handover, &position, &piece), "no record %zu", i);
    cr_assert_eq(piece.kind, JOURNAL_KIND_DATA);
    bytes_clear(&f->body);
    cr_assert_eq(bytes_add(&f->body, piece.head.data, piece.head.length, &f->error), 0);
    cr_assert_eq(bytes_add(&f->body, piece.payload.data, piece.payload.length, &f->error), 0);
    cr_assert_eq(record_decode(f->body.data, f->body.length, &record, &f->error), 0);
    return record;
}

int add(struct fixture *f, int stream, enum decode_form form, struct slice body)
{
    f->error.text[0] = '\0';
    return intake_add(
        f->intake, f->streams->items[stream], form, body, &f->facts, &f->handover, &f->result, &f->error);
}

void expect_counts(struct fixture *f, uint64_t accepted, uint64_t rejected)
{
    cr_assert_eq(f->result.accepted, accepted, "%llu accepted", (unsigned long long)f->result.accepted);
    cr_assert_eq(f->result.rejected, rejected, "%llu rejected: %s", (unsigned long long)f->result.rejected,
        f->result.list[0].text);
    cr_assert_eq(f->handover.records, accepted);
}
