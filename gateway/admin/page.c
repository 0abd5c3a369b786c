/* page: see page.h */
#include "admin/page.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/health.h"
#include "base/metric.h"
#include "base/utf8.h"

#define PAGE_PROBLEM "application/problem+json"

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

/* A JSON string must be UTF-8; what is not (a text cut in the middle, a file name) becomes '?'. */
static json_t *page_json_text(const char *text)
{
    char clean[ERROR_TEXT_SIZE];
    size_t length = strnlen(text, sizeof clean);

    for (size_t i = 0; i < length;) {
        size_t used = utf8_sequence(text + i, length - i);
        memcpy(clean + i, used ? text + i : "?", used ? used : 1);
        i += used ? used : 1;
    }
    return json_stringn(clean, length);
}

/* Takes the reference. */
static int page_set_json(
    struct page *page, unsigned status, const char *type, json_t *json, struct error *error)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int result = -1;

    page->status = status;
    page->type = type;
    bytes_clear(&page->body);
    if (!text)
        error_set(error, ERROR_RETRY, "out of memory");
    else
        result =
            bytes_add_text(&page->body, text, error) || bytes_add_text(&page->body, "\n", error) ? -1 : 0;
    free(text);
    json_decref(json);
    return result;
}

static int page_set_problem(
    struct page *page, unsigned status, const char *title, const char *detail, struct error *error)
{
    json_t *problem = json_pack("{s:s,s:s,s:i,s:o}", "type", "about:blank", "title", title, "status",
        (int)status, "detail", page_json_text(detail));

    return page_set_json(page, status, PAGE_PROBLEM, problem, error);
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

static int page_healthz(struct page *page, const struct page_request *request, bool all, struct error *error)
{
    (void)request;
    (void)all;
    page->status = 200;
    page->type = "text/plain; charset=utf-8";
    return bytes_add_text(&page->body, "ok\n", error);
}

/* Not all of it: whether records are accepted, which whoever may not look at the rest sees by the status anyway. */
static int page_readyz(struct page *page, const struct page_request *request, bool all, struct error *error)
{
    static const char *const levels[] = {"ok", "degraded", "refusing"};
    struct health_condition list[HEALTH_CONDITIONS_MAX];
    struct journal_status status;
    enum health_level worst;
    json_t *conditions = json_array();

    if (request->journal) {
        journal_status(request->journal, &status);
        health_set("journal", status.accepting ? HEALTH_OK : HEALTH_REFUSING, status.reason);
    }
    const size_t count = health_list(list, HEALTH_CONDITIONS_MAX, &worst);
    const bool ready = worst != HEALTH_REFUSING;

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            conditions, json_pack("{s:o,s:s,s:o}", "name", page_json_text(list[i].name), "level",
                            levels[list[i].level], "text", page_json_text(list[i].text)));
    }
    json_t *state = json_pack("{s:b,s:o}", "ready", ready, "conditions", conditions);
    if (!all)
        json_object_del(state, "conditions");
    return page_set_json(page, ready ? 200 : 503, "application/json", state, error);
}

static void page_tell_journal(struct journal *journal)
{
    struct journal_status status;

    journal_status(journal, &status);
    metric_set(metric_series(METRIC_JOURNAL_BYTES, NULL, NULL, NULL), (double)status.bytes);
    metric_set(metric_series(METRIC_JOURNAL_FREE_BYTES, NULL, NULL, NULL), (double)status.free_bytes);
    metric_set(metric_series(METRIC_JOURNAL_SEQUENCE, NULL, NULL, NULL), (double)status.durable);
}

static int page_metrics(struct page *page, const struct page_request *request, bool all, struct error *error)
{
    (void)all;
    if (request->journal)
        page_tell_journal(request->journal);
    page->status = 200;
    page->type = "text/plain; version=0.0.4; charset=utf-8";
    return metric_print(&page->body, error);
}

/* The main thread waits for it. */
static int page_reload(struct page *page, const struct page_request *request, bool all, struct error *error)
{
    (void)request;
    (void)all;
    if (kill(getpid(), SIGHUP))
        return error_set_errno(error, ERROR_RETRY, "SIGHUP");
    return page_set_json(page, 202, "application/json", json_pack("{s:s}", "reload", "asked for"), error);
}

static const struct page_row {
    const char *path;
    enum access_role role;
    bool probe; /* others may have it, too, but not all of it */
    bool changes; /* POST, else GET and HEAD */
    int (*make)(struct page *page, const struct page_request *request, bool all, struct error *error);
} page_rows[] = {
    {"/healthz", ACCESS_READ, true, false, page_healthz},
    {"/readyz", ACCESS_READ, true, false, page_readyz},
    {"/metrics", ACCESS_READ, false, false, page_metrics},
    {"/reload", ACCESS_RELOAD, false, true, page_reload},
};

static const struct page_row *page_find(const char *path)
{
    for (size_t i = 0; i < sizeof page_rows / sizeof *page_rows; i++) {
        if (!strcmp(page_rows[i].path, path))
            return &page_rows[i];
    }
    return NULL;
}

static int page_set_unknown(struct page *page, struct error *error)
{
    char detail[256] = "there are";
    size_t length = strlen(detail);

    for (size_t i = 0; i < sizeof page_rows / sizeof *page_rows; i++)
        length += (size_t)snprintf(
            detail + length, sizeof detail - length, "%s %s", i ? "," : "", page_rows[i].path);
    return page_set_problem(page, 404, "Not Found", detail, error);
}

static int page_refuse_method(struct page *page, const struct page_row *row, struct error *error)
{
    page->allow = row->changes ? "POST" : "GET, HEAD";
    return page_set_problem(page, 405, "Method Not Allowed",
        row->changes ? "POST is allowed" : "GET and HEAD are allowed", error);
}

static int page_refuse_stranger(struct page *page, enum access_answer answer, struct error *error)
{
    return answer == ACCESS_GUESSING
               ? page_set_problem(page, 429, "Too Many Requests", ACCESS_SAYS_GUESSING, error)
               : page_set_problem(page, 401, "Unauthorized", ACCESS_SAYS_UNKNOWN, error);
}

static int page_refuse_principal(struct page *page, const struct page_request *request, struct error *error)
{
    char detail[256];

    snprintf(detail, sizeof detail, "%s may not use %s", grant_name(request->grant), request->path);
    return page_set_problem(page, 403, "Forbidden", detail, error);
}

static int page_choose(struct page *page, const struct page_request *request, struct error *error)
{
    const struct page_row *row = page_find(request->path);
    const bool posts = strcmp(request->method, "POST") == 0,
               reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    const bool probes = row && row->probe && reads;

    if (request->elsewhere)
        return page_set_problem(page, 421, "Misdirected Request",
            "on loopback, who shows no credentials asks by address or as localhost: the header Host says another name",
            error);
    if (request->answer != ACCESS_GRANTED && (request->shown || !probes))
        return page_refuse_stranger(page, request->answer, error);
    if (!row)
        return page_set_unknown(page, error);
    const bool all = request->answer == ACCESS_GRANTED && grant_allows_role(request->grant, row->role);
    if (!all && !probes)
        return page_refuse_principal(page, request, error);
    if (row->changes ? !posts : !reads)
        return page_refuse_method(page, row, error);
    if (row->changes && request->from_page)
        return page_set_problem(page, 403, "Forbidden", "this is not for pages of a browser", error);
    return row->make(page, request, all, error);
}

void page_make(struct page *page, const struct page_request *request)
{
    struct error error;

    *page = (struct page){0};
    bytes_init(&page->body, ADMIN_PAGE_MAX);
    if (page_choose(page, request, &error) &&
        page_set_problem(page, 500, "Internal Server Error", error.text, &error))
        bytes_clear(&page->body);
}
