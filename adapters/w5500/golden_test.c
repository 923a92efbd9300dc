/*
 * What goes over the wire, compared to fixtures/pcap/w5500-NAME.pcapng byte by byte: frames, their
 * order, their times. conformance/test_w5500_golden.py has tshark say whether those files are right.
 *
 * With GOLDEN=write in the environment the files are written anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/w5500/fake_host.h"
#include "adapters/w5500/fake_peer.h"
#include "emu/buf.h"
#include "emu/dhcp_client.h"
#include "emu/dhcp_server.h"
#include "emu/frame.h"
#include "emu/packet.h"
#include "emu/pcapng.h"
#include "emu/util.h"

#include <cmocka.h>

#define COMMON     W5500_BLOCK_COMMON
#define MR         0x00
#define FARP       0x02
#define SIPR       0x0f
#define IR         0x15
#define UNREACH    0x40
#define SN_DHAR    0x06
#define UDP        0x02
#define MULTI      0x80
#define DISCON     0x08
#define CLOSE      0x10
#define GOLDEN_MAX (100 * 1024)
#define TURN_US    1000 /* until the peer answers */
#define SECOND_US  1000000

struct fixture {
    struct host host;
    struct peer peer;
    struct byteq wire;
};

static int setup(void **state)
{
    static const struct pcapng_section section = { .application = "adapters/w5500/golden_test.c" };
    static const struct pcapng_interface interface = { .link_type = PCAPNG_LINK_ETHERNET,
                                                       .name = "ETH0",
                                                       .mac = host_mac };
    static struct fixture fixture;

    fixture = (struct fixture){ 0 };
    byteq_init(&fixture.wire);
    pcapng_put_section(&fixture.wire, &section);
    pcapng_put_interface(&fixture.wire, &interface);
    host_init(&fixture.host, NULL);
    host_set_net(&fixture.host);
    host_forget(&fixture.host);
    fixture.host.wire = &fixture.wire;
    peer_init(&fixture.peer, &fixture.host);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    host_fini(&fixture->host);
    byteq_fini(&fixture->wire);
    return 0;
}

static void write_file(const char *path, const struct byteq *wire)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(byteq_front(wire), 1, wire->len, file), wire->len);
    assert_int_equal(fclose(file), 0);
}

/* What differs is left beside the test, to be looked at. */
static void compare(const struct fixture *fixture, const char *name)
{
    static uint8_t golden[GOLDEN_MAX];
    char path[512], fresh[64];
    size_t len = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/pcap/w5500-%s.pcapng", FIXTURES, name);
    (void)snprintf(fresh, sizeof(fresh), "w5500-%s.fresh.pcapng", name);
    if (getenv("GOLDEN"))
        write_file(path, &fixture->wire);
    file = fopen(path, "r");
    if (file) {
        len = fread(golden, 1, sizeof(golden), file);
        (void)fclose(file);
    }
    if (len == fixture->wire.len && memcmp(golden, byteq_front(&fixture->wire), len) == 0)
        return;
    write_file(fresh, &fixture->wire);
    fail_msg("the wire is not that of %s: see %s", path, fresh);
}

static void peer_says(struct peer *peer, uint8_t flags, const char *text)
{
    host_run_us(peer->host, TURN_US);
    peer_send(peer, flags, text, strlen(text));
}

/* The chip's segment, which the peer then has. */
static void peer_hears(struct peer *peer, uint8_t flags, size_t len)
{
    (void)peer_expect(peer, flags, len);
    peer->ack += (uint32_t)len + !!(flags & PACKET_TCP_FIN);
}

/* ---- TCP -------------------------------------------------------------------------------------------- */

static void tcp_client_connects_is_echoed_and_closes(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;
    struct peer *peer = &fixture->peer;
    uint8_t bytes[64];

    peer_be_called(peer);
    peer_says(peer, PACKET_TCP_SYN | PACKET_TCP_ACK, "");
    peer_hears(peer, PACKET_TCP_ACK, 0);
    host_send(host, 0, "hello", 5);
    peer_hears(peer, PACKET_TCP_ACK | PACKET_TCP_PSH, 5);
    peer_says(peer, PACKET_TCP_ACK | PACKET_TCP_PSH, "hello");
    host_run_us(host, SECOND_US); /* its acknowledgement is delayed */
    peer_hears(peer, PACKET_TCP_ACK, 0);
    assert_int_equal(peer_fetch(peer, bytes, sizeof(bytes)), 5);
    host_command(host, 0, DISCON);
    peer_hears(peer, PACKET_TCP_ACK | PACKET_TCP_FIN, 0);
    peer_says(peer, PACKET_TCP_ACK | PACKET_TCP_FIN, "");
    peer_hears(peer, PACKET_TCP_ACK, 0);
    assert_int_equal(host_status(host, 0), 0);
    compare(fixture, "tcp-echo");
}

static void tcp_server_is_called_answers_and_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;
    struct peer *peer = &fixture->peer;
    uint8_t bytes[64];

    host_arp(host, 1, HOST_PEER_IP, HOST_IP);
    peer_call(peer);
    peer_says(peer, PACKET_TCP_ACK, "");
    peer_says(peer, PACKET_TCP_ACK | PACKET_TCP_PSH, "ping");
    assert_int_equal(peer_fetch(peer, bytes, sizeof(bytes)), 4);
    host_send(host, 0, "pong", 4);
    peer_hears(peer, PACKET_TCP_ACK | PACKET_TCP_PSH, 4);
    peer_says(peer, PACKET_TCP_ACK | PACKET_TCP_FIN, "");
    peer_hears(peer, PACKET_TCP_ACK, 0);
    assert_int_equal(host_status(host, 0), 0x1c); /* CLOSE_WAIT */
    host_command(host, 0, DISCON);
    peer_hears(peer, PACKET_TCP_ACK | PACKET_TCP_FIN, 0);
    peer_says(peer, PACKET_TCP_ACK, "");
    assert_int_equal(host_status(host, 0), 0);
    compare(fixture, "tcp-server");
}

static void a_port_without_a_listener_refuses(void **state)
{
    struct fixture *fixture = *state;

    peer_says(&fixture->peer, PACKET_TCP_SYN, "");
    peer_hears(&fixture->peer, PACKET_TCP_RST | PACKET_TCP_ACK, 0);
    compare(fixture, "tcp-refused");
}

/* RTR, twice, ... up to 6.4 s, RCR + 1 times: 31.8 s. */
static void syn_is_sent_again_until_it_gives_up(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;

    peer_be_called(&fixture->peer);
    host_run_us(host, 32 * SECOND_US);
    assert_int_equal(host_status(host, 0), 0);
    compare(fixture, "tcp-syn-timeout");
}

static void data_is_sent_again_until_it_gives_up(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;

    peer_connect(&fixture->peer);
    host_send(host, 0, "is anybody there?", 17);
    host_run_us(host, 32 * SECOND_US);
    assert_int_equal(host_status(host, 0), 0);
    compare(fixture, "tcp-data-timeout");
}

/* ---- ARP, UDP, ICMP, IGMP ------------------------------------------------------------------------ */

/* RTR * (RCR + 1): 1.8 s. */
static void arp_asks_until_it_gives_up(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;

    host_open(host, 1, UDP, 5000);
    host_set_destination(host, 1, HOST_PEER_IP, 7);
    host_send(host, 1, "hello", 5);
    host_run_us(host, 3 * SECOND_US);
    assert_int_equal(host_take_ir(host, 1), PEER_TIMEOUT);
    compare(fixture, "arp-timeout");
}

/* What comes back quotes the datagram: IP header and 8 bytes. */
static void answer_unreachable(struct host *host, const struct host_frame *sent)
{
    uint8_t message[8 + 28] = { 3, 3 }, frame[PACKET_HEADERS_MAX + sizeof(message)];
    const struct packet_way way = host_way(0);

    memcpy(message + 8, sent->bytes + 14, 28);
    host_receive(host, frame, packet_write_icmp(frame, &way, message, sizeof(message)));
}

static void udp_for_closed_ports_is_unreachable_both_ways(void **state)
{
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;
    const struct packet_way way = host_way(4000);

    host_open(host, 1, UDP, 5000);
    host_set_destination(host, 1, HOST_PEER_IP, 7);
    host_send(host, 1, "hello", 5);
    host_run_us(host, TURN_US);
    host_arp(host, 2, HOST_PEER_IP, HOST_IP);
    host_run_us(host, TURN_US);
    answer_unreachable(host, host_frame_get(host, 1));
    assert_int_equal(host_read8(host, COMMON, IR), UNREACH);
    host_run_us(host, TURN_US);
    host_udp(host, &way, "anybody?", 8);
    compare(fixture, "udp-unreachable");
}

static void a_group_is_joined_and_left(void **state)
{
    static const uint8_t mac[] = { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 };
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;

    host_write(host, W5500_BLOCK_SOCKET(1), SN_DHAR, mac, sizeof(mac));
    host_set_destination(host, 1, 0xef010203, 5000);
    host_open(host, 1, UDP | MULTI, 5000);
    host_run_us(host, SECOND_US);
    host_send(host, 1, "hello", 5);
    host_run_us(host, SECOND_US);
    host_command(host, 1, CLOSE);
    compare(fixture, "igmp");
}

/* ---- DHCP, as LuatOS's driver does it over socket 0 -------------------------------------------- */

struct mcu {
    struct fixture *fixture;
    struct dhcp_client client;
    struct dhcp_server server;
    size_t taken; /* frames */
};

static void send_dhcp(struct dhcp_client *client, const struct dhcp_msg *msg, uint32_t ip)
{
    struct host *host = &container_of(client, struct mcu, client)->fixture->host;
    uint8_t bytes[DHCP_MSG_MAX];

    host_set_destination(host, 0, ip, DHCP_SERVER_PORT);
    host_send(host, 0, bytes, dhcp_write(msg, bytes));
}

static void set_lease(struct dhcp_client *client, const struct dhcp_lease *lease)
{
    struct host *host = &container_of(client, struct mcu, client)->fixture->host;

    host_write8(host, COMMON, MR, 0);
    host_write32(host, COMMON, SIPR, lease->ip);
}

static void lose_lease(struct dhcp_client *client, enum dhcp_loss why)
{
    (void)client;
    (void)why;
    fail();
}

/* The server's turn: what the chip sent, and what comes of it. */
static void serve(struct mcu *mcu)
{
    struct host *host = &mcu->fixture->host;
    struct packet_way way = host_way(DHCP_CLIENT_PORT);

    for (; mcu->taken < host->frames_count; mcu->taken++) {
        const struct host_frame *sent = host_frame_get(host, mcu->taken);
        uint8_t bytes[DHCP_MSG_MAX];
        struct dhcp_reply reply;
        struct dhcp_msg msg;
        struct frame frame;

        if (!frame_read(&frame, sent->bytes, sent->len) ||
            !dhcp_read(sent->bytes + frame.data_at, frame.data_len, &msg) ||
            !dhcp_server_handle(&mcu->server, &msg, &reply))
            continue;
        host_run_us(host, TURN_US);
        way.from.port = DHCP_SERVER_PORT;
        dhcp_to_endpoint(reply.ip, &way.to);
        way.to.port = reply.port;
        memcpy(way.to_mac, host_all_mac, sizeof(way.to_mac));
        host_udp(host, &way, bytes, dhcp_write(&reply.msg, bytes));
    }
}

/* The driver's: a datagram behind its 8 bytes of header. */
static void hear(struct mcu *mcu)
{
    struct host *host = &mcu->fixture->host;
    uint8_t bytes[8 + DHCP_MSG_MAX];
    size_t len = peer_fetch(&mcu->fixture->peer, bytes, sizeof(bytes));
    struct dhcp_msg msg;

    assert_true(len > 8);
    assert_true(dhcp_read(bytes + 8, len - 8, &msg));
    host_run_us(host, TURN_US);
    assert_true(dhcp_client_handle(&mcu->client, &msg));
}

static void an_address_is_got_by_dhcp(void **state)
{
    static const struct dhcp_client_ops ops = { .send = send_dhcp,
                                                .bound = set_lease,
                                                .lost = lose_lease };
    struct fixture *fixture = *state;
    struct host *host = &fixture->host;
    struct dhcp_client_config config = { .timers = &host->timers,
                                         .clock = &host->clock,
                                         .rng = &host->rng,
                                         .ops = &ops,
                                         .timing = &dhcp_client_timing,
                                         .hostname = "luatos" };
    static struct mcu mcu;

    mcu = (struct mcu){ .fixture = fixture };
    memcpy(config.mac, host_mac, sizeof(host_mac));
    dhcp_client_init(&mcu.client, &config);
    dhcp_server_init(&mcu.server, &(struct dhcp_server_config){ .clock = &host->clock,
                                                                .ip = HOST_PEER_IP,
                                                                .prefix_len = 24,
                                                                .first = HOST_IP,
                                                                .last = HOST_IP + 4,
                                                                .fresh = HOST_IP + 1,
                                                                .router = HOST_GATEWAY_IP,
                                                                .dns = { HOST_PEER_IP },
                                                                .dns_count = 1,
                                                                .lease_s = 3600 });
    host_write32(host, COMMON, SIPR, 0);
    host_write8(host, COMMON, MR, FARP);
    host_open(host, 0, UDP, DHCP_CLIENT_PORT);
    dhcp_client_start(&mcu.client);
    serve(&mcu); /* OFFER */
    hear(&mcu);
    serve(&mcu); /* ACK */
    hear(&mcu);
    assert_true(dhcp_client_is_bound(&mcu.client));
    assert_int_equal(host_read32(host, COMMON, SIPR), HOST_IP + 1);
    dhcp_client_stop(&mcu.client);
    compare(fixture, "dhcp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(tcp_client_connects_is_echoed_and_closes),
        TEST(tcp_server_is_called_answers_and_is_closed),
        TEST(a_port_without_a_listener_refuses),
        TEST(syn_is_sent_again_until_it_gives_up),
        TEST(data_is_sent_again_until_it_gives_up),
        TEST(arp_asks_until_it_gives_up),
        TEST(udp_for_closed_ports_is_unreachable_both_ways),
        TEST(a_group_is_joined_and_left),
        TEST(an_address_is_got_by_dhcp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
