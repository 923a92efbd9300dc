/* An HTTP request and its body in chunks, as a server reads them; the first byte is the pieces' length. */
#include <assert.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/http_msg.h"

#define RANGED_LEN 1000

static void assert_inside(struct http_text text, const uint8_t *data, size_t len)
{
    const char *begin = (const char *)data;

    assert(!text.at || (text.at >= begin && text.at + text.len <= begin + len));
}

static void look_at(const struct http_request *request, const uint8_t *data)
{
    uint64_t first = 0, count = 0, number;

    assert_inside(request->method, data, request->head_len);
    assert_inside(request->path, data, request->head_len);
    assert_inside(request->query, data, request->head_len);
    assert_inside(request->host, data, request->head_len);
    assert_inside(request->type, data, request->head_len);
    assert_inside(request->range, data, request->head_len);
    assert(request->path.len > 0 && (request->path.at[0] == '/' || request->path.at[0] == '*'));
    assert(!request->is_chunked || (request->minor && !request->length));
    if (http_read_range(request->range, RANGED_LEN, &first, &count) == HTTP_RANGE_PART)
        assert(count > 0 && first < RANGED_LEN && first + count <= RANGED_LEN);
    (void)http_query_number(request->query, "ms", &number);
}

static void read_chunks(const uint8_t *data, size_t size, size_t step)
{
    struct http_chunks chunks = { 0 };
    size_t at = 0;

    while (at < size && chunks.state != HTTP_CHUNK_DONE && chunks.state != HTTP_CHUNK_WRONG) {
        size_t len = step < size - at ? step : size - at, n;
        struct http_text piece;

        n = http_read_chunks(&chunks, data + at, len, &piece);
        assert(n <= len);
        assert(n > 0 || chunks.state == HTTP_CHUNK_DONE || chunks.state == HTTP_CHUNK_WRONG);
        assert_inside(piece, data + at, n);
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request;
    enum http_verdict verdict;
    unsigned status = 0;
    size_t step;

    if (!size)
        return 0;
    step = data[0] ? data[0] : size;
    data++;
    size--;
    verdict = http_read_request(data, size, &request, &status);
    if (verdict == HTTP_WRONG)
        assert(status == 400 || status == 431 || status == 501 || status == 505);
    if (verdict != HTTP_DONE)
        return 0;
    assert(request.head_len > 0 && request.head_len <= size && request.head_len <= HTTP_HEAD_MAX);
    look_at(&request, data);
    read_chunks(data + request.head_len, size - request.head_len, step);
    return 0;
}
