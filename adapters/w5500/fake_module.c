#include "adapters/w5500/fake_module.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/dhcp_msg.h"
#include "emu/frame.h"
#include "emu/packet.h"
#include "emu/util.h"

#define PREFIX_LEN 24
#define AWAIT_MS   120000
#define US_PER_MS  1000
#define LEASE_S    3600
#define LEASES     20
#define ARP_REPLY  2
#define ARP_AT     20 /* operation */
#define ARP_ASKED  38 /* whose address */
#define ETHERTYPE  12
#define MTU        1500

/* ---- the network ------------------------------------------------------------------------------ */

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void answer_arp(const struct module *module, const uint8_t *frame)
{
    uint32_t asked = get32(frame + ARP_ASKED);

    if (!module->lacks_arp && frame[ARP_AT + 1] == 1 &&
        (asked == HOST_PEER_IP || asked == HOST_GATEWAY_IP))
        host_arp(module->host, ARP_REPLY, asked, get32(frame + 28));
}

static void answer_dhcp(struct module *module, const uint8_t *data, size_t len)
{
    struct packet_way way = host_way(0);
    struct dhcp_reply reply;
    struct dhcp_msg msg;
    uint8_t bytes[DHCP_MSG_MAX];
    size_t bytes_len;

    if (module->lacks_dhcp || !dhcp_read(data, len, &msg) ||
        !dhcp_server_handle(&module->dhcp, &msg, &reply))
        return;
    dhcp_to_endpoint(HOST_GATEWAY_IP, &way.from);
    dhcp_to_endpoint(reply.ip, &way.to);
    way.from.port = DHCP_SERVER_PORT;
    way.to.port = reply.port;
    if (reply.ip == DHCP_BROADCAST)
        memcpy(way.to_mac, host_all_mac, PACKET_MAC_LEN);
    bytes_len = dhcp_write(&reply.msg, bytes);
    host_udp(module->host, &way, bytes, bytes_len);
}

static void answer(struct module *module, const uint8_t *bytes, size_t len)
{
    struct frame frame;

    if (bytes[ETHERTYPE] == 0x08 && bytes[ETHERTYPE + 1] == 0x06)
        answer_arp(module, bytes);
    else if (frame_read(&frame, bytes, len) && frame.protocol == FRAME_PROTOCOL_UDP &&
             frame.to.port == DHCP_SERVER_PORT)
        answer_dhcp(module, bytes + frame.data_at, frame.data_len);
}

static void on_arrival(struct timer *timer)
{
    struct module *module = container_of(timer, struct module, arrival);

    while (module->wire.len) {
        uint8_t bytes[W5500_FRAME_MAX];
        uint16_t len;

        memcpy(&len, byteq_front(&module->wire), sizeof(len));
        memcpy(bytes, byteq_front(&module->wire) + sizeof(len), len);
        byteq_drop(&module->wire, sizeof(len) + len);
        if (module->other)
            bench_receive(module->other->bench, bytes, len);
        else
            answer(module, bytes, len);
    }
}

static void on_send(void *ctx, const uint8_t *frame, size_t len)
{
    struct module *module = ctx;
    uint16_t frame_len = (uint16_t)len;

    module->frames_count++;
    if (!module->other)
        host_on_send(module->host, frame, len);
    byteq_append(&module->wire, &frame_len, sizeof(frame_len));
    byteq_append(&module->wire, frame, len);
    timer_start(&module->host->timers, &module->arrival, module->host->clock.now_us);
}

static void on_access(struct bench_observer *observer, const struct w5500_access *access)
{
    struct module *module = container_of(observer, struct module, observer);

    if (module->accesses_count < MODULE_ACCESSES) {
        module->accesses[module->accesses_count++] =
            (struct host_access){ .block = access->block,
                                  .is_write = access->is_write,
                                  .address = access->address,
                                  .len = access->len,
                                  .first = access->bytes[0] };
    }
}

size_t module_wrote(const struct module *module, unsigned block, uint16_t address, uint8_t value)
{
    size_t count = 0;

    for (size_t i = 0; i < module->accesses_count; i++) {
        const struct host_access *access = &module->accesses[i];

        count += access->is_write && access->block == block && access->address == address &&
                 access->first == value;
    }
    return count;
}

/* ---- life ------------------------------------------------------------------------------------- */

static void init_dhcp(struct module *module)
{
    dhcp_server_init(&module->dhcp, &(struct dhcp_server_config){ .clock = &module->host->clock,
                                                                  .ip = HOST_GATEWAY_IP,
                                                                  .prefix_len = PREFIX_LEN,
                                                                  .first = MODULE_LEASED_IP,
                                                                  .last = MODULE_LEASED_IP + LEASES,
                                                                  .fresh = MODULE_LEASED_IP,
                                                                  .router = HOST_GATEWAY_IP,
                                                                  .dns = { HOST_PEER_IP },
                                                                  .dns_count = 1,
                                                                  .lease_s = LEASE_S });
}

static void init_log(struct module *module)
{
    module->log_fd = memfd_create("log", MFD_CLOEXEC);
    module->voice_fd = memfd_create("voice", MFD_CLOEXEC);
    trace_init(&module->trace, &module->host->clock, -1);
    log_init(&module->log, &(struct log_config){ .clock = &module->host->clock,
                                                 .trace = &module->trace,
                                                 .module_fd = module->log_fd,
                                                 .voice_fd = module->voice_fd,
                                                 .level = LOG_LEVEL_DEBUG });
}

static void init_slot(struct module *module, bool is_dhcp)
{
    struct board_slot *slot = &module->slot;

    slot->addressing = is_dhcp ? ADDRESSING_DHCP : ADDRESSING_STATIC;
    slot->address.prefix_len = PREFIX_LEN;
    dhcp_to_endpoint(HOST_IP, &slot->address.ip);
    dhcp_to_endpoint(HOST_GATEWAY_IP, &slot->address.gateway);
    memcpy(slot->mac, host_mac, BOARD_MAC_LEN);
}

static void init_chip(struct module *module)
{
    struct host *host = module->host;
    struct bench_config config = { .timers = &host->timers,
                                   .clock = &host->clock,
                                   .rng = &host->rng,
                                   .log = &module->log,
                                   .send = on_send,
                                   .ctx = module };

    config.options.timing = module->wiring.is_accurate ? W5500_TIMING_ACCURATE : W5500_TIMING_FAST;
    module->bench = bench_new(&config);
    module->observer = (struct bench_observer){ .access = on_access };
    bench_observe(module->bench, &module->observer);
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    host->chip = (struct w5500 *)(uintptr_t)bench_chip(module->bench);
}

static void add_driver(struct module *module)
{
    struct host *host = module->host;
    struct driver_config config = { .bench = module->bench,
                                    .timers = &host->timers,
                                    .clock = &host->clock,
                                    .rng = &host->rng,
                                    .log = &module->log,
                                    .trace = &module->trace,
                                    .msgs = &module->msgs,
                                    .slot = &module->slot,
                                    .wiring = &module->wiring };

    module->adapter = driver_new(&config);
    module->ethchip = driver_ethchip(module->adapter);
    net_init(&module->net, &(struct net_config){ .clock = &host->clock,
                                                 .timers = &host->timers,
                                                 .msgs = &module->msgs,
                                                 .log = &module->log,
                                                 .trace = &module->trace,
                                                 .rng = &host->rng });
    net_register(&module->net, module->adapter, ADAPTER_ETH0);
}

void module_init(struct module *module, struct host *host, const struct module_options *options)
{
    static const struct module_options none;

    options = options ? options : &none;
    *module = (struct module){ .host = host, .wiring = options->wiring };
    if (!module->wiring.buffer_kb)
        module->wiring.buffer_kb = BOARD_CHIP_BUFFER_KB;
    module->accesses = xcalloc(MODULE_ACCESSES, sizeof(*module->accesses));
    timer_init(&module->arrival, on_arrival);
    byteq_init(&module->wire);
    msgq_init(&module->msgs);
    init_dhcp(module);
    init_log(module);
    init_slot(module, options->is_dhcp);
    init_chip(module);
    add_driver(module);
}

void module_join(struct module *module, struct module *other)
{
    module->other = other;
    other->other = module;
    other->slot.mac[BOARD_MAC_LEN - 1] = host_peer_mac[PACKET_MAC_LEN - 1];
    (void)driver_set_mac(other->adapter, other->slot.mac);
    dhcp_to_endpoint(HOST_PEER_IP, &other->slot.address.ip);
    (void)driver_set_address(other->adapter, &other->slot.address);
}

void module_fini(struct module *module)
{
    net_fini(&module->net);
    timer_stop(&module->host->timers, &module->arrival);
    module->host->chip = NULL;
    byteq_fini(&module->wire);
    msgq_fini(&module->msgs);
    free(module->accesses);
    close(module->log_fd);
    close(module->voice_fd);
}

/* ---- what it says ------------------------------------------------------------------------------ */

static bool pop(struct net *net, struct net_event *event)
{
    if (!net->events_count)
        return false;
    *event = net->events[net->events_head];
    net->events_head = (net->events_head + 1) & (net->events_cap - 1);
    net->events_count--;
    return true;
}

bool module_take(struct module *module, struct net_event *event)
{
    while (pop(&module->net, event)) {
        if (event->type == NET_EVENT_LINK_UP) {
            module->adapter->is_ready = true;
            module->ups++;
        } else if (event->type == NET_EVENT_LINK_DOWN) {
            module->adapter->is_ready = false;
            module->downs++;
        } else {
            return true;
        }
    }
    return false;
}

struct net_event module_await(struct module *module, enum net_event_type type, uint32_t tag)
{
    struct net_event event = { 0 };

    for (unsigned ms = 0; ms < AWAIT_MS; ms++) {
        while (module_take(module, &event)) {
            if (event.type == type && event.tag == tag)
                return event;
            assert(event.tag != tag ||
                   (event.type != NET_EVENT_ERROR && event.type != NET_EVENT_CLOSED));
        }
        module->adapter->ops->flush(module->adapter);
        host_run_us(module->host, US_PER_MS);
    }
    assert(!"it does not come");
    return event;
}

void module_be_ready(struct module *module)
{
    struct net_event event;

    driver_boot(module->adapter);
    for (unsigned ms = 0; ms < AWAIT_MS && !module->adapter->is_ready; ms++) {
        host_run_us(module->host, US_PER_MS);
        while (module_take(module, &event))
            assert(!"nobody has a socket yet");
    }
    assert(module->adapter->is_ready);
}

const char *module_indication(struct module *module)
{
    struct msg msg;

    while (msgq_take(&module->msgs, &msg)) {
        if (msg.kind == MSG_KIND_TOPIC && strcmp(msg.as.topic->name, "W5500_IND") == 0)
            return msg.as.topic->args[0].text;
    }
    return NULL;
}

static size_t count_in(int fd, const char *part)
{
    struct stat st = { 0 };
    size_t count = 0;
    char *text;
    ssize_t n;

    (void)fstat(fd, &st);
    text = xcalloc(1, (size_t)st.st_size + 1);
    n = pread(fd, text, (size_t)st.st_size, 0);
    assert(n == st.st_size);
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    free(text);
    return count;
}

size_t module_said(const struct module *module, const char *part)
{
    return count_in(module->log_fd, part) + count_in(module->voice_fd, part);
}

/* ---- sockets ---------------------------------------------------------------------------------- */

int module_connect(struct module *module, enum sock_type type, uint32_t tag, uint16_t port)
{
    const struct sock_spec spec = { .type = type, .tag = tag };
    struct endpoint remote = { 0 };

    dhcp_to_endpoint(HOST_PEER_IP, &remote);
    remote.port = port;
    return module->adapter->ops->connect(module->adapter, &spec, &remote);
}

int module_listen(struct module *module, uint32_t tag, uint16_t port)
{
    const struct sock_spec spec = { .type = SOCK_TYPE_TCP, .tag = tag, .local_port = port };

    return module->adapter->ops->listen(module->adapter, &spec, false);
}
