/*
 * tap: TAP devices (tuntap of Linux), and two of them joined into a cable.
 *
 * A TAP device is an interface whose cable is a descriptor. An adapter bound to one has two: NAME,
 * which the host sees, gives an address or puts on a bridge as it likes, and one in the adapter's
 * namespace, which is the adapter's interface. What is sent into one comes out of the other; the
 * loop carries it. Moving NAME into the namespace would take it from the host.
 */
#pragma once

#include <stdbool.h>

struct loop;

/*
 * Open the TAP device @ifname of the namespace that the calling thread is in, made if there is
 * none. A descriptor, without which one that was made is gone, or -errno: -EPERM it is somebody
 * else's, or can't be made; -EBUSY it is in use; -EINVAL it is no TAP device; -ENOENT, -EACCES the
 * system offers none.
 */
int tap_open(const char *ifname);

/* What @error of tap_open() means, for people. */
const char *tap_why(int error);

struct tap_cable;

/* Owns the descriptors from now on, also when it fails. 0 or -errno. */
int tap_cable_open(struct tap_cable **out, struct loop *loop, int near_fd, int far_fd);
void tap_cable_close(struct tap_cable *cable);

/*
 * Let somebody else carry the frames: both descriptors are duplicates, and the caller's; or carry
 * them again, after those are closed. 0 or -errno; -ENODEV: a device is gone.
 */
int tap_cable_lend(struct tap_cable *cable, int *near_fd, int *far_fd);
void tap_cable_resume(struct tap_cable *cable);

/* Both ends see whether it is in. 0 or -errno. */
int tap_cable_plug(struct tap_cable *cable, bool is_in);
