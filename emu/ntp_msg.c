#include "emu/ntp_msg.h"

#include <errno.h>
#include <string.h>

#include "emu/buf.h"
#include "emu/util.h"

#define REQUEST_FIRST   0x1b /* no leap warning, version 3, client; LuatOS luat_sntp.c */
#define LEAP_UNKNOWN    3
#define MODE_CLIENT     3
#define MODE_SERVER     4
#define VERSION_MIN     3
#define VERSION_MAX     4
#define ERA             (INT64_C(1) << 32)
#define ERA_1_AT_MOST   0x83aa7e80 /* LuatOS: up to here the seconds have wrapped, in 2036 */
#define MS_FRACTION     4295       /* LuatOS: fractions of 2^-32 s in a microsecond, rounded */
#define US_PER_MS       1000
#define US_PER_S        1000000
#define FRACTION_PER_MS ((uint64_t)4294967)
#define STRATUM_MAX     15 /* RFC 5905 7.3: 16 is a server without the time */
#define SKIPPED_LEN     10 /* poll, precision, root delay, root dispersion */
#define SENT_AT         40 /* where a request has the client's time */

/* What an answer says of our clock. */
#define STRATUM          1
#define PRECISION        0xec /* 2^-20 s, about a microsecond */
#define DISPERSION       16   /* 2^-16 s */
#define REFERENCE        "LOCL"
#define RFC_5905_VERSION 4

static void put_time(struct writer *w, const struct ntp_time *time)
{
    writer_u32(w, (uint32_t)time->s);
    writer_u32(w, (uint32_t)((uint64_t)time->ms * FRACTION_PER_MS));
}

void ntp_write_request(const struct ntp_time *origin, uint8_t message[NTP_REQUEST_LEN])
{
    struct writer w;

    memset(message, 0, NTP_REQUEST_LEN);
    message[0] = REQUEST_FIRST;
    writer_init(&w, message + NTP_REQUEST_LEN - 8, 8);
    put_time(&w, origin);
}

static struct ntp_time get_time(struct reader *r)
{
    int64_t s = reader_u32(r);
    uint32_t fraction = reader_left(r) >= 4 ? reader_u32(r) : 0;

    return (struct ntp_time){ .s = s <= ERA_1_AT_MOST ? s + ERA : s,
                              .ms = (int32_t)(fraction / MS_FRACTION / US_PER_MS) };
}

static bool is_origin(struct reader *r, const struct ntp_time *origin)
{
    uint8_t bytes[8];
    struct writer w;
    const uint8_t *got = reader_bytes(r, sizeof(bytes));

    writer_init(&w, bytes, sizeof(bytes));
    put_time(&w, origin);
    return got && memcmp(got, bytes, sizeof(bytes)) == 0;
}

/* Four capitals in the place of the reference's name. */
static bool get_kiss(struct reader *r, char kiss[NTP_KISS_LEN + 1])
{
    bool is_kiss = true;

    for (int i = 0; i < NTP_KISS_LEN; i++) {
        kiss[i] = (char)reader_u8(r);
        is_kiss = is_kiss && kiss[i] >= 'A' && kiss[i] <= 'Z';
    }
    kiss[NTP_KISS_LEN] = '\0';
    return is_kiss;
}

enum ntp_verdict ntp_read_reply(const struct ntp_time *origin, const uint8_t *message, size_t len,
                                struct ntp_reply *reply)
{
    struct reader r;
    uint8_t first, version, stratum;
    bool is_answer, is_kiss;

    *reply = (struct ntp_reply){ 0 };
    if (len < NTP_REPLY_MIN || len > NTP_REPLY_MAX)
        return NTP_VERDICT_SIZE;
    reader_init(&r, message, len);
    first = reader_u8(&r);
    version = first >> 3 & 7;
    stratum = reader_u8(&r);
    if ((first & 7) != MODE_SERVER || version < VERSION_MIN || version > VERSION_MAX)
        return NTP_VERDICT_MODE;
    (void)reader_bytes(&r, SKIPPED_LEN);
    is_kiss = get_kiss(&r, reply->kiss) && !stratum;
    (void)reader_bytes(&r, 8); /* when the server's clock was set */
    is_answer = is_origin(&r, origin);
    reply->received = get_time(&r);
    reply->sent = get_time(&r);
    if (!is_answer)
        return NTP_VERDICT_ORIGIN;
    if (is_kiss)
        return NTP_VERDICT_KISS;
    if (!stratum || stratum > STRATUM_MAX || first >> 6 == LEAP_UNKNOWN || reply->sent.s == ERA)
        return NTP_VERDICT_UNSYNC;
    return NTP_VERDICT_OK;
}

int ntp_read_request(const uint8_t *message, size_t len, struct ntp_asked *asked)
{
    struct reader r;
    uint8_t first;
    const uint8_t *sent;

    reader_init(&r, message, len);
    first = reader_u8(&r);
    (void)reader_u8(&r); /* stratum */
    asked->version = first >> 3 & 7;
    asked->poll = reader_u8(&r);
    reader_seek(&r, SENT_AT);
    sent = reader_bytes(&r, sizeof(asked->sent));
    if (r.failed || (first & 7) != MODE_CLIENT || !asked->version)
        return -EBADMSG;
    memcpy(asked->sent, sent, sizeof(asked->sent));
    return 0;
}

static void put_exact_time(struct writer *w, int64_t us)
{
    writer_u32(w, (uint32_t)(us / US_PER_S + NTP_UNIX_EPOCH_S));
    writer_u32(w, (uint32_t)(((uint64_t)(us % US_PER_S) << 32) / US_PER_S));
}

void ntp_write_answer(const struct ntp_asked *asked, int64_t now_us,
                      uint8_t message[NTP_ANSWER_LEN])
{
    uint8_t version = asked->version < RFC_5905_VERSION ? asked->version : RFC_5905_VERSION;
    struct writer w;

    writer_init(&w, message, NTP_ANSWER_LEN);
    writer_u8(&w, (uint8_t)(version << 3 | MODE_SERVER));
    writer_u8(&w, STRATUM);
    writer_u8(&w, asked->poll);
    writer_u8(&w, PRECISION);
    writer_u32(&w, 0); /* the delay to the reference clock */
    writer_u32(&w, DISPERSION);
    writer_bytes(&w, REFERENCE, NTP_KISS_LEN);
    put_exact_time(&w, now_us); /* the clock was set just now, and always is */
    writer_bytes(&w, asked->sent, sizeof(asked->sent));
    put_exact_time(&w, now_us);
    put_exact_time(&w, now_us);
}

const char *ntp_verdict_text(enum ntp_verdict verdict)
{
    static const char *const texts[] = {
        [NTP_VERDICT_OK] = "an answer",
        [NTP_VERDICT_SIZE] = "too short or too long for an answer",
        [NTP_VERDICT_MODE] = "not a server's answer",
        [NTP_VERDICT_ORIGIN] = "not the answer to our request",
        [NTP_VERDICT_KISS] = "a kiss-o'-death",
        [NTP_VERDICT_UNSYNC] = "from a server that does not know the time",
        [NTP_VERDICT_STRANGER] = "not from the server that was asked",
    };

    return texts[verdict];
}
