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
#include "emu/board.h"
#include "emu/device.h"
#include "emu/fdio.h"
#include "emu/util.h"

#define NS_PER_US       1000
#define KEPT_LEN_MAX    (1024 * 1024) /* of frames, before they are written within a turn */
#define KEPT_FRAMES_MAX 4096
#define FRAMES_CAP_MIN  64
#define TEXT_MAX        256
#define MTU_DEFAULT     1500
#define COMMENTS_MAX    1024 /* on one frame */

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

static void write_kept(struct capture *capture);

static void keep_keys(void *ctx, const char *line, size_t len)
{
    struct capture *capture = ctx;

    byteq_append(&capture->keys, line, len);
}

static void on_delivered(struct net_observer *observer)
{
    write_kept(container_of(observer, struct capture, observer));
}

void capture_flush(struct capture *capture)
{
    if (!net_has_events(&capture->config.device->net))
        write_kept(capture);
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
    list_init(&capture->links);
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
    port->interface = capture->interfaces_count++;
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
    const struct adapter *adapter = capture->config.device->net.adapters[port->id];
    struct adapter_info info = { 0 };
    struct pcapng_interface interface = { .link_type = PCAPNG_LINK_ETHERNET,
                                          .name = adapter_name((enum adapter_id)port->id),
                                          .description = port->description,
                                          .mac = port->mac };

    if (adapter->is_ready)
        adapter->ops->info(adapter, &info);
    interface.ip = info.ip;
    interface.mask = info.mask;
    pcapng_put_interface(&capture->out, &interface);
}

void capture_start(struct capture *capture)
{
    capture->has_started = true;
    put_section(capture);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (capture->ports[id].id >= 0)
            put_interface(capture, &capture->ports[id]);
    }
    write_out(capture);
}

/* ---- frames -------------------------------------------------------------------------------------- */

void capture_add_frame(struct capture_port *port, uint64_t time_ns, bool is_out,
                       const struct capture_key *key, const uint8_t *bytes, size_t len)
{
    struct capture *capture = port->capture;

    assert(capture->has_started);
    port->frames++;
    if (capture->error)
        return;
    if (capture->frames_count == KEPT_FRAMES_MAX || capture->bytes.len + len > KEPT_LEN_MAX)
        write_kept(capture);
    if (capture->frames_count == capture->frames_cap) {
        capture->frames_cap = capture->frames_cap ? 2 * capture->frames_cap : FRAMES_CAP_MIN;
        capture->frames = xrealloc(capture->frames, capture->frames_cap * sizeof(*capture->frames));
    }
    capture->frames[capture->frames_count++] = (struct capture_frame){
        .port = port,
        .time_ns = time_ns,
        .is_out = is_out,
        .key = *key,
        .at = capture->bytes.len,
        .len = len,
        .first = -1,
        .last = -1,
    };
    byteq_append(&capture->bytes, bytes, len);
}

/* By time; those of one time in the order in which they came. */
static int compare_frames(const void *a, const void *b)
{
    const struct capture_frame *one = a, *other = b;

    if (one->time_ns != other->time_ns)
        return one->time_ns < other->time_ns ? -1 : 1;
    return (one->at > other->at) - (one->at < other->at);
}

static void put_frame(struct capture *capture, const struct capture_frame *frame)
{
    const char *texts[COMMENTS_MAX];
    size_t count = 0;

    for (int i = frame->first; i >= 0 && count < COMMENTS_MAX; i = capture->comments[i].next)
        texts[count++] = capture->comments[i].text;
    pcapng_put_packet(&capture->out,
                      &(struct pcapng_packet){
                          .interface = frame->port->interface,
                          .time_ns = calendar_ns(capture, frame->time_ns),
                          .direction = frame->is_out ? PCAPNG_DIRECTION_OUT : PCAPNG_DIRECTION_IN,
                          .data = capture->bytes.data + capture->bytes.head + frame->at,
                          .len = frame->len,
                          .comments = texts,
                          .comments_count = count,
                      });
}

static void write_kept(struct capture *capture)
{
    if (!capture->frames_count && !capture->keys.len)
        return;
    if (capture->frames_count)
        qsort(capture->frames, capture->frames_count, sizeof(*capture->frames), compare_frames);
    capture_comment_frames(capture);
    if (capture->keys.len)
        pcapng_put_tls_keys(&capture->out, byteq_front(&capture->keys), capture->keys.len);
    byteq_drop(&capture->keys, capture->keys.len);
    for (size_t i = 0; i < capture->frames_count; i++)
        put_frame(capture, &capture->frames[i]);
    capture_comment_forget(capture);
    capture->bytes.head = capture->bytes.len = 0;
    capture->frames_count = 0;
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

size_t capture_describe(const struct capture *capture, char text[], size_t cap)
{
    size_t len = 0;

    *text = '\0';
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        const struct capture_port *port = &capture->ports[id];
        size_t room = cap - len;
        int n;

        if (port->id < 0)
            continue;
        n = snprintf(text + len, room, "%s %" PRIu64 " frames, %" PRIu64 " dropped\n",
                     adapter_name((enum adapter_id)id), port->frames, port->dropped);
        len += n > 0 && (size_t)n < room ? (size_t)n : 0;
    }
    text[len] = '\0';
    return len;
}

int capture_close(struct capture *capture)
{
    int error;

    capture->config.device->net.observer = NULL;
    assert(list_is_empty(&capture->flows));
    assert(list_is_empty(&capture->links));
    write_kept(capture);
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (capture->ports[id].id >= 0)
            put_statistics(capture, &capture->ports[id]);
    }
    write_out(capture);
    error = capture->error;
    if (close(capture->config.fd) < 0 && !error)
        error = errno;
    byteq_fini(&capture->bytes);
    byteq_fini(&capture->keys);
    byteq_fini(&capture->out);
    free(capture->frames);
    free(capture->comments);
    free(capture);
    return error;
}
