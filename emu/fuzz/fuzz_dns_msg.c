/* DNS messages of a hostile network, as the resolver reads answers and the lab's server queries. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/dns_msg.h"
#include "emu/fuzz/fuzz.h"
#include "emu/util.h"

#define ID       0x1234
#define FLAGS_AT 2
#define RESPONSE 0x80 /* in the first octet of the flags */

static void check_answer(const struct dns_question *question, const struct dns_answer *answer)
{
    enum ip_family family = question->type == DNS_TYPE_A ? IP_FAMILY_V4 : IP_FAMILY_V6;

    assert(answer->count >= 0 && answer->count <= DNS_ADDRS_MAX);
    for (int i = 0; i < answer->count; i++) {
        assert(answer->addrs[i].family == family);
        assert(answer->addrs[i].port == 0);
    }
}

static void read_answer(const struct dns_question *question, const uint8_t *data, size_t size)
{
    struct dns_answer answer;

    if (dns_read_answer(question, data, size, &answer) == 0)
        check_answer(question, &answer);
}

/* As the answer to a question that was never about what the message says. */
static void read_as_asked(enum dns_type type, const uint8_t *data, size_t size)
{
    struct dns_question question = { .id = ID, .type = type };
    int rc = dns_name_set(&question.name, "www.example.com");

    assert(rc == 0);
    read_answer(&question, data, size);
}

/* As a query; whoever asked must be able to read what he is answered. */
static void serve(const uint8_t *data, size_t size)
{
    struct endpoint addrs[2] = { 0 };
    uint8_t reply[DNS_MSG_MAX];
    char text[DNS_NAME_MAX];
    struct dns_answer answer;
    struct dns_asked asked;
    size_t len;
    int rc;

    if (dns_read_query(data, size, &asked) < 0)
        return;
    assert(strlen(dns_name_text(&asked.question.name, text)) < sizeof(text));
    endpoint_set_v4(&addrs[0], 192, 0, 2, 1);
    (void)endpoint_set_text(&addrs[1], "2001:db8::1");
    len = dns_write_answer(&asked, asked.rcode, addrs, 2, reply);
    assert(len <= sizeof(reply));
    if (asked.rcode != DNS_RCODE_OK)
        return;
    rc = dns_read_answer(&asked.question, reply, len, &answer);
    assert(rc == 0);
    if (asked.question.type == DNS_TYPE_A || asked.question.type == DNS_TYPE_AAAA)
        assert(answer.count == 1);
}

/* As the answer to the very question that stands in it. */
static void read_with_its_own_question(const uint8_t *data, size_t size)
{
    uint8_t *query;
    struct dns_asked asked;

    if (size <= FLAGS_AT)
        return;
    query = xcalloc(1, size);
    memcpy(query, data, size);
    query[FLAGS_AT] &= (uint8_t)~RESPONSE;
    serve(query, size);
    if (dns_read_query(query, size, &asked) == 0 && asked.rcode == DNS_RCODE_OK)
        read_answer(&asked.question, data, size);
    free(query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_asked(DNS_TYPE_A, data, size);
    read_as_asked(DNS_TYPE_AAAA, data, size);
    serve(data, size);
    read_with_its_own_question(data, size);
    return 0;
}
