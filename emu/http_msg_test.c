#include "emu/http_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/util.h"

#include <cmocka.h>

#define CRLF "\r\n"
#define HOST "Host: x" CRLF

static enum http_verdict read_request(const char *text, struct http_request *request,
                                      unsigned *status)
{
    *status = 0;
    return http_read_request((const uint8_t *)text, strlen(text), request, status);
}

static void assert_text(struct http_text text, const char *wanted)
{
    assert_non_null(text.at);
    assert_int_equal(text.len, strlen(wanted));
    assert_memory_equal(text.at, wanted, text.len);
}

static void a_request_has_a_method_a_path_and_fields(void **state)
{
    static const char text[] = "POST /echo?ms=5&n=7 HTTP/1.1" CRLF "HOST:\t netlab.luatos.com " CRLF
                               "Content-Length: 12" CRLF "content-type: text/plain" CRLF
                               "Range: bytes=1-2" CRLF "Expect: 100-Continue" CRLF CRLF "the body";
    struct http_request request;
    unsigned status;

    (void)state;
    assert_int_equal(read_request(text, &request, &status), HTTP_DONE);
    assert_text(request.method, "POST");
    assert_text(request.path, "/echo");
    assert_text(request.query, "ms=5&n=7");
    assert_text(request.host, "netlab.luatos.com");
    assert_text(request.type, "text/plain");
    assert_text(request.range, "bytes=1-2");
    assert_int_equal(request.length, 12);
    assert_int_equal(request.head_len, sizeof(text) - sizeof("the body"));
    assert_true(request.keeps_alive);
    assert_true(request.expects_continue);
    assert_false(request.is_chunked);
}

/* However it is cut: it is never wrong, and never done too early. */
static void a_request_may_come_byte_by_byte(void **state)
{
    static const char text[] = CRLF "\nGET / HTTP/1.1\n" HOST "A: b" CRLF "\n";
    struct http_request request;
    unsigned status;

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(http_read_request((const uint8_t *)text, len, &request, &status),
                         HTTP_MORE);
    assert_int_equal(read_request(text, &request, &status), HTTP_DONE);
    assert_int_equal(request.head_len, sizeof(text) - 1);
}

static void a_connection_lives_on_where_both_ends_say_so(void **state)
{
    static const struct {
        const char *text;
        bool keeps_alive;
    } rows[] = {
        { "GET / HTTP/1.1" CRLF HOST CRLF, true },
        { "GET / HTTP/1.1" CRLF HOST "Connection: x, Close" CRLF CRLF, false },
        { "GET / HTTP/1.0" CRLF CRLF, false },
        { "GET / HTTP/1.0" CRLF "Connection: Keep-Alive" CRLF CRLF, true },
    };
    struct http_request request;
    unsigned status;

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(read_request(rows[i].text, &request, &status), HTTP_DONE);
        assert_int_equal(request.keeps_alive, rows[i].keeps_alive);
    }
}

static void a_target_may_name_its_host_and_a_fragment(void **state)
{
    struct http_request request;
    unsigned status;

    (void)state;
    assert_int_equal(read_request("GET HTTP://a:80/b?c=1#d HTTP/1.1" CRLF HOST CRLF, &request,
                                  &status),
                     HTTP_DONE);
    assert_text(request.path, "/b");
    assert_text(request.query, "c=1");
    assert_int_equal(read_request("OPTIONS * HTTP/1.1" CRLF HOST CRLF, &request, &status),
                     HTTP_DONE);
    assert_text(request.path, "*");
}

static void what_is_no_request_is_told_so(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        { "GET /" CRLF, 400 },                           /* HTTP/0.9 */
        { "\x16\x03\x01\x02\n", 400 },                   /* TLS */
        { "G@T / HTTP/1.1" CRLF HOST CRLF, 400 },        /* no token */
        { "GET  / HTTP/1.1" CRLF HOST CRLF, 400 },       /* two blanks */
        { "GET x HTTP/1.1" CRLF HOST CRLF, 400 },        /* no slash */
        { "GET http://x HTTP/1.1" CRLF HOST CRLF, 400 }, /* no path */
        { "GET /\x7f HTTP/1.1" CRLF HOST CRLF, 400 },    /* a control character */
        { "GET / HTTP/1.1 " CRLF HOST CRLF, 400 },       /* something behind the version */
        { "GET / HTTP/2.0" CRLF HOST CRLF, 505 },        /* another version */
        { "GET / HTTP/1.1" CRLF CRLF, 400 },             /* no host */
        { "GET / HTTP/1.1" CRLF HOST HOST CRLF, 400 },   /* two of them */
        { "GET / HTTP/1.1" CRLF "Host : x" CRLF, 400 },  /* RFC 9112 5.1 */
        { "GET / HTTP/1.1" CRLF " Host: x" CRLF, 400 },  /* folded */
        { "GET / HTTP/1.1" CRLF "Host" CRLF, 400 },      /* no colon */
        { "GET / HTTP/1.1" CRLF "A: b\rc" CRLF, 400 },   /* CR alone */
        { "GET / HTTP/1.1" CRLF "Content-Length: -1" CRLF, 400 },
        { "GET / HTTP/1.1" CRLF "Content-Length: 1, 1" CRLF, 400 },
        { "GET / HTTP/1.1" CRLF "Content-Length: 9999999999999999999" CRLF, 400 },
        { "GET / HTTP/1.1" CRLF "Content-Length: 1" CRLF "Content-Length: 2" CRLF, 400 },
        { "GET / HTTP/1.1" CRLF HOST "Content-Length: 1" CRLF
          "Transfer-Encoding: chunked" CRLF CRLF,
          400 },
        { "GET / HTTP/1.0" CRLF "Transfer-Encoding: chunked" CRLF CRLF, 400 },
        { "GET / HTTP/1.1" CRLF "Transfer-Encoding: gzip" CRLF, 501 },
    };
    struct http_request request;
    unsigned status;

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(read_request(rows[i].text, &request, &status), HTTP_WRONG);
        assert_int_equal(status, rows[i].status);
    }
}

static void a_head_without_an_end_is_too_large(void **state)
{
    char text[HTTP_HEAD_MAX + 1];
    struct http_request request;
    unsigned status = 0;
    size_t len;

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(http_read_request((uint8_t *)text, HTTP_HEAD_MAX - 1, &request, &status),
                     HTTP_MORE);
    assert_int_equal(http_read_request((uint8_t *)text, sizeof(text), &request, &status),
                     HTTP_WRONG);
    assert_int_equal(status, 431);
    len = (size_t)(stpcpy(text, "GET / HTTP/1.0" CRLF) - text);
    for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
        len += (size_t)(stpcpy(text + len, "a:b" CRLF) - (text + len));
    status = 0;
    assert_int_equal(http_read_request((uint8_t *)text, len, &request, &status), HTTP_WRONG);
    assert_int_equal(status, 431);
}

static void a_query_has_numbers(void **state)
{
    static const char text[] = "a&ms=x&n=3&ms=250&ms=1";
    const struct http_text query = { text, sizeof(text) - 1 };
    uint64_t number;

    (void)state;
    assert_true(http_query_number(query, "ms", &number));
    assert_int_equal(number, 250);
    assert_false(http_query_number(query, "a", &number));
    assert_false(http_query_number((struct http_text){ 0 }, "ms", &number));
}

static void a_range_is_a_part_or_is_ignored(void **state)
{
    static const struct {
        const char *text;
        enum http_range range;
        uint64_t first, count;
    } rows[] = {
        { "bytes=0-0", HTTP_RANGE_PART, 0, 1 },      { "bytes=10-", HTTP_RANGE_PART, 10, 90 },
        { "Bytes=90-200", HTTP_RANGE_PART, 90, 10 }, { "bytes=-30", HTTP_RANGE_PART, 70, 30 },
        { "bytes=-300", HTTP_RANGE_PART, 0, 100 },   { "bytes=100-", HTTP_RANGE_NONE, 0, 0 },
        { "bytes=-0", HTTP_RANGE_NONE, 0, 0 },       { "bytes=5-4", HTTP_RANGE_ALL, 0, 0 },
        { "bytes=1-2,4-5", HTTP_RANGE_ALL, 0, 0 },   { "bytes=-", HTTP_RANGE_ALL, 0, 0 },
        { "bytes=", HTTP_RANGE_ALL, 0, 0 },          { "lines=1-2", HTTP_RANGE_ALL, 0, 0 },
        { "bytes=x-y", HTTP_RANGE_ALL, 0, 0 },
    };

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        const struct http_text text = { rows[i].text, strlen(rows[i].text) };
        uint64_t first = 0, count = 0;

        assert_int_equal(http_read_range(text, 100, &first, &count), rows[i].range);
        if (rows[i].range != HTTP_RANGE_PART)
            continue;
        assert_int_equal(first, rows[i].first);
        assert_int_equal(count, rows[i].count);
    }
}

/* What @text brings, in pieces of @step bytes; the state at the end, and what was left over. */
static enum http_chunk_state read_chunks(const char *text, size_t step, char *body, size_t *left)
{
    struct http_chunks chunks = { 0 };
    size_t len = strlen(text), at = 0, got = 0;

    while (at < len && chunks.state != HTTP_CHUNK_DONE && chunks.state != HTTP_CHUNK_WRONG) {
        struct http_text piece;
        size_t n = http_read_chunks(&chunks, (const uint8_t *)text + at,
                                    step < len - at ? step : len - at, &piece);

        if (piece.len)
            memcpy(body + got, piece.at, piece.len);
        got += piece.len;
        at += n;
    }
    body[got] = '\0';
    *left = len - at;
    return chunks.state;
}

static void chunks_make_a_body(void **state)
{
    static const char text[] = "5" CRLF "hello" CRLF "0B;x=\"y\"" CRLF " wonderful " CRLF
                               "5\nworld\n000" CRLF "Trailer: t" CRLF CRLF "next";
    char body[sizeof(text)];
    size_t left;

    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        assert_int_equal(read_chunks(text, step, body, &left), HTTP_CHUNK_DONE);
        assert_string_equal(body, "hello wonderful world");
        assert_int_equal(left, 4);
    }
}

static void what_is_no_chunk_is_wrong(void **state)
{
    static const char *const texts[] = {
        CRLF, "x" CRLF, "-1" CRLF, "5" CRLF "helloX", "1000000000000000" CRLF, "5x" CRLF
    };
    char body[64];
    size_t left;

    (void)state;
    for (int i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(read_chunks(texts[i], 1, body, &left), HTTP_CHUNK_WRONG);
}

static void what_surrounds_chunks_is_limited(void **state)
{
    struct http_chunks chunks = { 0 };
    struct http_text piece;
    size_t n = 0;

    (void)state;
    (void)http_read_chunks(&chunks, (const uint8_t *)"1;", 2, &piece);
    while (chunks.state == HTTP_CHUNK_EXTENSION && n <= 2 * HTTP_HEAD_MAX)
        n += http_read_chunks(&chunks, (const uint8_t *)"x", 1, &piece);
    assert_int_equal(chunks.state, HTTP_CHUNK_WRONG);
    assert_in_range(n, HTTP_HEAD_MAX - 1, HTTP_HEAD_MAX + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_a_method_a_path_and_fields),
        cmocka_unit_test(a_request_may_come_byte_by_byte),
        cmocka_unit_test(a_connection_lives_on_where_both_ends_say_so),
        cmocka_unit_test(a_target_may_name_its_host_and_a_fragment),
        cmocka_unit_test(what_is_no_request_is_told_so),
        cmocka_unit_test(a_head_without_an_end_is_too_large),
        cmocka_unit_test(a_query_has_numbers),
        cmocka_unit_test(a_range_is_a_part_or_is_ignored),
        cmocka_unit_test(chunks_make_a_body),
        cmocka_unit_test(what_is_no_chunk_is_wrong),
        cmocka_unit_test(what_surrounds_chunks_is_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
