/* Included by capture.c, capture_comment.c, capture_link.c, capture_sockets.c and capture_spi.c only. */
#pragma once

#include <sys/types.h>

#include "adapters/capture.h"
#include "adapters/w5500/bench.h"
#include "emu/board.h"
#include "emu/buf.h"
#include "emu/list.h"
#include "emu/net.h"
#include "emu/packet.h"
#include "emu/pcapng.h"
#include "emu/timer.h"

#define CAPTURE_COMMENT_MAX 160 /* with its end */
#define CAPTURE_LOOKS_KEPT  4   /* frames are written before so many looks are over */
#define CAPTURE_NETCS_MAX   256 /* whose connections are remembered after they are closed */

enum capture_protocol { CAPTURE_PROTOCOL_NONE, CAPTURE_PROTOCOL_TCP, CAPTURE_PROTOCOL_UDP };

/* What tells a conversation from others. */
struct capture_key {
    enum capture_protocol protocol; /* NONE: it is not known */
    struct endpoint local, remote;
};

/* An adapter's, or that of a chip's registers. */
struct capture_port {
    struct capture *capture;
    int id;             /* enum adapter_id; -1: not captured, or not an adapter's */
    uint32_t interface; /* in the file */
    char description[BOARD_NAME_MAX];
    uint8_t mac[PACKET_MAC_LEN];
    size_t mtu;
    bool has_frames; /* true ones */
    uint64_t frames, dropped;
};

struct capture_frame {
    struct capture_port *port;
    uint64_t time_ns; /* of the device's clock */
    uint64_t look;    /* that has found it */
    bool is_out;
    struct capture_key key;
    uint8_t flags;   /* TCP: PACKET_TCP_x */
    bool has_data;   /* TCP, UDP */
    size_t at, len;  /* in @bytes of the capture */
    size_t text_len; /* of them, the last: an access in words; 0: it is a frame */
    int first, last; /* of its comments; -1: none */
};

struct capture_comment {
    uint64_t time_ns;
    uint64_t look; /* the last one before it */
    int id;        /* of the adapter; -1: of none */
    struct capture_key key;
    bool prefers_out;      /* it is about what was sent, */
    bool prefers_data;     /* about data, */
    uint8_t prefers_flags; /* about a segment with one of these */
    int frame;             /* that it is attached to; -1: none yet */
    int next;              /* of the same frame; -1: none */
    char text[CAPTURE_COMMENT_MAX];
};

struct capture {
    struct capture_config config;
    struct capture_port ports[ADAPTER_COUNT];
    struct capture_spi {
        struct capture_port port;
        const struct w5500 *chip; /* NULL: none */
        struct bench_observer observer;
        struct timer flush; /* where no links have their look */
    } spi;
    uint32_t interfaces_count;
    int64_t base_ns; /* 1970 to the start of the device's clock */
    uint64_t start_ns;
    bool has_started;
    uint32_t connections_count;
    struct list links; /* of struct capture_link */
    struct list flows; /* of struct flow of every port */

    /* of the links' true frames */
    struct timer look;
    bool is_awake;        /* @look runs */
    unsigned quiet_looks; /* how many have found nothing */
    unsigned delays;      /* deliveries that a look has waited for */
    int64_t ahead_ns;     /* of the host's calendar */
    bool keeps_back;      /* what was found by the last looks */
    uint64_t looks;
    uint64_t written_ns; /* the time of the last one that was */

    /* not written yet */
    struct byteq bytes[CAPTURE_LOOKS_KEPT]; /* of frames, by the look that has found them */
    struct byteq keys;
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

/*
 * Keep a frame until it is written: room for it, of which capture_frame_done() takes what is used. A
 * @key that is NULL is read from the frame.
 */
uint8_t *capture_frame_room(struct capture_port *port, size_t len);
void capture_frame_done(struct capture_port *port, uint64_t time_ns, bool is_out,
                        const struct capture_key *key, size_t len);

/* The same of one that is somewhere else. */
void capture_add_frame(struct capture_port *port, uint64_t time_ns, bool is_out,
                       const struct capture_key *key, const uint8_t *bytes, size_t len);

uint64_t capture_now_ns(const struct capture *capture);

/*
 * Write what was kept, unless the script is about to be told of it: then it is written after that.
 * With links it is done by their timer.
 */
void capture_flush(struct capture *capture);

/* Write what is due of it. */
void capture_write(struct capture *capture);

/* ---- capture_link.c ---- */

void capture_links_init(struct capture *capture);
void capture_links_start(struct capture *capture);

/* There are frames: write them soon. Harmless where there are no links. */
void capture_links_wake(struct capture *capture);

/* Of the observer. */
void capture_links_delivered(struct capture *capture);

/* Count what was lost until now. */
void capture_links_count_lost(struct capture *capture);

/* Keep what there is, all of which is due then. */
void capture_links_close(struct capture *capture);

/* ---- capture_spi.c ---- */

#define CAPTURE_SPI_NAME "ETH0-SPI"

void capture_spi_init(struct capture *capture);
void capture_spi_put_interface(struct capture *capture);

/* ---- capture_comment.c ---- */

/* Of the observer. */
void capture_comment_told(struct net_observer *observer, const struct adapter *adapter,
                          const struct netc *netc, const char *text);

/* Attach the comments to the frames there are; those without one wait on. */
void capture_comment_frames(struct capture *capture);

/* The frames are in another order. */
void capture_comment_sorted(struct capture *capture);

/* Forget those of the first @count frames, which are gone. */
void capture_comment_forget(struct capture *capture, size_t count);

/* Those of an adapter that are left. Returns how many, at most @cap. */
size_t capture_comment_left(const struct capture *capture, int id, const char *texts[], size_t cap);
