/* Included by capture.c, capture_comment.c, capture_sockets.c and capture_link.c only. */
#pragma once

#include <sys/types.h>

#include "adapters/capture.h"
#include "emu/board.h"
#include "emu/buf.h"
#include "emu/list.h"
#include "emu/net.h"
#include "emu/packet.h"
#include "emu/pcapng.h"

#define CAPTURE_COMMENT_MAX 160 /* with its end */
#define CAPTURE_NETCS_MAX   256 /* whose connections are remembered after they are closed */

enum capture_protocol { CAPTURE_PROTOCOL_NONE, CAPTURE_PROTOCOL_TCP, CAPTURE_PROTOCOL_UDP };

/* What tells a conversation from others. */
struct capture_key {
    enum capture_protocol protocol; /* NONE: it is not known */
    struct endpoint local, remote;
};

/* An adapter's. */
struct capture_port {
    struct capture *capture;
    int id;             /* enum adapter_id; -1: not captured */
    uint32_t interface; /* in the file */
    char description[BOARD_NAME_MAX];
    uint8_t mac[PACKET_MAC_LEN];
    size_t mtu;
    uint64_t frames, dropped;
};

struct capture_frame {
    struct capture_port *port;
    uint64_t time_ns; /* of the device's clock */
    bool is_out;
    struct capture_key key;
    size_t at, len;  /* in @bytes of the capture */
    int first, last; /* of its comments; -1: none */
};

struct capture_comment {
    uint64_t time_ns;
    int id; /* of the adapter; -1: of none */
    struct capture_key key;
    bool prefers_out; /* it is about what was sent */
    int frame;        /* that it is attached to; -1: none yet */
    int next;         /* of the same frame; -1: none */
    char text[CAPTURE_COMMENT_MAX];
};

struct capture {
    struct capture_config config;
    struct capture_port ports[ADAPTER_COUNT];
    uint32_t interfaces_count;
    int64_t base_ns; /* 1970 to the start of the device's clock */
    uint64_t start_ns;
    bool has_started;
    uint32_t connections_count;
    struct list links; /* of struct capture_link */
    struct list flows; /* of struct flow of every port */

    /* since the last flush */
    struct byteq bytes, keys;
    struct capture_frame *frames;
    size_t frames_count, frames_cap;
    struct capture_comment *comments; /* older ones too, that had no frame yet */
    size_t comments_count, comments_cap;

    struct capture_netc {
        unsigned serial;
        struct capture_key key;
    } netcs[CAPTURE_NETCS_MAX];
    struct net_observer observer;

    struct byteq out;
    int error;     /* errno of the first write that failed */
    off_t written; /* whole blocks, of a file that can be cut; -1: of one that can't */
};

/* The interface of an adapter. */
struct capture_port *capture_add_port(struct capture *capture, enum adapter_id id,
                                      const struct board_slot *slot);

/* Keep a frame until the next flush. */
void capture_add_frame(struct capture_port *port, uint64_t time_ns, bool is_out,
                       const struct capture_key *key, const uint8_t *bytes, size_t len);

uint64_t capture_now_ns(const struct capture *capture);

/* Write what was kept, unless the script is about to be told of it: then it is written after that. */
void capture_flush(struct capture *capture);

/* ---- capture_comment.c ---- */

/* Of the observer. */
void capture_comment_told(struct net_observer *observer, const struct adapter *adapter,
                          const struct netc *netc, const char *text);

/* Attach the comments to the frames there are; those without one wait on. */
void capture_comment_frames(struct capture *capture);

/* Forget those that had a frame. */
void capture_comment_forget(struct capture *capture);

/* Those of an adapter that are left. Returns how many, at most @cap. */
size_t capture_comment_left(const struct capture *capture, int id, const char *texts[], size_t cap);
