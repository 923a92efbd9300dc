/* What is where in the lab: its servers and the names that its DNS knows. */
#include <string.h>

#include "adapters/lab/lab_priv.h"
#include "emu/dns_msg.h"
#include "emu/ntp_msg.h"

#define DNS_WHAT  "the name server: knows the names below"
#define ECHO_WHAT "sends back what it gets"
#define HTTP_WHAT \
    "a web server: /, /echo, /bytes/N, /chunked/N, /slow?ms=N, /redirect/N, /status/NNN"
#define SINK_WHAT "reads and says nothing"
#define PSK_WHAT \
    "echo over TLS and DTLS, with a pre-shared key: " LAB_PSK ", its name is " LAB_PSK_ID

/*
 * The first is TCP: a TCP port that someone listens on is never shared, and so keeps a loopback
 * address to one lab.
 */
/* clang-format off */
const struct lab_peer lab_peers[] = {
    { .name = "dns", .type = SOCK_TYPE_TCP, .port = 40053, .well_known = DNS_PORT,
      .stream = &lab_dns_stream, .what = DNS_WHAT },
    { .name = "dns", .type = SOCK_TYPE_UDP, .port = 40053, .well_known = DNS_PORT,
      .dgram = &lab_dns_dgram, .what = DNS_WHAT },
    { .name = "ntp", .type = SOCK_TYPE_UDP, .port = LAB_NTP_PORT, .well_known = NTP_PORT,
      .dgram = &lab_ntp_dgram, .what = "the time server: tells this machine's time" },
    { .name = "echo", .is_far_too = true, .type = SOCK_TYPE_TCP, .port = 40123, .well_known = 7,
      .stream = &lab_echo_stream, .what = ECHO_WHAT },
    { .name = "echo", .is_far_too = true, .type = SOCK_TYPE_UDP, .port = 40123, .well_known = 7,
      .dgram = &lab_echo_dgram, .what = ECHO_WHAT },
    { .name = "sink", .is_far_too = true, .type = SOCK_TYPE_TCP, .port = 40124, .well_known = 9,
      .stream = &lab_sink_stream, .what = SINK_WHAT },
    { .name = "sink", .is_far_too = true, .type = SOCK_TYPE_UDP, .port = 40124, .well_known = 9,
      .dgram = &lab_sink_dgram, .what = SINK_WHAT },
    { .name = "source", .type = SOCK_TYPE_TCP, .port = 40125,
      .stream = &lab_source_stream, .what = "sends as fast as you read, for ever" },
    { .name = "hangup", .type = SOCK_TYPE_TCP, .port = 40126,
      .stream = &lab_hangup_stream, .what = "closes at once" },
    { .name = "http", .is_far_too = true, .type = SOCK_TYPE_TCP, .port = 40180, .well_known = 80,
      .stream = &lab_http_stream, .what = HTTP_WHAT },
    { .name = "https", .type = SOCK_TYPE_TCP, .port = 40443, .well_known = 443,
      .secure = LAB_SECURE_CERT, .stream = &lab_http_stream, .what = "the same over TLS" },
    { .name = "rst", .type = SOCK_TYPE_TCP, .port = 40150,
      .stream = &lab_rst_stream, .what = "resets (RST) at once" },
    { .name = "reset", .type = SOCK_TYPE_TCP, .port = 40151,
      .stream = &lab_reset_stream, .what = "sends back 1000 bytes, then resets" },
    { .name = "halfclose", .type = SOCK_TYPE_TCP, .port = 40152,
      .stream = &lab_half_close_stream, .what = "sends back what comes first, then FIN, and reads on" },
    { .name = "slowreader", .type = SOCK_TYPE_TCP, .port = 40153, .rcvbuf = 4096,
      .stream = &lab_slow_reader_stream, .what = "reads 100 bytes every 100 ms: its window closes" },
    { .name = "dribble", .type = SOCK_TYPE_TCP, .port = 40154,
      .stream = &lab_dribble_stream, .what = "sends a byte every 100 ms, for ever" },
    { .name = "silent", .type = SOCK_TYPE_TCP, .port = 40155,
      .stream = &lab_silent_stream, .what = "never says anything, nor FIN when you do" },
    { .name = "blackhole", .type = SOCK_TYPE_TCP, .port = 40156, .door = LAB_DOOR_FULL,
      .what = "answers no SYN" },
    { .name = "refused", .type = SOCK_TYPE_TCP, .port = 40157, .door = LAB_DOOR_NOBODY,
      .what = "nobody is there: RST" },
    { .name = "twice", .type = SOCK_TYPE_UDP, .port = 40150,
      .dgram = &lab_twice_dgram, .what = "sends back everything twice" },
    { .name = "otherport", .type = SOCK_TYPE_UDP, .port = 40151,
      .dgram = &lab_other_port_dgram, .what = "sends back from another port, that of sink" },
    { .name = "large", .type = SOCK_TYPE_UDP, .port = 40152,
      .dgram = &lab_large_dgram, .what = "sends as many bytes as the datagram says in digits, else 4000" },
    { .name = "tls", .type = SOCK_TYPE_TCP, .port = 40141, .secure = LAB_SECURE_CERT,
      .stream = &lab_echo_stream, .what = "echo over TLS, 1.0 to 1.3" },
    { .name = "mutual", .type = SOCK_TYPE_TCP, .port = 40142, .secure = LAB_SECURE_MUTUAL,
      .stream = &lab_echo_stream, .what = "the same; clients must show a certificate of the lab's CA" },
    { .name = "expired", .type = SOCK_TYPE_TCP, .port = 40143, .secure = LAB_SECURE_EXPIRED,
      .stream = &lab_echo_stream, .what = "the same; its own certificate has expired" },
    { .name = "wronghost", .type = SOCK_TYPE_TCP, .port = 40144, .secure = LAB_SECURE_WRONG_HOST,
      .stream = &lab_echo_stream, .what = "the same; its own is for another host" },
    { .name = "selfsigned", .type = SOCK_TYPE_TCP, .port = 40145, .secure = LAB_SECURE_SELF_SIGNED,
      .stream = &lab_echo_stream, .what = "the same; no CA has signed its own" },
    { .name = "psk", .type = SOCK_TYPE_TCP, .port = 40146, .secure = LAB_SECURE_PSK,
      .stream = &lab_echo_stream, .what = PSK_WHAT },
    { .name = "psk", .type = SOCK_TYPE_UDP, .port = 40146, .secure = LAB_SECURE_PSK,
      .dgram = &lab_echo_dgram, .what = PSK_WHAT },
    { .name = "tlshangup", .type = SOCK_TYPE_TCP, .port = 40147,
      .stream = &lab_tls_hangup_stream, .what = "closes in the handshake, after the client's hello" },
    { .name = "dtls", .type = SOCK_TYPE_UDP, .port = 40141, .secure = LAB_SECURE_CERT,
      .dgram = &lab_echo_dgram, .what = "echo over DTLS, 1.0 and 1.2" },
};
/* clang-format on */
const size_t lab_peers_count = sizeof(lab_peers) / sizeof(lab_peers[0]);

static const char *const lab_names[] = { "netlab.luatos.com", NULL };

static const char *const time_names[] = {
    "ntp.aliyun.com",          "ntp1.aliyun.com",
    "ntp2.aliyun.com",         "ntp3.aliyun.com",
    "ntp4.aliyun.com",         "ntp5.aliyun.com",
    "ntp6.aliyun.com",         "ntp7.aliyun.com",
    "ntp.ntsc.ac.cn",          "ntp.tencent.com",
    "time1.cloud.tencent.com", "time2.cloud.tencent.com",
    "time3.cloud.tencent.com", "time4.cloud.tencent.com",
    "time5.cloud.tencent.com", "time.windows.com",
    "time.apple.com",          "pool.ntp.org",
    "0.pool.ntp.org",          "1.pool.ntp.org",
    "2.pool.ntp.org",          "3.pool.ntp.org",
    "cn.pool.ntp.org",         "0.cn.pool.ntp.org",
    "1.cn.pool.ntp.org",       "2.cn.pool.ntp.org",
    "3.cn.pool.ntp.org",       NULL,
};

static const char *const web_names[] = {
    "airtest.openluat.com", "www.openluat.com", "www.luatos.com",  "www.air32.cn",
    "httpbin.air32.cn",     "www.baidu.com",    "baidu.com",       "www.qq.com",
    "httpbin.org",          "example.com",      "www.example.com", NULL,
};

const struct lab_name_group lab_name_groups[] = {
    { "LuatOS's public test server, in its place", true, lab_names },
    { "time servers", false, time_names },
    { "web servers, and whatever else scripts ping or look up", true, web_names },
};
const size_t lab_name_groups_count = sizeof(lab_name_groups) / sizeof(lab_name_groups[0]);

static bool is_peer_name(const char *name)
{
    const char *dot = strchr(name, '.');

    if (!dot || strcmp(dot, LAB_DOMAIN) != 0)
        return false;
    for (size_t i = 0; i < lab_peers_count; i++) {
        const char *peer = lab_peers[i].name;

        if (strlen(peer) == (size_t)(dot - name) && strncmp(peer, name, strlen(peer)) == 0)
            return true;
    }
    return false;
}

static bool knows_name(const char *name)
{
    for (size_t i = 0; i < lab_name_groups_count; i++) {
        for (const char *const *known = lab_name_groups[i].names; *known; known++) {
            if (strcmp(name, *known) == 0)
                return true;
        }
    }
    return is_peer_name(name);
}

const struct endpoint *lab_find_name(const struct lab *lab, const char *name)
{
    if (lab->far.family != IP_FAMILY_NONE && strcmp(name, LAB_FAR) == 0)
        return &lab->far;
    return knows_name(name) ? lab_dns(lab) : NULL;
}
