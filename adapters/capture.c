#include "adapters/capture.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "adapters/capture_priv.h"
#include "adapters/w5500/regtext.h"
#include "emu/board.h"
#include "emu/device.h"
#include "emu/fdio.h"
#include "emu/frame.h"
#include "emu/links.h"
#include "emu/util.h"

#define NS_PER_US         1000
#define KEPT_LEN_MAX      (1024 * 1024) /* of frames, before they are written within a turn */
#define KEPT_FRAMES_MAX   4096
#define KEPT_OF_LINKS_MAX (64 * 1024 * 1024)
#define FRAMES_CAP_MIN    64
#define TEXT_MAX          256
#define MTU_DEFAULT       1500
#define COMMENTS_MAX      1024 /* on one frame */

uint64_t capture_now_ns(const struct capture *capture)
{
    return capture->config.device->clock.now_us * NS_PER_US;
}

static uint64_t calendar_ns(const struct capture *capture, uint64_t time_ns)
{
    return (uint64_t)(capture->base_ns + (int64_t)time_ns);
}

/* ---- the file ------------------------------------------------------------------------------------ */

/* A regular file that can't be written to its end is cut behind the last whole block. */
static void fail(struct capture *capture, int error)
{
    capture->error = error;
    log_say(&capture->config.device->log, "the capture can't be written any more: %s",
            strerror(error));
    if (capture->written >= 0)
        (void)!ftruncate(capture->config.fd, capture->written);
}

static void write_out(struct capture *capture)
{
    struct byteq *out = &capture->out;

    if (!capture->error) {
        if (!fd_write_all(capture->config.fd, byteq_front(out), out->len))
            fail(capture, errno);
        else if (capture->written >= 0)
            capture->written += (off_t)out->len;
    }
    out->head = out->len = 0;
}

static void keep_keys(void *ctx, const char *line, size_t len)
{
    struct capture *capture = ctx;

    byteq_append(&capture->keys, line, len);
}

static void on_delivered(struct net_observer *observer)
{
    struct capture *capture = container_of(observer, struct capture, observer);

    if (list_is_empty(&capture->links))
        capture_write(capture);
    else
        capture_links_delivered(capture);
}

void capture_flush(struct capture *capture)
{
    if (list_is_empty(&capture->links) && !net_has_events(&capture->config.device->net))
        capture_write(capture);
}

struct capture *capture_new(const struct capture_config *config)
{
    struct capture *capture = xcalloc(1, sizeof(*capture));
    struct device *device = config->device;
    struct stat st;

    capture->config = *config;
    capture->base_ns = (vclock_wall_us(&device->clock) - (int64_t)device->clock.now_us) * NS_PER_US;
    capture->start_ns = capture_now_ns(capture);
    capture->written = fstat(config->fd, &st) == 0 && S_ISREG(st.st_mode) ? 0 : -1;
    for (int id = 0; id < ADAPTER_COUNT; id++)
        capture->ports[id].id = -1;
    list_init(&capture->flows);
    capture_links_init(capture);
    capture_spi_init(capture);
    capture->observer.told = capture_comment_told;
    capture->observer.delivered = on_delivered;
    device->net.observer = &capture->observer;
    if (config->has_keys) {
        device->net.tls.keylog = keep_keys;
        device->net.tls.keylog_ctx = capture;
    }
    return capture;
}

struct capture_port *capture_add_port(struct capture *capture, enum adapter_id id,
                                      const struct board_slot *slot)
{
    static const uint8_t own[] = { 0x02, 'L', 'u', 'a', 't' }; /* locally administered */
    static const uint8_t none[PACKET_MAC_LEN];
    struct capture_port *port = &capture->ports[id];
    bool has_mac = memcmp(slot->mac, none, sizeof(none)) != 0;

    assert(!capture->has_started);
    port->capture = capture;
    port->id = (int)id;
    port->mtu = slot->mtu ? slot->mtu : MTU_DEFAULT;
    memcpy(port->mac, has_mac ? slot->mac : own, sizeof(own));
    port->mac[sizeof(own)] = has_mac ? slot->mac[sizeof(own)] : (uint8_t)id;
    (void)snprintf(port->description, sizeof(port->description), "%s%s%s%s",
                   binding_name(slot->binding), *slot->netns ? ":" : "", slot->netns,
                   *slot->ifname ? "," : "");
    if (*slot->ifname) {
        size_t len = strlen(port->description);

        (void)snprintf(port->description + len, sizeof(port->description) - len, "dev=%s",
                       slot->ifname);
    }
    return port;
}

static void put_section(struct capture *capture)
{
    const struct device *device = capture->config.device;
    char comment[TEXT_MAX], os[TEXT_MAX];
    struct pcapng_section section = { .application = "luatos-emu " LUATOS_EMU_VERSION,
                                      .comment = comment };
    struct utsname host;

    if (uname(&host) == 0) {
        (void)snprintf(os, sizeof(os), "%.64s %.64s", host.sysname, host.release);
        section.os = os;
        section.hardware = host.machine;
    }
    (void)snprintf(comment, sizeof(comment), "seed %" PRIu64 ", time %s, profile %s%s%s",
                   device->seed, device->clock.mode == VCLOCK_MODE_REAL ? "real" : "virtual",
                   device->net.config.profile == PROFILE_DOC ? "doc" : "current",
                   capture->config.what ? ", " : "",
                   capture->config.what ? capture->config.what : "");
    pcapng_put_section(&capture->out, &section);
}

static void put_interface(struct capture *capture, const struct capture_port *port)
{
    const struct device *device = capture->config.device;
    const struct adapter *adapter = device->net.adapters[port->id];
    struct adapter_info info = { 0 };
    struct link_status status = { 0 };
    struct pcapng_interface interface = { .link_type = PCAPNG_LINK_ETHERNET,
                                          .name = adapter_name((enum adapter_id)port->id),
                                          .description = port->description,
                                          .mac = port->mac };

    if (adapter && adapter->is_ready) /* none: a driver from outside has the chip */
        adapter->ops->info(adapter, &info);
    if (port->has_frames && links_status(device, (enum adapter_id)port->id, &status) == 0)
        interface.mac = status.mac;
    interface.ip = info.ip;
    interface.mask = info.mask;
    pcapng_put_interface(&capture->out, &interface);
}

void capture_start(struct capture *capture)
{
    capture->has_started = true;
    put_section(capture);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        struct capture_port *port = &capture->ports[id];

        if (port->id < 0)
            continue;
        port->interface = capture->interfaces_count++;
        put_interface(capture, port);
    }
    if (capture->spi.chip) {
        capture->spi.port.interface = capture->interfaces_count++;
        capture_spi_put_interface(capture);
    }
    write_out(capture);
    capture_links_start(capture);
}

bool capture_has_frames(const struct capture *capture, enum adapter_id id)
{
    return capture->ports[id].has_frames;
}

/* ---- frames -------------------------------------------------------------------------------------- */

static struct byteq *bytes_of(struct capture *capture, uint64_t look)
{
    return &capture->bytes[look % CAPTURE_LOOKS_KEPT];
}

/* Of links as much is kept as comes until the next look. */
static bool is_full(const struct capture *capture, size_t len)
{
    for (int i = 0; i < CAPTURE_LOOKS_KEPT; i++)
        len += capture->bytes[i].len;
    if (!list_is_empty(&capture->links))
        return len > KEPT_OF_LINKS_MAX;
    return capture->frames_count == KEPT_FRAMES_MAX || len > KEPT_LEN_MAX;
}

static void write_all(struct capture *capture)
{
    bool keeps_back = capture->keeps_back;

    capture->keeps_back = false;
    capture_write(capture);
    capture->keeps_back = keeps_back;
}

uint8_t *capture_frame_room(struct capture_port *port, size_t len)
{
    struct capture *capture = port->capture;

    assert(capture->has_started);
    if (is_full(capture, len))
        write_all(capture);
    if (capture->frames_count == capture->frames_cap) {
        capture->frames_cap = capture->frames_cap ? 2 * capture->frames_cap : FRAMES_CAP_MIN;
        capture->frames = xrealloc(capture->frames, capture->frames_cap * sizeof(*capture->frames));
    }
    return byteq_room(bytes_of(capture, capture->looks), len);
}

/* What it is about. */
static void describe_frame(struct capture_frame *kept, const uint8_t *bytes)
{
    struct capture_key *key = &kept->key;
    struct frame frame;

    if (!frame_read(&frame, bytes, kept->len) || !frame.has_transport)
        return;
    kept->flags = frame.flags;
    kept->has_data = frame.data_len > 0;
    if (key->protocol != CAPTURE_PROTOCOL_NONE)
        return;
    key->protocol = frame.protocol == FRAME_PROTOCOL_TCP   ? CAPTURE_PROTOCOL_TCP
                    : frame.protocol == FRAME_PROTOCOL_UDP ? CAPTURE_PROTOCOL_UDP
                                                           : CAPTURE_PROTOCOL_NONE;
    key->local = kept->is_out ? frame.from : frame.to;
    key->remote = kept->is_out ? frame.to : frame.from;
}

void capture_frame_done(struct capture_port *port, uint64_t time_ns, bool is_out,
                        const struct capture_key *key, size_t len)
{
    struct capture *capture = port->capture;
    struct capture_frame *frame = &capture->frames[capture->frames_count];
    struct byteq *bytes = bytes_of(capture, capture->looks);

    port->frames++;
    if (capture->error)
        return;
    *frame = (struct capture_frame){
        .port = port,
        .time_ns = time_ns,
        .is_out = is_out,
        .look = capture->looks,
        .at = bytes->len,
        .len = len,
        .first = -1,
        .last = -1,
    };
    if (key)
        frame->key = *key;
    byteq_grow(bytes, len);
    if (port != &capture->spi.port)
        describe_frame(frame, bytes->data + frame->at);
    capture->frames_count++;
    capture_links_wake(capture);
}

void capture_add_frame(struct capture_port *port, uint64_t time_ns, bool is_out,
                       const struct capture_key *key, const uint8_t *bytes, size_t len)
{
    memcpy(capture_frame_room(port, len), bytes, len);
    capture_frame_done(port, time_ns, is_out, key, len);
}

static void put_frame(struct capture *capture, const struct capture_frame *frame)
{
    const uint8_t *bytes = bytes_of(capture, frame->look)->data + frame->at;
    const char *texts[COMMENTS_MAX];
    char access[REGTEXT_ACCESS_MAX];
    size_t count = 0;

    if (frame->text_len) {
        memcpy(access, bytes + frame->len - frame->text_len, frame->text_len);
        access[frame->text_len] = '\0';
        texts[count++] = access;
    }
    for (int i = frame->first; i >= 0 && count < COMMENTS_MAX; i = capture->comments[i].next)
        texts[count++] = capture->comments[i].text;
    pcapng_put_packet(&capture->out,
                      &(struct pcapng_packet){
                          .interface = frame->port->interface,
                          .time_ns = calendar_ns(capture, frame->time_ns),
                          .direction = frame->is_out ? PCAPNG_DIRECTION_OUT : PCAPNG_DIRECTION_IN,
                          .data = bytes,
                          .len = frame->len,
                          .comments = texts,
                          .comments_count = count,
                      });
}

/* By time; those of one time in the order in which they came. They are nearly so when they come. */
static void sort_frames(struct capture *capture)
{
    struct capture_frame *frames = capture->frames;
    bool is_sorted = true;

    for (size_t i = 1; i < capture->frames_count; i++) {
        const struct capture_frame frame = frames[i];
        size_t at = i;

        while (at && frames[at - 1].time_ns > frame.time_ns)
            at--;
        if (at == i)
            continue;
        memmove(&frames[at + 1], &frames[at], (i - at) * sizeof(*frames));
        frames[at] = frame;
        is_sorted = false;
    }
    if (!is_sorted)
        capture_comment_sorted(capture);
}

/*
 * A frame is written at the second look after the one that has found it: before the first the loop
 * has asked for what there was for the script, and what it was told then has found its frame. One in
 * front of it that was found later holds it up, but not for ever.
 */
static size_t count_due(const struct capture *capture)
{
    size_t count = 0, overdue = 0;

    if (!capture->keeps_back)
        return capture->frames_count;
    for (size_t i = 0; i < capture->frames_count; i++) {
        uint64_t looks = capture->looks - capture->frames[i].look;

        if (looks >= CAPTURE_LOOKS_KEPT - 1)
            overdue = i + 1;
        if (looks >= 2 && count == i)
            count++;
    }
    return count > overdue ? count : overdue;
}

/* The first @count frames are written. */
static void forget_frames(struct capture *capture, size_t count)
{
    bool is_used[CAPTURE_LOOKS_KEPT] = { false };

    capture->frames_count -= count;
    memmove(capture->frames, capture->frames + count,
            capture->frames_count * sizeof(*capture->frames));
    for (size_t i = 0; i < capture->frames_count; i++)
        is_used[capture->frames[i].look % CAPTURE_LOOKS_KEPT] = true;
    for (int i = 0; i < CAPTURE_LOOKS_KEPT; i++) {
        if (!is_used[i])
            capture->bytes[i].head = capture->bytes[i].len = 0;
    }
    capture_comment_forget(capture, count);
}

void capture_write(struct capture *capture)
{
    size_t count;

    if (!capture->frames_count && !capture->keys.len)
        return;
    sort_frames(capture);
    count = count_due(capture);
    capture_comment_frames(capture);
    if (capture->keys.len)
        pcapng_put_tls_keys(&capture->out, byteq_front(&capture->keys), capture->keys.len);
    byteq_drop(&capture->keys, capture->keys.len);
    for (size_t i = 0; i < count; i++)
        put_frame(capture, &capture->frames[i]);
    if (count)
        capture->written_ns = capture->frames[count - 1].time_ns;
    forget_frames(capture, count);
    write_out(capture);
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void put_statistics(struct capture *capture, const struct capture_port *port)
{
    const char *texts[COMMENTS_MAX];
    uint64_t now_ns = capture_now_ns(capture);

    pcapng_put_statistics(&capture->out, &(struct pcapng_statistics){
                                             .interface = port->interface,
                                             .time_ns = calendar_ns(capture, now_ns),
                                             .start_ns = calendar_ns(capture, capture->start_ns),
                                             .end_ns = calendar_ns(capture, now_ns),
                                             .received = port->frames,
                                             .dropped = port->dropped,
                                             .comments = texts,
                                             .comments_count = capture_comment_left(
                                                 capture, port->id, texts, COMMENTS_MAX),
                                         });
}

static size_t describe(const struct capture_port *port, const char *name, char text[], size_t cap)
{
    int len = snprintf(text, cap, "%s %" PRIu64 " frames, %" PRIu64 " dropped\n", name,
                       port->frames, port->dropped);

    return len > 0 && (size_t)len < cap ? (size_t)len : 0;
}

size_t capture_describe(struct capture *capture, char text[], size_t cap)
{
    size_t len = 0;

    capture_links_count_lost(capture);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        const struct capture_port *port = &capture->ports[id];

        if (port->id >= 0)
            len += describe(port, adapter_name((enum adapter_id)id), text + len, cap - len);
    }
    if (capture->spi.chip)
        len += describe(&capture->spi.port, CAPTURE_SPI_NAME, text + len, cap - len);
    text[len] = '\0';
    return len;
}

int capture_close(struct capture *capture)
{
    int error;

    capture->config.device->net.observer = NULL;
    assert(list_is_empty(&capture->flows));
    capture_links_close(capture);
    capture_write(capture);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (capture->has_started && capture->ports[id].id >= 0)
            put_statistics(capture, &capture->ports[id]);
    }
    if (capture->has_started && capture->spi.chip)
        put_statistics(capture, &capture->spi.port);
    write_out(capture);
    error = capture->error;
    if (close(capture->config.fd) < 0 && !error)
        error = errno;
    for (int i = 0; i < CAPTURE_LOOKS_KEPT; i++)
        byteq_fini(&capture->bytes[i]);
    byteq_fini(&capture->keys);
    byteq_fini(&capture->out);
    free(capture->frames);
    free(capture->comments);
    free(capture);
    return error;
}
