/*
 * The lab's web server: HTTP/1.0 and 1.1 (RFC 9110, 9112) on one connection, a request at a time. A
 * body is read before it is answered. Nothing more is read until an answer is given, so that what a
 * client can make it hold is a head, a body and what one read brings.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adapters/lab/http_priv.h"
#include "adapters/lab/lab_priv.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define CONTENT_TOO_LARGE 413
#define BAD_REQUEST       400
#define NO_CONTENT        204
#define NOT_MODIFIED      304
#define PARTIAL           206
#define RANGE_NOT_THERE   416
#define ERRORS            400 /* and above */

#define HEAD_CAP   1024 /* of an answer's head */
#define PIECE_LEN  (16 * 1024)
#define FRAME_CAP  32 /* of what surrounds a chunk */
#define DATE_MAX   64
#define METHOD_MAX 16
#define PATH_MAX   128  /* of what the trace shows of it */
#define LINGER_MS  2000 /* for a client that has been told that this was all, and goes on */
#define US_PER_MS  1000U
#define US_PER_S   1000000

enum http_state {
    HTTP_STATE_HEAD,  /* of a request */
    HTTP_STATE_BODY,  /* likewise */
    HTTP_STATE_DELAY, /* the answer is due later */
    HTTP_STATE_SEND,
    HTTP_STATE_OVER, /* nothing more is said */
};

struct http {
    struct lab_stream *stream;
    struct timer timer;
    enum http_state state;

    char method[METHOD_MAX], path[PATH_MAX]; /* for the trace */
    char type[HTTP_TYPE_MAX];                /* of an echo */
    bool is_1_1, is_head, keeps_alive;
    bool has_chunks;
    uint64_t left; /* bytes of the body to come */
    struct http_chunks chunks;
    struct byteq body; /* of an echo */

    struct http_plan plan;
    bool has_head; /* the answer's is sent */
    uint64_t sent; /* of the answer's body */
};

static struct lab *lab_of(const struct http *http)
{
    return http->stream->server->lab;
}

static void start_timer(struct http *http, uint32_t ms)
{
    struct lab *lab = lab_of(http);

    timer_start(lab->config.timers, &http->timer,
                lab->config.clock->now_us + (uint64_t)ms * US_PER_MS);
}

/* ---- answers ------------------------------------------------------------------------------------- */

static bool has_body(const struct http *http)
{
    return http->plan.status != NO_CONTENT && http->plan.status != NOT_MODIFIED;
}

static void add(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct writer *w, const char *format, ...)
{
    char text[HEAD_CAP];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    writer_bytes(w, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* RFC 9110 6.6.1. */
static void add_date(struct writer *w, const struct vclock *clock)
{
    time_t now = (time_t)(vclock_world_us(clock) / US_PER_S);
    char text[DATE_MAX];
    struct tm tm;

    if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
        add(w, "Date: %s\r\n", text);
}

static void add_body_fields(const struct http *http, struct writer *w)
{
    const struct http_plan *plan = &http->plan;

    add(w, "Content-Type: %s\r\n", plan->type ? plan->type : http->type);
    if (plan->is_chunked && http->is_1_1)
        add(w, "Transfer-Encoding: chunked\r\n");
    else if (!plan->is_chunked)
        add(w, "Content-Length: %llu\r\n", (unsigned long long)plan->length);
    if (plan->has_ranges)
        add(w, "Accept-Ranges: bytes\r\n");
    if (plan->status == PARTIAL && plan->total)
        add(w, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)plan->first,
            (unsigned long long)(plan->first + plan->length - 1), (unsigned long long)plan->total);
    if (plan->status == RANGE_NOT_THERE && plan->total)
        add(w, "Content-Range: bytes */%llu\r\n", (unsigned long long)plan->total);
}

static void add_head(const struct http *http, struct writer *w)
{
    const struct http_plan *plan = &http->plan;

    add(w, "HTTP/1.1 %u %s\r\nServer: luatos-emu\r\n", plan->status, http_reason(plan->status));
    add_date(w, lab_of(http)->config.clock);
    if (has_body(http))
        add_body_fields(http, w);
    if (*plan->location)
        add(w, "Location: %s\r\n", plan->location);
    if (plan->allow)
        add(w, "Allow: %s\r\n", plan->allow);
    add(w, "Connection: %s\r\n\r\n", http->keeps_alive ? "keep-alive" : "close");
}

static void add_data(const struct http *http, uint64_t from, size_t len, struct writer *w)
{
    char pattern[PIECE_LEN];

    switch (http->plan.source) {
    case HTTP_SOURCE_TEXT:
        writer_bytes(w, http->plan.text + from, len);
        break;
    case HTTP_SOURCE_ECHO:
        if (len)
            writer_bytes(w, byteq_front(&http->body) + from, len);
        break;
    case HTTP_SOURCE_PATTERN:
        lab_pattern(pattern, len, from);
        writer_bytes(w, pattern, len);
        break;
    }
}

/* The next piece of the body. */
static void add_piece(struct http *http, struct writer *w)
{
    uint64_t left = http->plan.length - http->sent;
    size_t len = left < PIECE_LEN ? (size_t)left : PIECE_LEN;
    bool is_framed = http->plan.is_chunked && http->is_1_1;

    if (is_framed && len)
        add(w, "%zx\r\n", len);
    add_data(http, http->plan.first + http->sent, len, w);
    http->sent += len;
    if (is_framed)
        add(w, "%s%s", len ? "\r\n" : "", len < left ? "" : "0\r\n\r\n");
}

static void begin_answer(struct http *http)
{
    if (http->plan.source == HTTP_SOURCE_ECHO)
        http->plan.length = http->body.len;
    if (http->plan.is_chunked && !http->is_1_1)
        http->keeps_alive = false; /* its end is that of the connection */
    http->state = HTTP_STATE_SEND;
}

static void trace_answer(const struct http *http)
{
    char from[ENDPOINT_TEXT_MAX];

    trace_emit(lab_of(http)->config.trace, "lab.http", "{s:s, s:s, s:s, s:o, s:i}", "peer",
               http->stream->server->peer->name, "from", endpoint_text(&http->stream->from, from),
               "method", http->method, "path", trace_text(http->path, strlen(http->path)), "status",
               (int)http->plan.status);
}

/* ---- requests ------------------------------------------------------------------------------------- */

static void copy(char *to, size_t cap, struct http_text text)
{
    size_t len = text.len < cap ? text.len : cap - 1;

    if (len)
        memcpy(to, text.at, len);
    to[len] = '\0';
}

/* To something that can't be understood, or won't be taken: what follows it can't be either. */
static void refuse(struct http *http, unsigned status)
{
    http->keeps_alive = false;
    http_plan_status(status, &http->plan);
    begin_answer(http);
}

static void body_is_whole(struct http *http)
{
    if (!http->plan.delay_ms) {
        begin_answer(http);
        return;
    }
    http->state = HTTP_STATE_DELAY;
    http->stream->is_held = true;
    start_timer(http, http->plan.delay_ms);
}

static void begin_request(struct http *http, const struct http_request *request)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool is_coming = request->is_chunked || request->length;

    copy(http->method, sizeof(http->method), request->method);
    copy(http->path, sizeof(http->path), request->path);
    copy(http->type, sizeof(http->type), request->type);
    http->is_1_1 = request->minor != 0;
    http->is_head = http_text_is(request->method, "HEAD");
    http->keeps_alive = request->keeps_alive;
    http->has_chunks = request->is_chunked;
    http->chunks = (struct http_chunks){ 0 };
    http->left = request->length;
    http->has_head = false;
    http->sent = 0;
    http_plan_answer(request, &http->plan);
    if (http->plan.source == HTTP_SOURCE_ECHO && request->length > HTTP_BODY_MAX) {
        refuse(http, CONTENT_TOO_LARGE);
    } else if (is_coming && request->expects_continue && http->plan.status >= ERRORS) {
        http->keeps_alive = false; /* whether it sends the body all the same, nobody knows */
        body_is_whole(http);
    } else if (!is_coming) {
        body_is_whole(http);
    } else {
        if (request->expects_continue)
            lab_stream_write(http->stream, go_on, sizeof(go_on) - 1);
        http->state = HTTP_STATE_BODY;
    }
}

static void take_head(struct http *http)
{
    struct byteq *inq = &http->stream->inq;
    struct http_request request;
    unsigned status;

    switch (http_read_request(byteq_front(inq), inq->len, &request, &status)) {
    case HTTP_MORE:
        return;
    case HTTP_DONE:
        begin_request(http, &request);
        byteq_drop(inq, request.head_len);
        return;
    case HTTP_WRONG:
        *http->method = *http->path = '\0';
        http->is_head = http->has_head = false;
        http->is_1_1 = true;
        http->sent = 0;
        refuse(http, status);
        return;
    }
}

static void keep(struct http *http, const void *data, size_t len)
{
    if (http->plan.source != HTTP_SOURCE_ECHO || !len)
        return;
    if (http->body.len + len > HTTP_BODY_MAX)
        refuse(http, CONTENT_TOO_LARGE);
    else
        byteq_append(&http->body, data, len);
}

static void take_chunks(struct http *http)
{
    struct byteq *inq = &http->stream->inq;

    while (inq->len && http->state == HTTP_STATE_BODY) {
        struct http_text piece;
        size_t n = http_read_chunks(&http->chunks, byteq_front(inq), inq->len, &piece);

        keep(http, piece.at, piece.len);
        byteq_drop(inq, n);
        if (http->state != HTTP_STATE_BODY)
            return;
        if (http->chunks.state == HTTP_CHUNK_WRONG)
            refuse(http, BAD_REQUEST);
        else if (http->chunks.state == HTTP_CHUNK_DONE)
            body_is_whole(http);
    }
}

static void take_body(struct http *http)
{
    struct byteq *inq = &http->stream->inq;
    size_t len = inq->len < http->left ? inq->len : (size_t)http->left;

    if (http->has_chunks) {
        take_chunks(http);
        return;
    }
    keep(http, byteq_front(inq), len);
    byteq_drop(inq, len);
    http->left -= len;
    if (!http->left)
        body_is_whole(http);
}

/* As far as what has come goes. */
static void advance(struct http *http)
{
    struct byteq *inq = &http->stream->inq;
    size_t before = SIZE_MAX;

    while (inq->len && inq->len != before &&
           (http->state == HTTP_STATE_HEAD || http->state == HTTP_STATE_BODY)) {
        before = inq->len;
        if (http->state == HTTP_STATE_HEAD)
            take_head(http);
        else
            take_body(http);
    }
    http->stream->is_deaf = http->state == HTTP_STATE_DELAY || http->state == HTTP_STATE_SEND;
}

/* ---- a connection ------------------------------------------------------------------------------------ */

static void on_timer(struct timer *timer)
{
    struct http *http = container_of(timer, struct http, timer);

    if (http->state == HTTP_STATE_DELAY) {
        http->stream->is_held = false;
        begin_answer(http);
    } else {
        lab_stream_end(http->stream);
    }
    lab_stream_go_on(http->stream);
}

static void http_opened(struct lab_stream *stream)
{
    struct http *http = xcalloc(1, sizeof(*http));

    http->stream = stream;
    timer_init_background(&http->timer, on_timer);
    byteq_init(&http->body);
    stream->own = http;
}

static void http_closed(struct lab_stream *stream)
{
    struct http *http = stream->own;

    if (!http)
        return;
    timer_stop(lab_of(http)->config.timers, &http->timer);
    byteq_fini(&http->body);
    free(http);
}

static void http_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    struct http *http = stream->own;

    if (http->state == HTTP_STATE_OVER)
        return;
    byteq_append(&stream->inq, data, len);
    advance(http);
}

/*
 * The end is said by FIN, and what still comes is read until the client has one too: closing before
 * that could be RST, which may overtake the answer.
 */
static void finish(struct http *http)
{
    trace_answer(http);
    byteq_drop(&http->body, http->body.len);
    if (http->keeps_alive) {
        http->state = HTTP_STATE_HEAD;
    } else {
        http->state = HTTP_STATE_OVER;
        byteq_drop(&http->stream->inq, http->stream->inq.len);
        lab_stream_shut(http->stream);
        start_timer(http, LINGER_MS);
    }
    advance(http);
}

static bool http_writable(struct lab_stream *stream)
{
    uint8_t data[HEAD_CAP + PIECE_LEN + FRAME_CAP];
    struct http *http = stream->own;
    bool is_bare = http->is_head || !has_body(http);
    struct writer w;

    if (http->state != HTTP_STATE_SEND)
        return false;
    writer_init(&w, data, sizeof(data));
    if (!http->has_head)
        add_head(http, &w);
    http->has_head = true;
    if (!is_bare)
        add_piece(http, &w);
    assert(!w.failed);
    lab_stream_write(stream, data, w.len);
    if (is_bare || http->sent == http->plan.length)
        finish(http);
    return true;
}

const struct lab_stream_ops lab_http_stream = {
    .opened = http_opened,
    .received = http_received,
    .writable = http_writable,
    .closed = http_closed,
};
