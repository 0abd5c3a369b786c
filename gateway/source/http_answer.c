/* http_answer: see http_answer.h */
#include "source/http_answer.h"

#include "base/utf8.h"

static const struct {
    unsigned code;
    const char *title;
} http_statuses[HTTP_STATUSES] = {
#define HTTP_STATUS_ROW(code, title) {code, title},
    HTTP_STATUS_TABLE(HTTP_STATUS_ROW)
#undef HTTP_STATUS_ROW
};

unsigned http_status_code(enum http_status status)
{
    return http_statuses[status].code;
}

const char *http_status_title(enum http_status status)
{
    return http_statuses[status].title;
}

/* The rest of a string behind its opening quote. Texts may quote a request: what is not UTF-8 in it becomes '?'. */
static int http_answer_string(struct bytes *out, const char *text, struct error *error)
{
    size_t left = strlen(text);

    while (left) {
        size_t length = utf8_sequence(text, left);
        int result;
        if (length == 0)
            result = bytes_add(out, "?", 1, error);
        else if (*text == '"' || *text == '\\')
            result = bytes_print(out, error, "\\%c", *text);
        else if (length == 1 && (unsigned char)*text < ' ')
            result = bytes_print(out, error, "\\u%04x", (unsigned)*text);
        else
            result = bytes_add(out, text, length, error);
        if (result)
            return -1;
        text += length ? length : 1;
        left -= length ? length : 1;
    }
    return bytes_add(out, "\"", 1, error);
}

#define LIST_END "],\"rejected_total\":"
#define LIST_END_MAX (sizeof LIST_END + 20 + 2)

/* As many of the rejected as leave it below the limit. */
static int http_answer_list(
    struct bytes *out, const struct intake_result *result, size_t limit, struct error *error)
{
    if (bytes_print(out, error, "\"accepted\":%llu,\"rejected\":[", (unsigned long long)result->accepted))
        return -1;
    for (size_t i = 0; i < result->listed; i++) {
        const size_t before = out->length;
        if (bytes_print(out, error, "%s{\"index\":%llu,\"reason\":\"", i ? "," : "",
                (unsigned long long)result->list[i].index) ||
            http_answer_string(out, result->list[i].text, error) || bytes_add(out, "}", 1, error))
            return -1;
        if (out->length > limit - LIST_END_MAX) {
            out->length = before;
            break;
        }
    }
    return bytes_print(out, error, LIST_END "%llu}\n", (unsigned long long)result->rejected);
}

int http_answer_accepted(struct bytes *out, uint64_t accepted, struct error *error)
{
    return bytes_print(out, error, "{\"accepted\":%llu}\n", (unsigned long long)accepted);
}

#define STORED_MAX 100

int http_answer_stored(struct bytes *out, const struct once_counts *counts, struct error *error)
{
    struct bytes cleanup_bytes text;
    const char *rest = out->length ? memchr(out->data, ',', out->length) : NULL;
    const size_t left = rest ? (size_t)(out->data + out->length - rest) : 0;

    bytes_init(&text, STORED_MAX + left);
    if (bytes_print(&text, error, "{\"accepted\":%llu,\"duplicates\":%llu",
            (unsigned long long)counts->stored, (unsigned long long)(counts->duplicates + counts->old)) ||
        (counts->old && bytes_print(&text, error, ",\"old\":%llu", (unsigned long long)counts->old)) ||
        (rest ? bytes_add(&text, rest, left, error) : bytes_add_text(&text, "}\n", error)))
        return -1; /* GCOVR_EXCL_LINE it has room: only malloc can fail */
    bytes_clear(out);
    return bytes_add(out, text.data, text.length, error);
}

int http_answer_partial(struct bytes *out, const struct intake_result *result, struct error *error)
{
    return bytes_add(out, "{", 1, error) ? -1 : http_answer_list(out, result, SIZE_MAX, error);
}

int http_answer_partial_within(
    struct bytes *out, const struct intake_result *result, size_t limit, struct error *error)
{
    return bytes_add(out, "{", 1, error) ? -1 : http_answer_list(out, result, out->length - 1 + limit, error);
}

/* Without the closing brace. */
static int http_answer_open(
    struct bytes *out, enum http_status status, const char *detail, struct error *error)
{
    if (bytes_print(out, error, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"",
            http_status_title(status), http_status_code(status)))
        return -1;
    return http_answer_string(out, detail, error);
}

int http_answer_letters(
    struct bytes *out, const struct journal_arrival *arrival, const struct record_id *id, struct error *error)
{
    out->length -= strlen("}\n");
    if (bytes_add_text(out, ",\"dead_lettered\":[", error))
        return -1;
    for (size_t i = 0; i < arrival->letters && i < JOURNAL_ARRIVAL_LETTERS; i++) {
        const struct record_id own = {id->gateway, id->epoch, arrival->list[i].sequence};
        char text[RECORD_ID_MAX + 1];
        record_id_print(&own, text);
        if (bytes_print(out, error,
                "%s{\"id\":\"%s\",\"accepted_index\":%llu,\"outlet\":\"%s\",\"reason\":\"", i ? "," : "",
                text, (unsigned long long)(own.sequence - arrival->first), arrival->list[i].outlet) ||
            http_answer_string(out, arrival->list[i].reason, error) || bytes_add(out, "}", 1, error))
            return -1;
    }
    return bytes_print(out, error, "],\"dead_lettered_total\":%llu}\n", (unsigned long long)arrival->letters);
}

int http_answer_problem(struct bytes *out, enum http_status status, const char *detail, struct error *error)
{
    return http_answer_open(out, status, detail, error) ? -1 : bytes_add_text(out, "}\n", error);
}

enum http_status http_answer_status(const struct intake_result *result)
{
    if (result->by_reason[INTAKE_SYNTAX] + result->by_reason[INTAKE_TOPIC] == result->rejected)
        return HTTP_STATUS_400;
    if (result->by_reason[INTAKE_FORBIDDEN] == result->rejected)
        return HTTP_STATUS_403;
    if (result->by_reason[INTAKE_RATE]) /* the only reason that passes */
        return HTTP_STATUS_429;
    return result->by_reason[INTAKE_TOO_LARGE] == result->rejected ? HTTP_STATUS_413 : HTTP_STATUS_422;
}

int http_answer_refused(struct bytes *out, const struct intake_result *result, struct error *error)
{
    const char *detail = result->rejected == 1 ? result->list[0].text : "none of the records can be accepted";

    if (http_answer_open(out, http_answer_status(result), detail, error) || bytes_add(out, ",", 1, error))
        return -1;
    return http_answer_list(out, result, SIZE_MAX, error);
}

int http_answer_raw(struct bytes *out, enum http_status status, const char *detail, struct error *error)
{
    struct bytes cleanup_bytes body;

    bytes_init(&body, out->limit);
    if (http_answer_problem(&body, status, detail, error))
        return -1;
    if (bytes_print(out, error,
            "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
            http_status_code(status), http_status_title(status), body.length,
            status == HTTP_STATUS_503 ? "Retry-After: 1\r\n" : ""))
        return -1;
    return bytes_add(out, body.data, body.length, error);
}
