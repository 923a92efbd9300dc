/*
 * nat: the other end of a chip's cable where no frames of a real network are to be had: a network
 * that speaks for the chip by sockets of this machine's (usernet.h), in a process of its own.
 *
 * The chip keeps its own TCP and IP, down to its frames; behind the cable its sockets become this
 * machine's. It is leased an address, or has any of its own: who is asked for by ARP is always there.
 * Ports at which it listens are listened at here, on all addresses. 127.0.0.1 of this machine is
 * reached at the gateway.
 *
 * The process has no capability, opens no file but resolv.conf, and ends with the emulator, however
 * that ends. When it ends by itself the cable is out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "emu/adapter_table.h"

#define NAT_WHY_MAX 256

struct bench;
struct board_address;
struct device;
struct endpoint;
struct nat;
struct nets_end;

/* Start the process. 0 or -errno, with @why for people. */
int nat_open(struct nat **out, char why[NAT_WHY_MAX]);

/* End it; after the bench. */
void nat_close(struct nat *nat);

struct nat_watch {
    enum adapter_id id; /* whose it is, for people */
    struct device *device;
    struct bench *bench;
    void (*ended)(void *ctx); /* it has, by itself; called once */
    void *ctx;
};

/*
 * The chip's end of the cable, once; and from now on follow what it listens at. 0 or -errno. What
 * this can't do is said.
 */
int nat_connect(struct nat *nat, const struct nat_watch *watch);

/* No longer: before the device is closed. */
void nat_unwatch(struct nat *nat);

/* What it leases, and its name server: for drivers that don't ask. */
void nat_address(const struct nat *nat, struct board_address *address, struct endpoint *dns);
