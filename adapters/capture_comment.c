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

/* Which frames of its conversation a comment goes to, if there are any. */
static void prefer(struct capture_comment *comment, const struct netc *netc, const char *text)
{
    bool is_udp = netc->config.is_udp;

    if (strstr(text, " CLOSED ")) {
        comment->prefers_out = true;
        comment->prefers_flags = PACKET_TCP_FIN | PACKET_TCP_RST;
    } else if (strstr(text, " TX_OK ")) {
        comment->prefers_out = comment->prefers_data = is_udp;
    } else if (strstr(text, " EVENT ")) {
        comment->prefers_data = true;
        comment->prefers_flags = PACKET_TCP_FIN | PACKET_TCP_RST;
    } else if (strstr(text, " ON_LINE ") && !netc->tls_context) {
        comment->prefers_flags = PACKET_TCP_SYN | PACKET_TCP_RST;
    }
}

void capture_comment_told(struct net_observer *observer, const struct adapter *adapter,
                          const struct netc *netc, const char *text)
{
    struct capture *capture = container_of(observer, struct capture, observer);
    struct capture_comment *comment;

    forget_oldest(capture);
    comment = add(capture);
    *comment = (struct capture_comment){ .time_ns = capture_now_ns(capture),
                                         .look = capture->looks,
                                         .id = adapter ? adapter->id : -1,
                                         .frame = -1,
                                         .next = -1 };
    (void)snprintf(comment->text, sizeof(comment->text), "%s", text);
    if (!netc)
        return;
    prefer(comment, netc, text);
    find_key(capture, netc, &comment->key);
}

/* ---- attaching ---------------------------------------------------------------------------------- */

static void link_to(struct capture *capture, int index, size_t frame_index)
{
    struct capture_frame *frame = &capture->frames[frame_index];

    capture->comments[index].frame = (int)frame_index;
    if (frame->last >= 0)
        capture->comments[frame->last].next = index;
    else
        frame->first = index;
    frame->last = index;
}

static void attach(struct capture *capture, int index, size_t frame_index)
{
    const struct capture_frame *frame = &capture->frames[frame_index];
    struct capture_comment *comment = &capture->comments[index];
    size_t len = strlen(comment->text);

    link_to(capture, index, frame_index);
    if (frame->time_ns >= comment->time_ns + LATE_NS) {
        (void)snprintf(comment->text + len, sizeof(comment->text) - len, " (%.3f s before)",
                       (double)(frame->time_ns - comment->time_ns) / NS_PER_S);
    }
}

enum fit { FIT_NONE, FIT_CONVERSATION, FIT_DIRECTION, FIT_KIND };

static enum fit fit_of(const struct capture_comment *comment, const struct capture_frame *frame)
{
    enum side side = side_of(comment, frame);
    bool is_any = !comment->prefers_data && !comment->prefers_flags;

    if (side == SIDE_NONE)
        return FIT_NONE;
    if ((frame->is_out == comment->prefers_out) != (side == SIDE_OUR))
        return FIT_CONVERSATION;
    return is_any || (comment->prefers_data && frame->has_data) ||
                   frame->flags & comment->prefers_flags
               ? FIT_KIND
               : FIT_DIRECTION;
}

/* Has there been a look at the frames since? */
static bool is_ripe(const struct capture *capture, const struct capture_comment *comment)
{
    return !capture->keeps_back || comment->look < capture->looks;
}

/*
 * The frame that fits best: of those that were there when it was told the newest one, else of those
 * after it the oldest one. -1: none.
 */
static int find_frame(const struct capture *capture, const struct capture_comment *comment)
{
    const struct capture_frame *frames = capture->frames;
    size_t count = capture->frames_count, there = count;
    enum fit best_fit = FIT_NONE;
    int best = -1;

    while (there && frames[there - 1].time_ns > comment->time_ns)
        there--;
    for (size_t i = there; i-- > 0 && best_fit != FIT_KIND;) {
        enum fit fit = fit_of(comment, &frames[i]);

        best = fit > best_fit ? (int)i : best;
        best_fit = fit > best_fit ? fit : best_fit;
    }
    for (size_t i = there; i < count && best < 0; i++) {
        if (frames[i].time_ns > comment->time_ns + SLACK_NS)
            break;
        best = fit_of(comment, &frames[i]) != FIT_NONE ? (int)i : -1;
    }
    return best;
}

/* The first frame that is not older. -1: none. */
static int find_next(const struct capture *capture, const struct capture_comment *comment)
{
    for (size_t i = 0; i < capture->frames_count; i++) {
        const struct capture_frame *frame = &capture->frames[i];

        if (frame->time_ns >= comment->time_ns && !frame->text_len)
            return (int)i;
    }
    return -1;
}

void capture_comment_frames(struct capture *capture)
{
    for (size_t i = 0; i < capture->comments_count; i++) {
        const struct capture_comment *comment = &capture->comments[i];
        int frame;

        if (comment->frame >= 0 || !is_ripe(capture, comment))
            continue;
        frame = find_frame(capture, comment);
        if (frame < 0)
            frame = find_next(capture, comment);
        if (frame >= 0)
            attach(capture, (int)i, (size_t)frame);
    }
}

void capture_comment_sorted(struct capture *capture)
{
    for (size_t i = 0; i < capture->frames_count; i++) {
        int at = capture->frames[i].first;

        for (; at >= 0; at = capture->comments[at].next)
            capture->comments[at].frame = (int)i;
    }
}

/* Comments move up, and with them what says where they are. */
void capture_comment_forget(struct capture *capture, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < capture->frames_count; i++)
        capture->frames[i].first = capture->frames[i].last = -1;
    for (size_t i = 0; i < capture->comments_count; i++) {
        struct capture_comment *comment = &capture->comments[kept];

        *comment = capture->comments[i];
        comment->next = -1;
        if (comment->frame >= 0 && (size_t)comment->frame < count)
            continue;
        if (comment->frame >= 0)
            link_to(capture, (int)kept, (size_t)comment->frame - count);
        kept++;
    }
    capture->comments_count = kept;
}

size_t capture_comment_left(const struct capture *capture, int id, const char *texts[], size_t cap)
{
    size_t count = 0;

    for (size_t i = 0; i < capture->comments_count && count < cap; i++) {
        if (capture->comments[i].id == id && capture->comments[i].frame < 0)
            texts[count++] = capture->comments[i].text;
    }
    return count;
}
