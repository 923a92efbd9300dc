#include "emu/layer.h"

#include <assert.h>
#include <stdlib.h>

static void pass_info(const struct adapter *layer, struct adapter_info *info)
{
    layer->below->ops->info(layer->below, info);
}

static int pass_connect(struct adapter *layer, const struct sock_spec *spec,
                        const struct endpoint *remote)
{
    return layer->below->ops->connect(layer->below, spec, remote);
}

static int pass_listen(struct adapter *layer, const struct sock_spec *spec, bool many)
{
    return layer->below->ops->listen(layer->below, spec, many);
}

static int pass_accept(struct adapter *layer, int sid, uint32_t tag)
{
    return layer->below->ops->accept(layer->below, sid, tag);
}

static int pass_peer(const struct adapter *layer, int sid, struct endpoint *peer)
{
    return layer->below->ops->peer(layer->below, sid, peer);
}

static ssize_t pass_send(struct adapter *layer, int sid, const void *data, size_t len,
                         const struct endpoint *to)
{
    return layer->below->ops->send(layer->below, sid, data, len, to);
}

static ssize_t pass_recv(struct adapter *layer, int sid, void *data, size_t cap,
                         struct endpoint *from)
{
    return layer->below->ops->recv(layer->below, sid, data, cap, from);
}

static ssize_t pass_pending(struct adapter *layer, int sid)
{
    return layer->below->ops->pending(layer->below, sid);
}

static ssize_t pass_peek(struct adapter *layer, int sid, size_t skip, void *data, size_t cap,
                         struct endpoint *from)
{
    return layer->below->ops->peek(layer->below, sid, skip, data, cap, from);
}

static int pass_local(const struct adapter *layer, int sid, const struct endpoint *peer,
                      struct endpoint *local)
{
    return layer->below->ops->local(layer->below, sid, peer, local);
}

static size_t pass_unacked(const struct adapter *layer, int sid)
{
    return layer->below->ops->unacked(layer->below, sid);
}

static int pass_disconnect(struct adapter *layer, int sid)
{
    return layer->below->ops->disconnect(layer->below, sid);
}

static int pass_proceed(struct adapter *layer, int sid)
{
    return layer->below->ops->proceed(layer->below, sid);
}

static void pass_reset(struct adapter *layer, int sid)
{
    layer->below->ops->reset(layer->below, sid);
}

static int pass_look(const struct adapter *layer, int sid, struct sock_look *look)
{
    return layer->below->ops->look(layer->below, sid, look);
}

static void pass_close(struct adapter *layer, int sid)
{
    layer->below->ops->close(layer->below, sid);
}

static int pass_echo(struct adapter *layer, uint32_t tag, const struct endpoint *to, size_t len)
{
    return layer->below->ops->echo(layer->below, tag, to, len);
}

static void pass_flush(struct adapter *layer)
{
    layer->below->ops->flush(layer->below);
}

static size_t pass_active(const struct adapter *layer)
{
    return layer->below->ops->active(layer->below);
}

static void free_layer(struct adapter *layer)
{
    layer_fini(layer);
    free(layer);
}

/* A layer that adds nothing is nothing but its struct adapter. */
const struct adapter_ops layer_ops = {
    .name = "layer",
    .info = pass_info,
    .connect = pass_connect,
    .proceed = pass_proceed,
    .listen = pass_listen,
    .accept = pass_accept,
    .peer = pass_peer,
    .send = pass_send,
    .recv = pass_recv,
    .pending = pass_pending,
    .peek = pass_peek,
    .local = pass_local,
    .unacked = pass_unacked,
    .disconnect = pass_disconnect,
    .reset = pass_reset,
    .close = pass_close,
    .look = pass_look,
    .echo = pass_echo,
    .flush = pass_flush,
    .heard = adapter_post,
    .active = pass_active,
    .free = free_layer,
};

void layer_init(struct adapter *layer, struct adapter_ops *ops, struct adapter *below)
{
    const struct adapter_ops *theirs = below->ops;

    assert(!below->above);
    ops->name = theirs->name;
    ops->deterministic = ops->deterministic || theirs->deterministic;
    ops->can_accept = theirs->can_accept;
    ops->accept = theirs->accept ? ops->accept : NULL;
    ops->proceed = theirs->proceed ? ops->proceed : NULL;
    ops->reset = theirs->reset ? ops->reset : NULL;
    ops->look = theirs->look ? ops->look : NULL;
    ops->peek = theirs->peek ? ops->peek : NULL;
    ops->local = theirs->local ? ops->local : NULL;
    ops->echo = theirs->echo ? ops->echo : NULL;
    if (!theirs->flush && ops->flush == pass_flush)
        ops->flush = NULL;
    *layer = (struct adapter){
        .ops = ops,
        .net = below->net,
        .below = below,
        .id = below->id,
        .is_ready = below->is_ready,
        .limits = below->limits,
    };
    below->above = layer;
}

void layer_fini(struct adapter *layer)
{
    layer->below->ops->free(layer->below);
    layer->below = NULL;
}
