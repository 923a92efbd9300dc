/*
 * posix: an adapter on the host's own sockets.
 *
 * How TX_OK is kept honest. LuatOS reports TX_OK when the peer has acknowledged every byte, and the
 * kernel taking the bytes says nothing about that. Three sources, from cheap to sure:
 *   - an answer carries the acknowledgement of the question: when data arrives, SIOCOUTQ tells;
 *   - else the kernel is asked to report: the last byte of a write carries SO_TIMESTAMPING's
 *     TX_ACK, whose report wakes the loop through the socket's error queue;
 *   - a slow sweep over what is still unacknowledged catches what both missed.
 * A socket whose writes are answered stops paying for the second one.
 *
 * What the script sends while it handles one message leaves in one write (flush), as lwIP joins
 * what tcp_write() was given before tcp_output().
 */
#pragma once

#include "emu/adapter.h"

struct limits;
struct log;
struct loop;
struct timers;
struct vclock;

struct posix_config {
    struct loop *loop;
    struct timers *timers;
    const struct vclock *clock;
    const struct limits *limits;
    struct adapter_info info; /* shown by socket.localIP, and the name servers */
};

/* Ready at once. Freed by ops->free(). */
struct adapter *posix_adapter_new(const struct posix_config *config);
