/* The lab's time server (RFC 4330, 5905). It tells the world's time, whatever the device believes. */
#include "adapters/lab/lab_priv.h"
#include "emu/ntp_msg.h"
#include "emu/vclock.h"

static void ntp_dgram(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    uint8_t answer[NTP_ANSWER_LEN];
    struct ntp_asked asked;

    if (ntp_read_request(data, len, &asked) < 0)
        return;
    ntp_write_answer(&asked, vclock_world_us(dgram->server->lab->config.clock), answer);
    lab_dgram_answer(dgram, answer, sizeof(answer));
}

const struct lab_dgram_ops lab_ntp_dgram = { .received = ntp_dgram };
