/*
 * uplink: a way out of the network that the emulator makes, without root.
 *
 * In the namespace of the bridge an interface, "uplink", leads to a program outside that speaks for
 * the network by ordinary sockets: TCP and UDP, IPv4. The kernel sends on what the adapters' gateway
 * gets for elsewhere, under the interface's one address (NAT). So nothing outside can connect to an
 * adapter. The program's name server, uplink_dns(), asks those of the host. The host's own loopback
 * is out of reach.
 *
 * The program ends with the emulator, however that ends.
 */
#pragma once

#include "adapters/child.h"
#include "emu/endpoint.h"
#include "emu/loop.h"
#include "emu/uplink_kind.h"

#define UPLINK_WHY_MAX 768

struct device;
struct keeper;

struct uplink {
    enum uplink_kind kind;       /* UPLINK_OFF: there is none */
    bool is_demanded;            /* that kind or none */
    struct child_process child;  /* the program */
    char missed[UPLINK_WHY_MAX]; /* "not pasta: why; ...": of better ones; "": none was missed */
    struct loop_fd source;       /* tells when the program ends */
    struct device *device;       /* that is told of it; NULL: none yet */
};

/*
 * Open one of the kind @wish, or with UPLINK_AUTO the first that can be had, out of the network that
 * @keeper has made; NULL: adapters are on the host's. 0 or -errno, with @why for people.
 */
int uplink_open(struct uplink *uplink, struct keeper *keeper, enum uplink_kind wish,
                char why[UPLINK_WHY_MAX]);
void uplink_close(struct uplink *uplink);

/* Its name server. */
void uplink_dns(struct endpoint *dns);

/* Which it is and why no better one, where one was asked for: on stderr and "net.uplink" in the trace. */
void uplink_tell(const struct uplink *uplink, struct device *device);

/* From now on tell when it ends by itself. 0 or -errno. Or no longer, before the device is closed. */
int uplink_watch(struct uplink *uplink, struct device *device);
void uplink_unwatch(struct uplink *uplink);
