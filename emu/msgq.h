/*
 * msgq: the module's message queue, from the firmware's tasks to the script's (rtos.receive).
 *
 * Everything that a script is told comes through here, one message at a time and in order: timers,
 * socket events, published topics. A module holds 256 messages and drops what comes after; this
 * queue grows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/endpoint.h"

#define TOPIC_ARGS_MAX 4
#define TOPIC_TEXT_MAX 48 /* an IPv6 address as text and its end; an SSID */

enum topic_arg_kind {
    TOPIC_ARG_NONE, /* no argument, nor is any that follows */
    TOPIC_ARG_NUMBER,
    TOPIC_ARG_TEXT, /* bytes: a MAC too */
};

struct topic_arg {
    enum topic_arg_kind kind;
    int number;
    size_t len;
    char text[TOPIC_TEXT_MAX]; /* ends with a 0 that is not counted */
};

/* What the firmware publishes. */
struct topic {
    const char *name; /* static: "IP_READY" */
    struct topic_arg args[TOPIC_ARGS_MAX];
};

struct topic_arg topic_number(int number);
struct topic_arg topic_text(const char *text); /* cut to what has room */
struct topic_arg topic_bytes(const void *bytes, size_t len);

enum msg_kind {
    MSG_KIND_TIMER, /* a script timer fired */
    MSG_KIND_NETC,  /* a socket control has something to say */
    MSG_KIND_TOPIC, /* the firmware publishes a topic */
    MSG_KIND_GPIO,  /* a watched pin has changed */
    MSG_KIND_UART,  /* a serial port has received, or is done with sending */
    MSG_KIND_NOTE,  /* for who listens to an adapter's sockets */
};

#define NOTE_DOMAIN_MAX 256

/* What netdrv.on's function is told. */
struct sock_note {
    int adapter;                    /* its number */
    const char *event, *proto;      /* static */
    struct endpoint remote, online; /* what it connects to, what it got; family none: not known */
    char domain[NOTE_DOMAIN_MAX];   /* "": connects to an address */
};

struct msg {
    enum msg_kind kind;
    union {
        struct {
            uint32_t id;
            int32_t repeat_left; /* as rtos.receive returns it; -1: forever */
        } timer;
        struct {
            uint32_t netc; /* handle */
            int report;    /* enum netc_report */
            int param;     /* 0 or -1 */
        } netc;
        struct {
            int pin;
            uint32_t first, second; /* what its function is told */
        } gpio;
        struct {
            int port;
            int what; /* UART_SENT, or 0 */
        } uart;
        struct topic *topic;    /* the queue's, until the next msgq_take() */
        struct sock_note *note; /* likewise */
    } as;
};

struct msgq {
    struct msg *ring;
    size_t head, count, cap; /* cap is a power of two */
    void *taken;             /* what came with the message that was taken last */
};

void msgq_init(struct msgq *queue);
void msgq_fini(struct msgq *queue);
void msgq_post(struct msgq *queue, const struct msg *msg);

/* Take the oldest message; false when there is none. */
bool msgq_take(struct msgq *queue, struct msg *msg);

/* A topic as firmware publishes it; copied. */
void msgq_publish(struct msgq *queue, const struct topic *topic);

/* Copied, too. */
void msgq_note(struct msgq *queue, const struct sock_note *note);

/* A topic with these arguments; @text NULL: without. */
void msgq_post_topic(struct msgq *queue, const char *name, const char *text);
void msgq_post_topic_number(struct msgq *queue, const char *name, const char *text, int number);
