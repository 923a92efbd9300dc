/*
 * Any script on any network: calls on socket controls and reports of the adapter, in any order. No
 * assertion of the core may fail, nothing may leak, and what a script is told stays within what the
 * document says.
 */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "emu/buf.h"
#include "emu/device.h"
#include "emu/fake_adapter.h"
#include "emu/fuzz/fuzz.h"
#include "emu/netc.h"

#define STEPS_MAX    512
#define CONTROLS_MAX 6
#define PAYLOAD_MAX  128
#define SENT_MAX     (FAKE_SENT_MAX / 2) /* the rest is for handshakes */

/* of a configuration */
#define FLAG_UDP       1
#define FLAG_KEEPALIVE 2
#define FLAG_TLS       4
#define FLAG_PSK       8

struct run {
    struct device device;
    struct fake_adapter *fake;
    struct netc *netcs[CONTROLS_MAX];
    struct reader in;
};

enum op {
    /* of the script */
    OP_NEW,
    OP_FREE,
    OP_CONFIGURE,
    OP_CONNECT,
    OP_CONNECT_NAME,
    OP_LISTEN,
    OP_ACCEPT,
    OP_TX,
    OP_RX,
    OP_RX_LEN,
    OP_WAIT,
    OP_LINKUP,
    OP_DISCONNECT,
    OP_CLOSE,
    OP_CLOSE_ALL,
    /* of the network */
    OP_REPORT,
    OP_DATA,
    OP_DATAGRAM,
    OP_CLIENT,
    OP_LINK,
    OP_FAIL,
    OP_SUCCEED,
    OP_PASS_TIME,
    OP_TURN,
    OP_COUNT,
};

static struct netc *pick_netc(struct run *run)
{
    return run->netcs[reader_u8(&run->in) % CONTROLS_MAX];
}

/* Any socket that was opened at some time; NULL: there was none. */
static struct fake_sock *pick_sock(struct run *run)
{
    int number = reader_u8(&run->in);

    return run->fake->socks_count ? fake_sock(run->fake, number % run->fake->socks_count) : NULL;
}

static const uint8_t *take_payload(struct run *run, size_t *len)
{
    size_t left;

    *len = reader_u8(&run->in) % PAYLOAD_MAX;
    left = reader_left(&run->in);
    *len = *len < left ? *len : left;
    return reader_bytes(&run->in, *len);
}

/* The fake network remembers every socket that it ever opened. */
static bool has_room(const struct run *run)
{
    return run->fake->socks_count + CONTROLS_MAX * ADAPTER_DNS_MAX < FAKE_SOCKS_MAX;
}

static void connect_somewhere(struct run *run, struct netc *netc, const char *name)
{
    struct netc_target target = { .name = name,
                                  .word = 0x090200c0,
                                  .port = reader_u8(&run->in),
                                  .want_ipv6 = reader_u8(&run->in) & 1 };

    if (has_room(run))
        (void)netc_connect(netc, &target);
}

static void accept_client(struct run *run, struct netc *listener)
{
    int free_place = 0;
    struct netc *client;

    while (free_place < CONTROLS_MAX && run->netcs[free_place])
        free_place++;
    if (free_place == CONTROLS_MAX || !has_room(run))
        return;
    client = netc_accept(listener);
    if (client)
        assert(client->state == NETC_STATE_ONLINE);
    run->netcs[free_place] = client;
}

static void send_something(struct run *run, struct netc *netc)
{
    struct endpoint to = { .port = 7 };
    struct netc_sent sent;
    const uint8_t *data;
    size_t len;

    endpoint_set_v4(&to, 192, 0, 2, 7);
    data = take_payload(run, &len);
    if (netc_has_socket(netc) && fake_sock(run->fake, netc->sid)->sent_len + len > SENT_MAX)
        return;
    sent = netc_tx(netc, data, len, len & 1 ? &to : NULL);
    assert(sent.ok || (sent.full && !sent.acked));
    assert(!sent.ok || sent.full == sent.acked);
}

static void receive_something(struct run *run, struct netc *netc)
{
    uint8_t data[PAYLOAD_MAX];
    size_t cap = reader_u8(&run->in) % (PAYLOAD_MAX + 1);
    struct endpoint from;
    ssize_t n = netc_rx(netc, data, cap, &from);

    assert(n >= -1 && n <= (ssize_t)cap);
}

static void configure(struct run *run, struct netc *netc)
{
    uint8_t flags = reader_u8(&run->in);
    struct tls_config tls = { .is_dtls = flags & FLAG_UDP };
    char why[TLS_WHY_MAX];

    if (flags & FLAG_PSK)
        tls.psk = tls.psk_id = (struct tls_blob){ "key", 3 };
    netc_configure(netc, &(struct netc_config){ .is_udp = flags & FLAG_UDP,
                                                .keepalive = flags & FLAG_KEEPALIVE,
                                                .local_port = reader_u8(&run->in) });
    if (flags & FLAG_TLS)
        (void)netc_use_tls(netc, &tls, why);
}

static void call_on_netc(struct run *run, enum op op)
{
    static const char *const names[] = { "example.com", "example.org", "localhost", "a..b", "" };
    struct netc *netc = pick_netc(run);

    if (!netc)
        return;
    switch ((int)op) {
    case OP_CONFIGURE:
        configure(run, netc);
        break;
    case OP_CONNECT:
        connect_somewhere(run, netc, NULL);
        break;
    case OP_CONNECT_NAME:
        connect_somewhere(run, netc, names[reader_u8(&run->in) % (sizeof(names) / sizeof(*names))]);
        break;
    case OP_LISTEN:
        if (has_room(run))
            (void)netc_listen(netc, reader_u8(&run->in) & 1);
        break;
    case OP_ACCEPT:
        accept_client(run, netc);
        break;
    case OP_TX:
        send_something(run, netc);
        break;
    case OP_RX:
        receive_something(run, netc);
        break;
    case OP_RX_LEN:
        assert(netc_rx_len(netc) >= -1);
        break;
    case OP_WAIT:
        (void)netc_wait(netc);
        break;
    case OP_LINKUP:
        (void)netc_linkup(netc);
        break;
    case OP_DISCONNECT:
        assert(netc_disconnect(netc) != NETC_VERDICT_FAILED); /* document: never false */
        break;
    default:
        netc_close(netc);
        assert(!netc_has_socket(netc));
        break;
    }
}

static void make_or_free(struct run *run, enum op op)
{
    struct netc **place = &run->netcs[reader_u8(&run->in) % CONTROLS_MAX];

    if (op == OP_NEW && !*place)
        *place = netc_new(&run->device.net, &run->fake->base);
    if (op == OP_FREE && *place) {
        netc_free(*place);
        *place = NULL;
    }
}

/* Reports of a socket itself: link and lookup are not a peer's to report. */
static enum net_event_type take_event(struct run *run)
{
    const uint8_t count = NET_EVENT_ERROR - NET_EVENT_CONNECTED + 1;

    return (enum net_event_type)(NET_EVENT_CONNECTED + reader_u8(&run->in) % count);
}

static void deliver_payload(struct run *run, struct fake_sock *sock, enum op op)
{
    size_t len;
    const uint8_t *data = take_payload(run, &len);

    if (!sock->is_open)
        return;
    if (op == OP_DATA && sock->spec.type == SOCK_TYPE_TCP) {
        byteq_append(&sock->rxq, data, len);
    } else if (sock->spec.type == SOCK_TYPE_UDP && sock->dgrams_count < FAKE_DGRAMS_MAX) {
        fake_datagram(run->fake, sock, data, len, &sock->remote);
    }
    fake_report(run->fake, sock, NET_EVENT_RX, 0);
}

static void play_network(struct run *run, enum op op)
{
    struct fake_sock *sock = pick_sock(run);

    if (!sock)
        return;
    switch ((int)op) {
    case OP_REPORT:
        fake_report(run->fake, sock, take_event(run), reader_u8(&run->in));
        break;
    case OP_DATA:
    case OP_DATAGRAM:
        deliver_payload(run, sock, op);
        break;
    default:
        if (sock->is_listener && sock->is_open)
            fake_client(run->fake, sock, "192.0.2.77", 1000);
        break;
    }
}

static void turn(struct run *run, uint64_t until_us)
{
    struct msg msg;

    while (msgq_take(&run->device.msgs, &msg)) {
        if (msg.kind != MSG_KIND_NETC)
            continue;
        assert(msg.as.netc.param == 0 || msg.as.netc.param == -1);
        assert(msg.as.netc.report >= NETC_REPORT_LINK && msg.as.netc.report <= NETC_REPORT_EVENT);
    }
    (void)device_turn(&run->device, until_us);
}

static void set_failures(struct run *run, bool fails)
{
    run->fake->connect_rc = run->fake->listen_rc = fails ? -1 : 0;
    run->fake->connects_to_fail = fails ? reader_u8(&run->in) % 4 : 0;
    run->fake->send_rc = fails && reader_u8(&run->in) & 1 ? -1 : 0;
    run->fake->disconnect_rc = fails && reader_u8(&run->in) & 1 ? -1 : 0;
}

static void step(struct run *run)
{
    enum op op = (enum op)(reader_u8(&run->in) % OP_COUNT);
    uint8_t byte;

    switch (op) {
    case OP_NEW:
    case OP_FREE:
        make_or_free(run, op);
        break;
    case OP_CONFIGURE:
    case OP_CONNECT:
    case OP_CONNECT_NAME:
    case OP_LISTEN:
    case OP_ACCEPT:
    case OP_TX:
    case OP_RX:
    case OP_RX_LEN:
    case OP_WAIT:
    case OP_LINKUP:
    case OP_DISCONNECT:
    case OP_CLOSE:
        call_on_netc(run, op);
        break;
    case OP_CLOSE_ALL:
        net_close_all(&run->device.net, &run->fake->base);
        break;
    case OP_REPORT:
    case OP_DATA:
    case OP_DATAGRAM:
    case OP_CLIENT:
        play_network(run, op);
        break;
    case OP_LINK:
        byte = reader_u8(&run->in);
        fake_link(run->fake, byte & 1);
        break;
    case OP_FAIL:
    case OP_SUCCEED:
        set_failures(run, op == OP_FAIL);
        break;
    case OP_PASS_TIME:
        byte = reader_u8(&run->in);
        turn(run, run->device.clock.now_us + (uint64_t)byte * 100000);
        break;
    case OP_TURN:
    case OP_COUNT:
        turn(run, run->device.clock.now_us);
        break;
    }
}

static void open_run(struct run *run)
{
    struct device_config config = {
        .time = VCLOCK_MODE_VIRTUAL,
        .has_seed = true,
        .log = { .module_fd = -1, .voice_fd = STDERR_FILENO, .level = LOG_LEVEL_SILENT },
        .trace_fd = -1,
    };
    int rc;

    limits_init(&config.limits);
    config.limits.send_buffer = PAYLOAD_MAX;
    rc = device_open(&run->device, &config);
    assert(rc == 0);
    run->fake = fake_adapter_new();
    net_register(&run->device.net, &run->fake->base, ADAPTER_ETH0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run = { 0 };

    open_run(&run);
    reader_init(&run.in, data, size);
    for (int i = 0; i < STEPS_MAX && reader_left(&run.in) && has_room(&run); i++)
        step(&run);
    device_close(&run.device);
    return 0;
}
