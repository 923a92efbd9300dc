/* What the script was told, on the frames that it is about. capture.h says where it goes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/capture_priv.h"
#include "emu/device.h"
#include "emu/netc.h"
#include "emu/util.h"

#define WAITING_MAX      1024 /* comments without a frame; older ones are forgotten */
#define COMMENTS_CAP_MIN 16
#define SLACK_NS         1000000 /* the clock is read before what is ready is */
#define LATE_NS          1000000
#define NS_PER_S         1e9

/* ---- which conversation ----------------------------------------------------------------------- */

static bool is_same_end(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && endpoint_same_ip(a, b);
}

/* A UDP socket speaks to many: its own port tells it from others. */
static bool is_same(const struct capture_key *a, const struct endpoint *local,
                    const struct endpoint *remote)
{
    if (a->protocol == CAPTURE_PROTOCOL_UDP)
        return a->local.port == local->port;
    return is_same_end(&a->local, local) && is_same_end(&a->remote, remote);
}

enum side { SIDE_NONE, SIDE_OUR, SIDE_OTHER };

/* Of a conversation whose two ends are the module's only one has frames. */
static enum side side_of(const struct capture_comment *comment, const struct capture_frame *frame)
{
    const struct capture_key *key = &frame->key;

    if (comment->key.protocol == CAPTURE_PROTOCOL_NONE || comment->key.protocol != key->protocol)
        return SIDE_NONE;
    if (is_same(&comment->key, &key->local, &key->remote))
        return SIDE_OUR;
    return is_same(&comment->key, &key->remote, &key->local) ? SIDE_OTHER : SIDE_NONE;
}

static void find_key(struct capture *capture, const struct netc *netc, struct capture_key *key)
{
    struct capture_netc *known = &capture->netcs[netc->serial % CAPTURE_NETCS_MAX];
    const struct adapter_ops *ops = netc->adapter->ops;
    struct capture_key found = { .protocol = netc->config.is_udp ? CAPTURE_PROTOCOL_UDP
                                                                 : CAPTURE_PROTOCOL_TCP };

    if (known->serial != netc->serial)
        *known = (struct capture_netc){ .serial = netc->serial };
    if (netc->sid >= 0 && ops->local && ops->peer(netc->adapter, netc->sid, &found.remote) >= 0 &&
        ops->local(netc->adapter, netc->sid, &found.remote, &found.local) >= 0)
        known->key = found;
    *key = known->key;
}

/* ---- keeping ------------------------------------------------------------------------------------ */

static struct capture_comment *add(struct capture *capture)
{
    if (capture->comments_count == capture->comments_cap) {
        capture->comments_cap =
            capture->comments_cap ? 2 * capture->comments_cap : COMMENTS_CAP_MIN;
        capture->comments =
            xrealloc(capture->comments, capture->comments_cap * sizeof(*capture->comments));
    }
    return &capture->comments[capture->comments_count++];
}

static void forget_oldest(struct capture *capture)
{
    if (capture->comments_count < WAITING_MAX || capture->frames_count)
        return;
    capture->comments_count--;
    memmove(capture->comments, capture->comments + 1,
            capture->comments_count * sizeof(*capture->comments));
}

static bool is_about_sending(const struct netc *netc, const char *text)
{
    return strstr(text, " CLOSED ") || (netc->config.is_udp && strstr(text, " TX_OK "));
}

void capture_comment_told(struct net_observer *observer, const struct adapter *adapter,
                          const struct netc *netc, const char *text)
{
    struct capture *capture = container_of(observer, struct capture, observer);
    struct capture_comment *comment;

    forget_oldest(capture);
    comment = add(capture);
    *comment = (struct capture_comment){ .time_ns = capture_now_ns(capture),
                                         .id = adapter ? adapter->id : -1,
                                         .frame = -1,
                                         .next = -1 };
    (void)snprintf(comment->text, sizeof(comment->text), "%s", text);
    if (!netc)
        return;
    comment->prefers_out = is_about_sending(netc, text);
    find_key(capture, netc, &comment->key);
}

/* ---- attaching ---------------------------------------------------------------------------------- */

static void attach(struct capture *capture, int index, size_t frame_index)
{
    struct capture_frame *frame = &capture->frames[frame_index];
    struct capture_comment *comment = &capture->comments[index];
    size_t len = strlen(comment->text);

    comment->frame = (int)frame_index;
    if (frame->last >= 0)
        capture->comments[frame->last].next = index;
    else
        frame->first = index;
    frame->last = index;
    if (frame->time_ns >= comment->time_ns + LATE_NS) {
        (void)snprintf(comment->text + len, sizeof(comment->text) - len, " (%.3f s before)",
                       (double)(frame->time_ns - comment->time_ns) / NS_PER_S);
    }
}

/* The newest frame of the conversation, at best in the direction that it is about. -1: none. */
static int find_frame(const struct capture *capture, const struct capture_comment *comment)
{
    int second = -1;

    for (size_t i = capture->frames_count; i-- > 0;) {
        const struct capture_frame *frame = &capture->frames[i];
        enum side side = side_of(comment, frame);

        if (side == SIDE_NONE || frame->time_ns > comment->time_ns + SLACK_NS)
            continue;
        if ((frame->is_out == comment->prefers_out) == (side == SIDE_OUR))
            return (int)i;
        if (second < 0)
            second = (int)i;
    }
    return second;
}

/* The first frame that is not older. -1: none. */
static int find_next(const struct capture *capture, const struct capture_comment *comment)
{
    for (size_t i = 0; i < capture->frames_count; i++) {
        if (capture->frames[i].time_ns >= comment->time_ns)
            return (int)i;
    }
    return -1;
}

void capture_comment_frames(struct capture *capture)
{
    for (size_t i = 0; i < capture->comments_count; i++) {
        const struct capture_comment *comment = &capture->comments[i];
        int frame = find_frame(capture, comment);

        if (frame < 0)
            frame = find_next(capture, comment);
        if (frame >= 0)
            attach(capture, (int)i, (size_t)frame);
    }
}

void capture_comment_forget(struct capture *capture)
{
    size_t kept = 0;

    for (size_t i = 0; i < capture->comments_count; i++) {
        if (capture->comments[i].frame < 0)
            capture->comments[kept++] = capture->comments[i];
    }
    capture->comments_count = kept;
}

size_t capture_comment_left(const struct capture *capture, int id, const char *texts[], size_t cap)
{
    size_t count = 0;

    for (size_t i = 0; i < capture->comments_count && count < cap; i++) {
        if (capture->comments[i].id == id)
            texts[count++] = capture->comments[i].text;
    }
    return count;
}
