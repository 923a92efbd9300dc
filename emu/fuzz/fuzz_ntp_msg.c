/* Messages of NTP, as its client and as its server reads them. The first byte says whether they answer a first request or a later one. */
#include <assert.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/ntp_msg.h"

#define LATER_S INT64_C(4000000000) /* in 2026 */

/* As a server. */
static void serve(const uint8_t *data, size_t size)
{
    uint8_t answer[NTP_ANSWER_LEN];
    struct ntp_asked asked;

    if (ntp_read_request(data, size, &asked) < 0)
        return;
    assert(size >= NTP_REQUEST_LEN);
    ntp_write_answer(&asked, LATER_S, answer);
    assert((answer[0] & 7) == 4 && memcmp(answer + 24, asked.sent, sizeof(asked.sent)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ntp_reply reply = { 0 };
    struct ntp_time origin = { 0 };
    enum ntp_verdict verdict;

    if (!size)
        return 0;
    if (data[0])
        origin = (struct ntp_time){ .s = LATER_S, .ms = data[0] };
    serve(data + 1, size - 1);
    verdict = ntp_read_reply(&origin, data + 1, size - 1, &reply);
    assert(strlen(ntp_verdict_text(verdict)) > 0);
    assert(strlen(reply.kiss) <= NTP_KISS_LEN);
    if (verdict != NTP_VERDICT_OK)
        return 0;
    assert(size - 1 >= NTP_REPLY_MIN && size - 1 <= NTP_REPLY_MAX);
    assert(reply.sent.ms >= 0 && reply.sent.ms < 1000);
    assert(reply.received.ms >= 0 && reply.received.ms < 1000);
    assert(reply.sent.s > NTP_UNIX_EPOCH_S); /* what is before has wrapped: it is after 2036 */
    return 0;
}
