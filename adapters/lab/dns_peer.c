/* The lab's name server, over UDP and TCP (RFC 1035 4.2). It tells the lab's addresses. */
#include "adapters/lab/lab_priv.h"
#include "emu/dns_msg.h"
#include "emu/trace.h"

#define PREFIX_LEN 2 /* over TCP the length of a message comes before it */

/*
 * Length of the answer; 0: there is none here, as @query is none, or, @is_forwarded, another name server
 * gives it.
 */
static size_t answer_query(const struct lab_asker *asker, const uint8_t *query, size_t len,
                           uint8_t answer[DNS_MSG_MAX], bool *is_forwarded)
{
    const struct lab *lab = asker->server->lab;
    char name[DNS_NAME_MAX], from_text[ENDPOINT_TEXT_MAX];
    const struct endpoint *addr = NULL;
    struct dns_asked asked;
    enum dns_rcode rcode;

    *is_forwarded = false;
    if (dns_read_query(query, len, &asked) < 0)
        return 0;
    rcode = asked.rcode;
    dns_name_text(&asked.question.name, name);
    if (rcode == DNS_RCODE_OK)
        addr = lab_find_name(lab, name);
    if (rcode == DNS_RCODE_OK && !addr) {
        *is_forwarded = lab_forward(asker, query, len);
        rcode = *is_forwarded  ? DNS_RCODE_OK
                : lab->forward ? DNS_RCODE_SERVFAIL /* the name may well exist */
                               : DNS_RCODE_NXDOMAIN;
    }
    trace_emit(lab->config.trace, "lab.dns", "{s:s, s:i, s:i, s:s, s:b}", "name", name, "type",
               (int)asked.question.type, "rcode", (int)rcode, "from",
               endpoint_text(asker->from, from_text), "forwarded", *is_forwarded);
    return *is_forwarded ? 0 : dns_write_answer(&asked, rcode, addr, addr ? 1 : 0, answer);
}

static void dns_dgram(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    const struct lab_asker asker = { .server = dgram->server,
                                     .from = &dgram->from,
                                     .dgram = dgram };
    uint8_t answer[DNS_MSG_MAX];
    bool is_forwarded;
    size_t answer_len = answer_query(&asker, data, len, answer, &is_forwarded);

    if (answer_len)
        lab_dgram_answer(dgram, answer, answer_len);
}

static void send_answer(struct lab_stream *stream, const uint8_t *query, size_t len)
{
    const struct lab_asker asker = { .server = stream->server,
                                     .from = &stream->from,
                                     .stream = stream };
    uint8_t framed[PREFIX_LEN + DNS_MSG_MAX];
    bool is_forwarded;
    size_t answer_len = answer_query(&asker, query, len, framed + PREFIX_LEN, &is_forwarded);
    struct writer w;

    if (!answer_len) {
        if (!is_forwarded)
            lab_stream_end(stream);
        return;
    }
    writer_init(&w, framed, PREFIX_LEN);
    writer_u16(&w, (uint16_t)answer_len);
    lab_stream_write(stream, framed, PREFIX_LEN + answer_len);
}

/* Answer what has come whole; a query longer than any that is needed is the end. */
static void dns_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    byteq_append(&stream->inq, data, len);
    while (stream->inq.len && !stream->is_ending) {
        struct reader r;
        uint16_t query_len;
        const uint8_t *query;

        reader_init(&r, byteq_front(&stream->inq), stream->inq.len);
        query_len = reader_u16(&r);
        if (query_len > DNS_MSG_MAX)
            lab_stream_end(stream);
        query = reader_bytes(&r, query_len);
        if (r.failed)
            return;
        send_answer(stream, query, query_len);
        byteq_drop(&stream->inq, PREFIX_LEN + query_len);
    }
}

const struct lab_stream_ops lab_dns_stream = { .received = dns_received,
                                               .closed = lab_forward_forget };
const struct lab_dgram_ops lab_dns_dgram = { .received = dns_dgram };
