/*
 * The true frames of the links that have some: all that an adapter's interface sends and gets, ARP
 * and DHCP and what is sent again as well. capture.h says where they go.
 *
 * A frame is written some milliseconds after it was seen: by then the script has been told of what
 * it brought, and that is its comment. While there are frames the rings are looked at by a timer,
 * not by their descriptors: those would wake the loop for each frame, which the script's own
 * sockets do already. When the links have been quiet for a while it is the other way round.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/capture_priv.h"
#include "adapters/capture_ring.h"
#include "adapters/nets.h"
#include "emu/device.h"
#include "emu/offload.h"
#include "emu/util.h"

#define LOOK_US      2000
#define QUIET_LOOKS  5  /* without a frame, until the descriptors are waited for */
#define LAST_LOOKS   10 /* that many shares are in the rings of all adapters */
#define DELAYS_MAX   4  /* deliveries that a look waits for */
#define NS_PER_US    1000
#define NS_PER_S     1000000000
#define MACS_LEN     12
#define A_TURN_BYTES (16 * 1024 * 1024)

struct capture_link {
    struct list link;
    struct capture_port *port;
    char ifname[IFNAMSIZ];
    int ifindex;   /* that the rings are bound to; 0: none is there */
    bool has_chip; /* whose MAC the interface does not have: all that is there is for it */
    struct capture_ring rings[CAPTURE_RING_KINDS];
    uint64_t next_ns[CAPTURE_RING_KINDS]; /* the time of each ring's oldest frame */
};

static struct capture_link *link_at(struct list *node)
{
    return container_of(node, struct capture_link, link);
}

/* ---- when to look ----------------------------------------------------------------------------- */

static void look_later(struct capture *capture, uint64_t in_us)
{
    struct device *device = capture->config.device;

    timer_start(&device->timers, &capture->look, device->clock.now_us + in_us);
}

/* Wait for descriptors, or no more. */
static void listen_to_rings(struct capture *capture, bool is_on)
{
    struct loop *loop = &capture->config.device->loop;

    list_for_each(node, &capture->links) {
        for (int kind = 0; kind < CAPTURE_RING_KINDS; kind++) {
            struct loop_fd *source = &link_at(node)->rings[kind].source;

            if (!is_on)
                loop_remove(loop, source);
            else if (loop_add(loop, source, EPOLLIN) < 0)
                log_say(&capture->config.device->log, "%s: its frames can't be waited for",
                        adapter_name((enum adapter_id)link_at(node)->port->id));
        }
    }
}

void capture_links_wake(struct capture *capture)
{
    capture->quiet_looks = 0;
    if (capture->is_awake || list_is_empty(&capture->links))
        return;
    capture->is_awake = true;
    listen_to_rings(capture, false);
    look_later(capture, LOOK_US);
}

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct capture_ring *ring = container_of(source, struct capture_ring, source);
    socklen_t len = sizeof(int);
    int error;

    if (events & EPOLLERR) /* the link went down: it may come up again */
        (void)getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    capture_links_wake(ring->owner);
}

/* ---- frames ------------------------------------------------------------------------------------ */

/*
 * By the device's clock. What seems to be older than what is written was seen before the host's
 * calendar was set forward, and what seems to be of the future before it was set back.
 */
static uint64_t time_of(const struct capture *capture, uint64_t host_ns)
{
    uint64_t time_ns = host_ns - (uint64_t)capture->ahead_ns;
    uint64_t now_ns = capture_now_ns(capture);

    if ((int64_t)(time_ns - capture->written_ns) < 0)
        return capture->written_ns;
    return time_ns > now_ns + NS_PER_S ? now_ns : time_ns;
}

/* Look whether its oldest frame has come. */
static bool look_at(struct capture_link *link, int kind, struct capture_ring_frame *frame)
{
    bool is_there = capture_ring_peek(&link->rings[kind], frame);

    link->next_ns[kind] = is_there ? time_of(link->port->capture, frame->host_ns) : UINT64_MAX;
    return is_there;
}

static void put_tag(uint8_t *frame, size_t len, const uint8_t tag[CAPTURE_RING_TAG_LEN])
{
    memmove(frame + MACS_LEN + CAPTURE_RING_TAG_LEN, frame + MACS_LEN, len - MACS_LEN);
    memcpy(frame + MACS_LEN, tag, CAPTURE_RING_TAG_LEN);
}

static void take(struct capture_link *link, const struct capture_ring_frame *frame,
                 uint64_t time_ns)
{
    struct capture_port *port = link->port;
    struct offload offload;
    size_t len;

    if (frame->is_other && !link->has_chip)
        return;
    if (frame->is_cut) { /* larger than any cable's, and the rest of it is not to be had */
        port->dropped++;
        return;
    }
    offload_begin(&offload, frame->bytes, frame->len, &frame->rest);
    for (;;) {
        uint8_t *room = capture_frame_room(port, frame->len + CAPTURE_RING_TAG_LEN);

        len = offload_next(&offload, room);
        if (!len)
            return;
        if (frame->has_tag)
            put_tag(room, len, frame->tag);
        capture_frame_done(port, time_ns, frame->is_out, NULL,
                           len + (frame->has_tag ? CAPTURE_RING_TAG_LEN : 0));
    }
}

/* The ring whose oldest frame is the oldest of all; NULL: there is no frame. */
static struct capture_link *find_oldest(struct capture *capture, int *kind)
{
    struct capture_link *oldest = NULL;
    uint64_t oldest_ns = UINT64_MAX;

    list_for_each(node, &capture->links) {
        struct capture_link *link = link_at(node);

        for (int i = 0; i < CAPTURE_RING_KINDS; i++) {
            if (link->next_ns[i] >= oldest_ns)
                continue;
            oldest_ns = link->next_ns[i];
            oldest = link;
            *kind = i;
        }
    }
    return oldest;
}

/* Take what has come, up to a share. Returns how many bytes there were. */
static size_t take_frames(struct capture *capture)
{
    struct capture_ring_frame frame;
    struct capture_link *link;
    size_t bytes = 0;
    int kind = 0;

    if (list_is_empty(&capture->links))
        return 0;
    capture->ahead_ns = vclock_host_ahead_ns(&capture->config.device->clock);
    list_for_each(node, &capture->links) {
        for (int i = 0; i < CAPTURE_RING_KINDS; i++)
            (void)look_at(link_at(node), i, &frame);
    }
    while (bytes < A_TURN_BYTES && (link = find_oldest(capture, &kind))) {
        if (!look_at(link, kind, &frame))
            break;
        take(link, &frame, link->next_ns[kind]);
        bytes += frame.len;
        capture_ring_drop(&link->rings[kind]);
        (void)look_at(link, kind, &frame);
    }
    return bytes;
}

/* ---- looking ------------------------------------------------------------------------------------- */

static void look(struct capture *capture)
{
    size_t taken;

    capture->delays = 0;
    capture->looks++;
    taken = take_frames(capture);
    capture_write(capture);
    capture->quiet_looks = taken || capture->frames_count ? 0 : capture->quiet_looks + 1;
    if (capture->quiet_looks < QUIET_LOOKS) {
        look_later(capture, taken < A_TURN_BYTES ? LOOK_US : 0);
        return;
    }
    capture->is_awake = false;
    listen_to_rings(capture, true);
}

/* Frames whose news is on its way to the script wait until it is there. */
static void look_when_told(struct capture *capture)
{
    if (net_has_events(&capture->config.device->net) && capture->delays < DELAYS_MAX)
        capture->delays++;
    else
        look(capture);
}

static void on_look(struct timer *timer)
{
    look_when_told(container_of(timer, struct capture, look));
}

void capture_links_delivered(struct capture *capture)
{
    if (capture->delays)
        look_when_told(capture);
}

/* ---- opening and closing ------------------------------------------------------------------------- */

static void bind_rings(struct capture_link *link)
{
    struct ifreq request = { 0 };
    int rc = 0;

    memcpy(request.ifr_name, link->ifname, sizeof(request.ifr_name));
    if (ioctl(link->rings[0].source.fd, SIOCGIFINDEX, &request) < 0)
        request.ifr_ifindex = 0; /* it may come */
    if (request.ifr_ifindex == link->ifindex)
        return;
    link->ifindex = request.ifr_ifindex;
    for (int i = 0; i < CAPTURE_RING_KINDS && link->ifindex && rc == 0; i++)
        rc = capture_ring_bind(&link->rings[i], link->ifindex);
    if (rc < 0)
        link->ifindex = 0; /* it went at once */
}

static void on_interface(void *ctx, enum adapter_id id)
{
    struct capture *capture = ctx;

    list_for_each(node, &capture->links) {
        if (link_at(node)->port->id == (int)id)
            bind_rings(link_at(node));
    }
}

static void link_free(struct capture_link *link)
{
    for (int i = 0; i < CAPTURE_RING_KINDS; i++) {
        if (link->rings[i].source.fd >= 0)
            capture_ring_close(&link->rings[i]);
    }
    list_remove(&link->link);
    free(link);
}

static int open_rings(struct capture *capture, struct capture_link *link, const struct nets *nets,
                      enum adapter_id id)
{
    int rc = 0;

    for (int i = 0; i < CAPTURE_RING_KINDS; i++)
        link->rings[i].source.fd = -1;
    for (int i = 0; i < CAPTURE_RING_KINDS && rc == 0; i++) {
        int fd = nets_socket(nets, id, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
            return fd;
        link->rings[i].source.ready = on_ready;
        link->rings[i].owner = capture;
        rc = capture_ring_open(&link->rings[i], fd, (enum capture_ring_kind)i);
    }
    return rc;
}

int capture_frames(struct capture *capture, enum adapter_id id, const struct board_slot *slot,
                   struct nets *nets)
{
    struct capture_link *link;
    int rc;

    if (!nets_has_frames(nets, id) || capture->config.device->clock.mode == VCLOCK_MODE_VIRTUAL)
        return -EOPNOTSUPP;
    link = xcalloc(1, sizeof(*link));
    list_init(&link->link);
    (void)snprintf(link->ifname, sizeof(link->ifname), "%s", nets_ifname(nets, id));
    rc = open_rings(capture, link, nets, id);
    if (rc < 0) {
        link_free(link);
        return rc;
    }
    link->has_chip = board_has_chip(slot, id);
    link->port = capture_add_port(capture, id, slot);
    link->port->has_frames = true;
    list_append(&capture->links, &link->link);
    capture->keeps_back = true;
    bind_rings(link);
    nets->interface_changed = on_interface;
    nets->interface_changed_ctx = capture;
    return 0;
}

void capture_links_init(struct capture *capture)
{
    list_init(&capture->links);
    timer_init_background(&capture->look, on_look);
    capture->is_awake = true; /* @look runs once it has begun */
}

void capture_links_start(struct capture *capture)
{
    if (!list_is_empty(&capture->links))
        look_later(capture, 0);
}

void capture_settle(struct capture *capture)
{
    struct device *device = capture->config.device;

    if (!capture->is_awake)
        listen_to_rings(capture, false);
    capture->is_awake = true; /* for ever */
    capture->delays = 0;
    timer_stop(&device->timers, &capture->look);
}

void capture_links_count_lost(struct capture *capture)
{
    list_for_each(node, &capture->links) {
        struct capture_link *link = link_at(node);

        for (int i = 0; i < CAPTURE_RING_KINDS; i++)
            link->port->dropped += capture_ring_lost(&link->rings[i]);
    }
}

void capture_links_close(struct capture *capture)
{
    vclock_refresh(&capture->config.device->clock);
    capture->keeps_back = false;
    /* a network that goes on sending is left behind at last */
    for (int i = 0; i < LAST_LOOKS && capture->has_started; i++) {
        size_t taken = take_frames(capture);

        capture_write(capture);
        if (taken < A_TURN_BYTES)
            break;
    }
    capture_links_count_lost(capture);
    list_for_each_safe(node, &capture->links)
        link_free(link_at(node));
}
