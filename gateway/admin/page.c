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

static int page_healthz(struct page *page, struct journal *journal, struct error *error)
{
    (void)journal;
    page->status = 200;
    page->type = "text/plain; charset=utf-8";
    return bytes_add_text(&page->body, "ok\n", error);
}

static int page_readyz(struct page *page, struct journal *journal, struct error *error)
{
    static const char *const levels[] = {"ok", "degraded", "refusing"};
    struct health_condition list[HEALTH_CONDITIONS_MAX];
    struct journal_status status;
    enum health_level worst;
    json_t *conditions = json_array();

    journal_status(journal, &status);
    health_set("journal", status.accepting ? HEALTH_OK : HEALTH_REFUSING, status.reason);
    const size_t count = health_list(list, HEALTH_CONDITIONS_MAX, &worst);
    const bool ready = worst != HEALTH_REFUSING;

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            conditions, json_pack("{s:o,s:s,s:o}", "name", page_json_text(list[i].name), "level",
                            levels[list[i].level], "text", page_json_text(list[i].text)));
    }
    return page_set_json(page, ready ? 200 : 503, "application/json",
        json_pack("{s:b,s:o}", "ready", ready, "conditions", conditions), error);
}

static int page_metrics(struct page *page, struct journal *journal, struct error *error)
{
    struct journal_status status;

    journal_status(journal, &status);
    metric_set(metric_series(METRIC_JOURNAL_BYTES, NULL, NULL, NULL), (double)status.bytes);
    metric_set(metric_series(METRIC_JOURNAL_FREE_BYTES, NULL, NULL, NULL), (double)status.free_bytes);
    metric_set(metric_series(METRIC_JOURNAL_SEQUENCE, NULL, NULL, NULL), (double)status.durable);
    page->status = 200;
    page->type = "text/plain; version=0.0.4; charset=utf-8";
    return metric_print(&page->body, error);
}

/* The main thread waits for it. */
static int page_reload(struct page *page, struct journal *journal, struct error *error)
{
    (void)journal;
    if (kill(getpid(), SIGHUP))
        return error_set_errno(error, ERROR_RETRY, "SIGHUP");
    return page_set_json(page, 202, "application/json", json_pack("{s:s}", "reload", "asked for"), error);
}

static const struct page_row {
    const char *path;
    bool changes; /* POST, else GET and HEAD */
    int (*make)(struct page *page, struct journal *journal, struct error *error);
} page_rows[] = {
    {"/healthz", false, page_healthz},
    {"/readyz", false, page_readyz},
    {"/metrics", false, page_metrics},
    {"/reload", true, page_reload},
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

void page_make(
    struct page *page, struct journal *journal, const char *method, const char *path, bool from_page)
{
    const struct page_row *row = page_find(path);
    const bool posts = strcmp(method, "POST") == 0,
               reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct error error;
    int result;

    *page = (struct page){0};
    bytes_init(&page->body, ADMIN_PAGE_MAX);
    if (!row)
        result = page_set_unknown(page, &error);
    else if (row->changes ? !posts : !reads)
        result = page_refuse_method(page, row, &error);
    else if (row->changes && from_page)
        result = page_set_problem(page, 403, "Forbidden", "this is not for pages of a browser", &error);
    else
        result = row->make(page, journal, &error);
    if (result && page_set_problem(page, 500, "Internal Server Error", error.text, &error))
        bytes_clear(&page->body);
}
