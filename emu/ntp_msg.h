/*
 * ntp_msg: the messages of SNTP (RFC 4330 section 4, RFC 5905 7.3). Pure: bytes in, values out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NTP_PORT         123
#define NTP_REQUEST_LEN  48
#define NTP_ANSWER_LEN   48
#define NTP_REPLY_MIN    44         /* what a module takes: the seconds of the transmit time */
#define NTP_REPLY_MAX    72         /* with a key number and a SHA-1 digest, RFC 5905 7.3 */
#define NTP_UNIX_EPOCH_S 2208988800 /* 1970-01-01 in seconds since 1900-01-01, RFC 868 */

/* A time: seconds since 1900, 64 bits of them, and milliseconds. */
struct ntp_time {
    int64_t s;
    int32_t ms;
};

#define NTP_KISS_LEN 4

struct ntp_reply {
    struct ntp_time received, sent; /* the server's clock, at both ends of its work */
    char kiss[NTP_KISS_LEN + 1];    /* of a kiss-o'-death: "RATE", RFC 5905 7.4 */
};

enum ntp_verdict {
    NTP_VERDICT_OK,
    NTP_VERDICT_SIZE,     /* too short or too long to be one */
    NTP_VERDICT_MODE,     /* no server's answer, or of another version */
    NTP_VERDICT_ORIGIN,   /* it answers another request than the last */
    NTP_VERDICT_KISS,     /* a kiss-o'-death: the server wants to be left alone */
    NTP_VERDICT_UNSYNC,   /* the server does not know the time itself */
    NTP_VERDICT_STRANGER, /* it is not from the server that was asked; the reader can't know */
};

/* @origin: when it is sent, by our own clock; all zero: unknown, as before the first answer. */
void ntp_write_request(const struct ntp_time *origin, uint8_t message[NTP_REQUEST_LEN]);

/*
 * Read @message as the answer to the request of @origin. @reply's times are set when it is OK, its
 * @kiss when it is a KISS.
 */
enum ntp_verdict ntp_read_reply(const struct ntp_time *origin, const uint8_t *message, size_t len,
                                struct ntp_reply *reply);

/* A request as a server sees it. */
struct ntp_asked {
    uint8_t version, poll;
    uint8_t sent[8]; /* by the client's clock; the answer repeats it */
};

/* -EBADMSG: this is no client's request, nobody waits for an answer. Else 0. */
int ntp_read_request(const uint8_t *message, size_t len, struct ntp_asked *asked);

/* Answer @asked as a server of stratum 1 whose clock shows @now_us, since 1970. */
void ntp_write_answer(const struct ntp_asked *asked, int64_t now_us,
                      uint8_t message[NTP_ANSWER_LEN]);

/* For people: "a kiss-o'-death". */
const char *ntp_verdict_text(enum ntp_verdict verdict);
