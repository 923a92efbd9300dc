/*
 * layer: an adapter that stands on another, sees what is asked of it and hears what it reports, and
 * passes on what it does not change: a capture, an impairment. The net knows the topmost one only.
 *
 * A layer has a copy of layer_ops with slots of its own in it; these ask the adapter below. Socket
 * numbers and tags may go through as they are. Its slot "heard" gets every event that the adapter
 * below posts, and passes it on with adapter_post(), at once or later. Like all slots it must not
 * call back; it may be called while the layer is calling the adapter below.
 */
#pragma once

#include "emu/adapter.h"

/* Everything passes through. */
extern const struct adapter_ops layer_ops;

/*
 * Stand @layer on @below, which is freed with it; register @layer then, or cover @below with it
 * (net_cover()). @ops is the layer's own and stays where it is; optional slots that @below lacks are
 * taken out of it.
 */
void layer_init(struct adapter *layer, struct adapter_ops *ops, struct adapter *below);

/* Free what @layer stands on; its own memory stays. */
void layer_fini(struct adapter *layer);
