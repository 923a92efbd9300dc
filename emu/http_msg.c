#include "emu/http_msg.h"

#include <string.h>
#include <strings.h>

#define DIGITS_MAX     18 /* of a number: it fits 64 bits */
#define HEX_DIGITS_MAX 15 /* likewise */
#define HEX_BITS       4

#define BAD_REQUEST     400
#define HEAD_TOO_LARGE  431
#define NOT_IMPLEMENTED 501
#define BAD_VERSION     505

/* ---- texts ------------------------------------------------------------------------------------ */

bool http_text_is(struct http_text text, const char *word)
{
    return text.at && text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

static bool begins_with(struct http_text text, const char *word)
{
    return text.len >= strlen(word) && strncasecmp(text.at, word, strlen(word)) == 0;
}

static struct http_text after(struct http_text text, size_t len)
{
    return (struct http_text){ text.at + len, text.len - len };
}

/* What stands before @mark, which is taken off @text with it; all of it where there is none. */
static struct http_text take_to(struct http_text *text, char mark)
{
    const char *end = text->len ? memchr(text->at, mark, text->len) : NULL;
    struct http_text taken = { text->at, end ? (size_t)(end - text->at) : text->len };

    *text = end ? after(*text, taken.len + 1) : (struct http_text){ text->at + text->len, 0 };
    return taken;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http_text trim(struct http_text text)
{
    while (text.len && is_blank(text.at[0]))
        text = after(text, 1);
    while (text.len && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool http_read_number(struct http_text text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.at[i]))
            return false;
        *number = *number * 10 + (uint64_t)(text.at[i] - '0');
        if (i >= DIGITS_MAX)
            return false;
    }
    return text.len > 0;
}

bool http_query_number(struct http_text query, const char *name, uint64_t *number)
{
    while (query.len) {
        struct http_text value = take_to(&query, '&');
        struct http_text key = take_to(&value, '=');

        if (http_text_is(key, name) && http_read_number(value, number))
            return true;
    }
    return false;
}

/* ---- the head ----------------------------------------------------------------------------------- */

/* RFC 9110 5.6.2. */
static bool is_token_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct http_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_token_char(text.at[i]))
            return false;
    }
    return text.len > 0;
}

/* No control characters: neither CR nor NUL, which others may take for an end. */
static bool is_clean(struct http_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* A line without its end, taken off @left. False: it has none yet. */
static bool take_line(struct http_text *left, struct http_text *line)
{
    if (!left->len || !memchr(left->at, '\n', left->len))
        return false;
    *line = take_to(left, '\n');
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* RFC 9112 3.2: "/where?it=is", "http://host/where", "*". */
static bool read_target(struct http_text target, struct http_request *request)
{
    static const char scheme[] = "http://";

    if (begins_with(target, scheme)) { /* as to a proxy */
        const char *slash;

        target = after(target, sizeof(scheme) - 1);
        slash = target.len ? memchr(target.at, '/', target.len) : NULL;
        if (!slash)
            return false;
        target = after(target, (size_t)(slash - target.at));
    }
    if (!http_text_is(target, "*") && !begins_with(target, "/"))
        return false;
    target = take_to(&target, '#');
    request->query = target;
    request->path = take_to(&request->query, '?');
    return true;
}

/* 0, or what to say to it. */
static unsigned read_version(struct http_text version, unsigned *minor)
{
    static const char name[] = "HTTP/";

    if (!begins_with(version, name) || version.len != strlen("HTTP/1.1") ||
        !is_digit(version.at[5]) || version.at[6] != '.' || !is_digit(version.at[7]))
        return BAD_REQUEST;
    *minor = version.at[7] != '0';
    return version.at[5] == '1' ? 0 : BAD_VERSION;
}

static unsigned read_request_line(struct http_text line, struct http_request *request)
{
    struct http_text target;

    request->method = take_to(&line, ' ');
    target = take_to(&line, ' ');
    if (!is_token(request->method) || !is_clean(target) || !read_target(target, request))
        return BAD_REQUEST;
    return read_version(line, &request->minor);
}

static unsigned take_length(struct http_request *request, struct http_text value, bool *has_length)
{
    uint64_t length;

    if (!http_read_number(value, &length) || (*has_length && length != request->length))
        return BAD_REQUEST;
    request->length = length;
    *has_length = true;
    return 0;
}

static void take_connection(struct http_request *request, struct http_text value)
{
    while (value.len) {
        struct http_text word = trim(take_to(&value, ','));

        if (http_text_is(word, "close"))
            request->keeps_alive = false;
        else if (http_text_is(word, "keep-alive") && request->minor == 0)
            request->keeps_alive = true;
    }
}

static unsigned take_field(struct http_request *request, struct http_text name,
                           struct http_text value, bool *has_length)
{
    if (http_text_is(name, "host")) {
        if (request->host.at)
            return BAD_REQUEST;
        request->host = value;
    } else if (http_text_is(name, "content-length")) {
        return take_length(request, value, has_length);
    } else if (http_text_is(name, "transfer-encoding")) {
        if (request->is_chunked)
            return BAD_REQUEST;
        request->is_chunked = http_text_is(value, "chunked");
        return request->is_chunked ? 0 : NOT_IMPLEMENTED;
    } else if (http_text_is(name, "connection")) {
        take_connection(request, value);
    } else if (http_text_is(name, "expect")) {
        request->expects_continue = http_text_is(value, "100-continue") && request->minor;
    } else if (http_text_is(name, "content-type")) {
        request->type = value;
    } else if (http_text_is(name, "range")) {
        request->range = value;
    }
    return 0;
}

static unsigned read_field(struct http_text line, struct http_request *request, bool *has_length)
{
    struct http_text value = line, name = take_to(&value, ':');

    if (name.len == line.len || !is_token(name) || !is_clean(value))
        return BAD_REQUEST;
    return take_field(request, name, trim(value), has_length);
}

/* What has to go together. */
static unsigned check(const struct http_request *request, bool has_length)
{
    if (request->is_chunked && (has_length || request->minor == 0)) /* RFC 9112 6.1, 6.3 */
        return BAD_REQUEST;
    return request->minor && !request->host.at ? BAD_REQUEST : 0;
}

static enum http_verdict wrong(unsigned with, unsigned *status)
{
    *status = with;
    return HTTP_WRONG;
}

/* The rest of it is not there, and may not come. */
static enum http_verdict want_more(size_t len, unsigned *status)
{
    return len >= HTTP_HEAD_MAX ? wrong(HEAD_TOO_LARGE, status) : HTTP_MORE;
}

static enum http_verdict read_fields(struct http_text *left, size_t len,
                                     struct http_request *request, unsigned *status)
{
    bool has_length = false;
    unsigned fields = 0, problem;
    struct http_text line;

    for (;;) {
        if (!take_line(left, &line))
            return want_more(len, status);
        if (!line.len)
            break;
        if (fields++ == HTTP_FIELDS_MAX)
            return wrong(HEAD_TOO_LARGE, status);
        problem = read_field(line, request, &has_length);
        if (problem)
            return wrong(problem, status);
    }
    problem = check(request, has_length);
    return problem ? wrong(problem, status) : HTTP_DONE;
}

enum http_verdict http_read_request(const uint8_t *data, size_t len, struct http_request *request,
                                    unsigned *status)
{
    struct http_text left = { (const char *)data, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX };
    struct http_text line;
    enum http_verdict verdict;
    unsigned problem;

    *request = (struct http_request){ 0 };
    do {
        if (!take_line(&left, &line))
            return want_more(len, status);
    } while (!line.len);
    problem = read_request_line(line, request);
    if (problem)
        return wrong(problem, status);
    request->keeps_alive = request->minor != 0;
    verdict = read_fields(&left, len, request, status);
    if (verdict == HTTP_DONE)
        request->head_len = (size_t)(left.at - (const char *)data);
    return verdict;
}

/* ---- ranges --------------------------------------------------------------------------------------- */

/* "500-999", "500-" */
static enum http_range range_from(struct http_text from, struct http_text to, uint64_t total,
                                  uint64_t *first, uint64_t *count)
{
    uint64_t last;

    if (!http_read_number(from, first))
        return HTTP_RANGE_ALL;
    if (!to.len)
        last = UINT64_MAX;
    else if (!http_read_number(to, &last) || last < *first)
        return HTTP_RANGE_ALL;
    if (*first >= total)
        return HTTP_RANGE_NONE;
    *count = (last < total ? last + 1 : total) - *first;
    return HTTP_RANGE_PART;
}

enum http_range http_read_range(struct http_text text, uint64_t total, uint64_t *first,
                                uint64_t *count)
{
    static const char unit[] = "bytes=";
    struct http_text to, from;

    if (!text.at || !begins_with(text, unit) || memchr(text.at, ',', text.len))
        return HTTP_RANGE_ALL;
    to = trim(after(text, sizeof(unit) - 1));
    if (!to.len || !memchr(to.at, '-', to.len))
        return HTTP_RANGE_ALL;
    from = take_to(&to, '-');
    if (from.len)
        return range_from(from, to, total, first, count);
    if (!http_read_number(to, count)) /* "-500": the last ones */
        return HTTP_RANGE_ALL;
    if (!*count || !total)
        return HTTP_RANGE_NONE;
    *count = *count < total ? *count : total;
    *first = total - *count;
    return HTTP_RANGE_PART;
}

/* ---- chunks ---------------------------------------------------------------------------------------- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http_chunk_state size_ended(struct http_chunks *chunks)
{
    enum http_chunk_state next = chunks->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;

    if (!chunks->digits)
        return HTTP_CHUNK_WRONG;
    chunks->digits = 0;
    chunks->has_line = false;
    chunks->around_len = 0;
    return next;
}

static enum http_chunk_state on_size(struct http_chunks *chunks, uint8_t c)
{
    int value = hex_value(c);

    if (value >= 0 && chunks->digits < HEX_DIGITS_MAX) {
        chunks->left = chunks->left << HEX_BITS | (unsigned)value;
        chunks->digits++;
        return HTTP_CHUNK_SIZE;
    }
    if (c == '\n')
        return size_ended(chunks);
    return value < 0 && strchr("\r; \t", c) && c ? HTTP_CHUNK_EXTENSION : HTTP_CHUNK_WRONG;
}

static enum http_chunk_state on_trailer(struct http_chunks *chunks, uint8_t c)
{
    if (c == '\n' && !chunks->has_line)
        return HTTP_CHUNK_DONE;
    if (c == '\n')
        chunks->has_line = false;
    else if (c != '\r')
        chunks->has_line = true;
    return HTTP_CHUNK_TRAILER;
}

/* What surrounds the body. */
static void take_around(struct http_chunks *chunks, uint8_t c)
{
    switch (chunks->state) {
    case HTTP_CHUNK_SIZE:
        chunks->state = on_size(chunks, c);
        break;
    case HTTP_CHUNK_EXTENSION:
        if (c == '\n')
            chunks->state = size_ended(chunks);
        break;
    case HTTP_CHUNK_DATA_END:
        if (c == '\n')
            chunks->state = HTTP_CHUNK_SIZE;
        else if (c != '\r')
            chunks->state = HTTP_CHUNK_WRONG;
        break;
    case HTTP_CHUNK_TRAILER:
        chunks->state = on_trailer(chunks, c);
        break;
    case HTTP_CHUNK_DATA:
    case HTTP_CHUNK_DONE:
    case HTTP_CHUNK_WRONG:
        break;
    }
    if (chunks->state == HTTP_CHUNK_EXTENSION || chunks->state == HTTP_CHUNK_TRAILER ||
        chunks->state == HTTP_CHUNK_DATA_END)
        chunks->around_len++;
    if (chunks->around_len > HTTP_HEAD_MAX)
        chunks->state = HTTP_CHUNK_WRONG;
}

size_t http_read_chunks(struct http_chunks *chunks, const uint8_t *data, size_t len,
                        struct http_text *piece)
{
    size_t at = 0;

    *piece = (struct http_text){ 0 };
    while (at < len && chunks->state != HTTP_CHUNK_DATA && chunks->state != HTTP_CHUNK_DONE &&
           chunks->state != HTTP_CHUNK_WRONG)
        take_around(chunks, data[at++]);
    if (chunks->state != HTTP_CHUNK_DATA)
        return at;
    piece->at = (const char *)data + at;
    piece->len = len - at < chunks->left ? len - at : (size_t)chunks->left;
    chunks->left -= piece->len;
    if (!chunks->left)
        chunks->state = HTTP_CHUNK_DATA_END;
    return at + piece->len;
}
