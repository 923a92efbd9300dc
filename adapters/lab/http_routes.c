/* What the lab's web server has under which path. */
#include <stdio.h>
#include <string.h>

#include "adapters/lab/http_priv.h"
#include "emu/util.h"

#define OK                 200
#define PARTIAL            206
#define FOUND              302
#define BAD_REQUEST        400
#define NOT_FOUND          404
#define METHOD_NOT_ALLOWED 405
#define RANGE_NOT_THERE    416
#define STATUS_MIN         200 /* below it there is none that ends an exchange */
#define STATUS_MAX         599

#define TEXT_TYPE "text/plain; charset=utf-8"
#define DATA_TYPE "application/octet-stream"

static const char page[] =
    "The lab of luatos-emu.\n"
    "\n"
    "/              this page\n"
    "/echo          the body of the request, up to 1048576 bytes; of GET, nothing\n"
    "/get, /post    the same\n"
    "/bytes/N       N bytes, in parts too (Range)\n"
    "/chunked/N     N bytes in chunks\n"
    "/slow?ms=N     an answer after N ms\n"
    "/redirect/N    N redirections, then this page\n"
    "/status/NNN    that status\n";

/* ---- statuses --------------------------------------------------------------------------------- */

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } rows[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 413, "Content Too Large" },
        { 416, "Range Not Satisfiable" },
        { 418, "I'm a teapot" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].status == status)
            return rows[i].reason;
    }
    return "Whatever";
}

void http_plan_status(unsigned status, struct http_plan *plan)
{
    *plan = (struct http_plan){ .status = status, .type = TEXT_TYPE, .text = http_reason(status) };
    plan->length = strlen(plan->text);
}

/* ---- what is under a path ------------------------------------------------------------------------- */

/* @rest is what follows the row's path. */
typedef void route_fn(const struct http_request *request, struct http_text rest,
                      struct http_plan *plan);

static void plan_text(const char *text, struct http_plan *plan)
{
    *plan = (struct http_plan){ .status = OK, .type = TEXT_TYPE, .text = text };
    plan->length = strlen(text);
}

/* A part of it, where one is asked for. */
static void cut(const struct http_request *request, struct http_plan *plan)
{
    uint64_t total = plan->length;

    plan->has_ranges = true;
    plan->total = total;
    if (!http_text_is(request->method, "GET"))
        return;
    switch (http_read_range(request->range, total, &plan->first, &plan->length)) {
    case HTTP_RANGE_ALL:
        plan->first = 0;
        plan->length = total;
        break;
    case HTTP_RANGE_PART:
        plan->status = PARTIAL;
        break;
    case HTTP_RANGE_NONE:
        http_plan_status(RANGE_NOT_THERE, plan);
        plan->total = total;
        break;
    }
}

static void plan_page(const struct http_request *request, struct http_text rest,
                      struct http_plan *plan)
{
    (void)rest;
    plan_text(page, plan);
    cut(request, plan);
}

static void plan_echo(const struct http_request *request, struct http_text rest,
                      struct http_plan *plan)
{
    (void)rest;
    *plan = (struct http_plan){ .status = OK,
                                .source = HTTP_SOURCE_ECHO,
                                .type = request->type.len ? NULL : DATA_TYPE };
}

/* Of N bytes. False: @rest is no such number. */
static bool plan_pattern(struct http_text rest, struct http_plan *plan)
{
    uint64_t count;

    if (!http_read_number(rest, &count) || count > HTTP_PATTERN_MAX) {
        http_plan_status(NOT_FOUND, plan);
        return false;
    }
    *plan = (struct http_plan){
        .status = OK, .source = HTTP_SOURCE_PATTERN, .type = DATA_TYPE, .length = count
    };
    return true;
}

static void plan_bytes(const struct http_request *request, struct http_text rest,
                       struct http_plan *plan)
{
    if (plan_pattern(rest, plan))
        cut(request, plan);
}

static void plan_chunked(const struct http_request *request, struct http_text rest,
                         struct http_plan *plan)
{
    (void)request;
    if (plan_pattern(rest, plan))
        plan->is_chunked = true;
}

static void plan_slow(const struct http_request *request, struct http_text rest,
                      struct http_plan *plan)
{
    uint64_t ms;

    (void)rest;
    if (!http_query_number(request->query, "ms", &ms) || ms > HTTP_SLOW_MS_MAX) {
        http_plan_status(BAD_REQUEST, plan);
        plan->text = "ms= is 0 to 600000\n";
        plan->length = strlen(plan->text);
        return;
    }
    plan_text("late\n", plan);
    plan->delay_ms = (uint32_t)ms;
}

static void lead_to_page(struct http_plan *plan)
{
    (void)snprintf(plan->location, sizeof(plan->location), "/");
}

/* "/redirect", "/redirect/3": the last one leads to the page. */
static void plan_redirect(const struct http_request *request, struct http_text rest,
                          struct http_plan *plan)
{
    uint64_t hops = 1;

    (void)request;
    if (rest.len && (!http_read_number(rest, &hops) || !hops || hops > HTTP_HOPS_MAX)) {
        http_plan_status(NOT_FOUND, plan);
        return;
    }
    http_plan_status(FOUND, plan);
    if (hops > 1)
        (void)snprintf(plan->location, sizeof(plan->location), "/redirect/%u", (unsigned)hops - 1);
    else
        lead_to_page(plan);
}

static bool is_redirection(unsigned status)
{
    return status == 301 || status == FOUND || status == 303 || status == 307 || status == 308;
}

static void plan_given_status(const struct http_request *request, struct http_text rest,
                              struct http_plan *plan)
{
    uint64_t status;

    (void)request;
    if (!http_read_number(rest, &status) || status < STATUS_MIN || status > STATUS_MAX)
        status = NOT_FOUND;
    http_plan_status((unsigned)status, plan);
    if (is_redirection((unsigned)status))
        lead_to_page(plan);
}

#define READS "GET, HEAD"
#define ALL   NULL /* methods */

static const struct route {
    const char *path; /* with a slash at its end: something follows */
    const char *allow;
    route_fn *plan;
} routes[] = {
    { "/", READS, plan_page },
    { "/echo", ALL, plan_echo },
    { "/get", ALL, plan_echo },
    { "/post", ALL, plan_echo },
    { "/bytes/", READS, plan_bytes },
    { "/chunked/", READS, plan_chunked },
    { "/slow", ALL, plan_slow },
    { "/redirect", ALL, plan_redirect },
    { "/redirect/", ALL, plan_redirect },
    { "/status/", ALL, plan_given_status },
};

static bool leads_to(const struct route *route, struct http_text path, struct http_text *rest)
{
    size_t len = strlen(route->path);

    if (path.len < len || memcmp(path.at, route->path, len) != 0)
        return false;
    *rest = (struct http_text){ path.at + len, path.len - len };
    return len > 1 && route->path[len - 1] == '/' ? rest->len > 0 : rest->len == 0;
}

static const struct route *find_route(struct http_text path, struct http_text *rest)
{
    for (int i = 0; i < ARRAY_LEN(routes); i++) {
        if (leads_to(&routes[i], path, rest))
            return &routes[i];
    }
    return NULL;
}

static bool is_read(const struct http_request *request)
{
    return http_text_is(request->method, "GET") || http_text_is(request->method, "HEAD");
}

void http_plan_answer(const struct http_request *request, struct http_plan *plan)
{
    struct http_text rest;
    const struct route *route = find_route(request->path, &rest);

    if (!route) {
        http_plan_status(NOT_FOUND, plan);
    } else if (route->allow && !is_read(request)) {
        http_plan_status(METHOD_NOT_ALLOWED, plan);
        plan->allow = route->allow;
    } else {
        route->plan(request, rest, plan);
    }
}
