/*
 * capture: what goes over the adapters, written to a pcapng file while it happens.
 *
 * An interface of the file stands for each adapter, named as LuatOS names it. Of links that are the
 * emulator's own the frames are the true ones (capture_link.c). Elsewhere, on the host's network,
 * they are made up from what the adapter's sockets send and get (capture_sockets.c): valid, but with
 * Ethernet addresses, sequence numbers and acknowledgements of our own.
 *
 * What a turn has brought is written at its end, and what the script sent before the loop sleeps;
 * where there are true frames, all of it some milliseconds later. Secrets come first, then the
 * frames in the order of their times. A frame carries as comments what the script was told about it:
 * "netc 3 ON_LINE 0". What no frame is there for ("IP_LOSE LWIP_ETH") goes to the next one, with how
 * long ago that was, or to the statistics at the end.
 *
 * The accesses to the registers of a board's W5500 are an interface of their own, "ETH0-SPI". Its
 * packets are of LINKTYPE_WIRESHARK_UPPER_PDU, so that any Wireshark shows in its list what a
 * comment says, too: "W Sn_CR[1]=CONNECT". What is written goes out, what is read comes in.
 * The bytes on the bus, the header's three and the data, are in the tag 0xfe00 (Wireshark: exported_pdu.
 * unknown_tag.val).
 *
 * Times are those of the device's clock, on the calendar that it had when the capture began: they
 * never jump.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter_table.h"

#define CAPTURE_MTU_MIN 576

struct bench;
struct board_slot;
struct capture;
struct device;
struct nets;

struct capture_config {
    struct device *device;
    int fd;           /* where it is written; closed by the capture */
    bool has_keys;    /* TLS secrets are written too */
    const char *what; /* about the run, for people; may be NULL */
};

struct capture *capture_new(const struct capture_config *config);

/*
 * Capture the true frames of an adapter of @nets, from before it is plugged in. 0 or -errno;
 * -EOPNOTSUPP: there are none to be had.
 */
int capture_frames(struct capture *capture, enum adapter_id id, const struct board_slot *slot,
                   struct nets *nets);

/* Has it true frames? */
bool capture_has_frames(const struct capture *capture, enum adapter_id id);

/* Capture an adapter that is registered and has no sockets yet, at socket level. */
void capture_sockets(struct capture *capture, enum adapter_id id, const struct board_slot *slot);

/*
 * Capture the accesses to the registers of the board's W5500. The bench is freed before the capture
 * is closed.
 */
void capture_spi(struct capture *capture, struct bench *bench);

/* After the last adapter was given: write what the file begins with. */
void capture_start(struct capture *capture);

/* For people: the frames of each adapter, one a line. Returns the length, less than @cap. */
size_t capture_describe(struct capture *capture, char text[], size_t cap);

/* Nothing more is told to the script: before the device is closed, whose frames are still kept. */
void capture_settle(struct capture *capture);

/*
 * Write what is left, after the device was closed. 0, or the errno of the write that failed; what
 * follows that was not written.
 */
int capture_close(struct capture *capture);
