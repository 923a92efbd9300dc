/*
 * http_msg: requests of HTTP/1.0 and 1.1 (RFC 9110, 9112) as a server reads them: the head, a body
 * in chunks, a range. No I/O and no memory of its own: texts are borrowed from what was read.
 *
 * It is as strict as servers on the internet are, so that a client which works here works there: no
 * folded lines, no blank before a colon, Host with 1.1, one length. A line may end by LF alone (RFC
 * 9112 2.2), and empty lines may come first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX   8192 /* bytes, of a request's lines */
#define HTTP_FIELDS_MAX 64

struct http_text {
    const char *at; /* NULL: there is none */
    size_t len;
};

struct http_request {
    struct http_text method, path, query; /* path: begins with a slash, or is "*" */
    struct http_text host, type, range;
    unsigned minor; /* of HTTP/1.x: 0 or 1 */
    bool keeps_alive;
    bool expects_continue; /* and waits for "100 Continue" before it sends its body */
    bool is_chunked;       /* the body is; else it has @length bytes */
    uint64_t length;
    size_t head_len; /* bytes, with the empty line */
};

enum http_verdict {
    HTTP_MORE,  /* the end has not come yet */
    HTTP_DONE,  /* it is whole */
    HTTP_WRONG, /* it is none */
};

/* @status, when it is wrong: what a server says to that, 400, 431, 501 or 505. */
enum http_verdict http_read_request(const uint8_t *data, size_t len, struct http_request *request,
                                    unsigned *status);

/* Is it @word, the same but for case? */
bool http_text_is(struct http_text text, const char *word);

/* A number, digits only, up to 18 of them. False: it is none. */
bool http_read_number(struct http_text text, uint64_t *number);

/* The number of "name=NUMBER" in a query. False: there is none. */
bool http_query_number(struct http_text query, const char *name, uint64_t *number);

enum http_range {
    HTTP_RANGE_ALL,  /* there is none, or one that may be ignored: RFC 9110 14.2 */
    HTTP_RANGE_PART, /* @first and @count */
    HTTP_RANGE_NONE, /* outside: 416 */
};

/* Of a Range field and what has @total bytes. */
enum http_range http_read_range(struct http_text text, uint64_t total, uint64_t *first,
                                uint64_t *count);

/* ---- a body in chunks, RFC 9112 7.1 ---------------------------------------------------------- */

enum http_chunk_state {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_END,
    HTTP_CHUNK_TRAILER,
    HTTP_CHUNK_DONE,
    HTTP_CHUNK_WRONG,
};

/* All zero at first. */
struct http_chunks {
    enum http_chunk_state state;
    uint64_t left;     /* bytes of this chunk */
    unsigned digits;   /* of its size */
    size_t around_len; /* bytes around a chunk, of which HTTP_HEAD_MAX may come */
    bool has_line;     /* something stands on the trailer's line */
};

/* How much of @data it took, with a @piece of the body in it, perhaps an empty one. */
size_t http_read_chunks(struct http_chunks *chunks, const uint8_t *data, size_t len,
                        struct http_text *piece);
