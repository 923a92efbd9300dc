/*
 * impair: what goes wrong on an adapter's network, and when. Rules, their text, and the verdict on
 * each packet; no I/O and no clock of its own.
 *
 * A rule is "ADAPTER[:up|:down],KEY=VALUE,..."; up is from the device, down to it, neither both.
 *
 *   delay=TIME jitter=TIME   each packet takes so much longer, by up to @jitter more or less; the
 *                            order stays
 *   loss=P% duplicate=P%     of so many in a hundred packets
 *   reorder=P%               these leave after the one behind them
 *   corrupt=P%               of these one bit is turned over
 *   rate=BITRATE queue=SIZE  so many bits of IP packets a second; what finds so many bytes waiting
 *                            is lost (by default 100 ms of the rate)
 *   mtu=BYTES icmp=off       larger IP packets are lost; their sender is told (RFC 1191, RFC 8201)
 *                            unless icmp=off, or the packet may be fragmented
 *   blackhole                everything is lost
 *   reset=SIZE               a TCP connection is reset when so many bytes of it have passed
 *   dns=timeout|servfail|nxdomain|IP   so are the answers to DNS queries over UDP
 *   match=[tcp|udp|icmp][:PORT][@IP[/BITS]]   only these; port and address of either end
 *   from=TIME until=TIME for=TIME   only then, counted from when the rule is put in force
 *
 * TIME is in us, ms or s; BITRATE in bit, kbit, mbit or gbit; SIZE in bytes, kb (1024) or mb.
 *
 * All rules that match a packet act on it, one after the other. What chance does to a packet depends
 * on the seed, the rule, the direction and how many packets that rule has matched before it, and on
 * nothing else: with equal seeds the same ones are lost, whatever comes between them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/adapter_table.h"
#include "emu/endpoint.h"

#define IMPAIR_TEXT_MAX   224 /* of a rule, with its end */
#define IMPAIR_WHY_MAX    256
#define IMPAIR_RULES_MAX  32  /* of an adapter */
#define IMPAIR_ANSWER_MAX 512 /* RFC 1035 4.2.1 */

struct adapter_info;
struct trace;

enum impair_direction { IMPAIR_DIRECTION_UP, IMPAIR_DIRECTION_DOWN };
#define IMPAIR_DIRECTIONS 2

enum impair_kind {
    IMPAIR_KIND_DELAY,
    IMPAIR_KIND_LOSS,
    IMPAIR_KIND_DUPLICATE,
    IMPAIR_KIND_REORDER,
    IMPAIR_KIND_CORRUPT,
    IMPAIR_KIND_RATE,
    IMPAIR_KIND_MTU,
    IMPAIR_KIND_BLACKHOLE,
    IMPAIR_KIND_RESET,
    IMPAIR_KIND_DNS,
};
#define IMPAIR_KINDS (IMPAIR_KIND_DNS + 1)

enum impair_protocol {
    IMPAIR_PROTOCOL_ANY, /* of a rule; of a packet: another one */
    IMPAIR_PROTOCOL_TCP,
    IMPAIR_PROTOCOL_UDP,
    IMPAIR_PROTOCOL_ICMP,
};

enum impair_dns {
    IMPAIR_DNS_TIMEOUT,
    IMPAIR_DNS_SERVFAIL,
    IMPAIR_DNS_NXDOMAIN,
    IMPAIR_DNS_ADDRESS,
};

struct impair_rule {
    char text[IMPAIR_TEXT_MAX]; /* as it was given */
    enum adapter_id adapter;
    unsigned directions; /* bits 1 << enum impair_direction */
    unsigned kinds;      /* bits 1 << enum impair_kind; what follows is of those */
    uint64_t delay_us, jitter_us;
    uint32_t loss_ppm, duplicate_ppm, reorder_ppm, corrupt_ppm;
    uint64_t rate_bps, queue_len; /* bits a second; bytes */
    unsigned mtu;                 /* bytes of an IP packet */
    bool is_silent;               /* icmp=off */
    uint64_t reset_at;            /* bytes of the stream that pass */
    enum impair_dns dns;
    struct endpoint dns_ip; /* IMPAIR_DNS_ADDRESS */
    enum impair_protocol protocol;
    uint16_t port;      /* 0: any */
    struct endpoint ip; /* family none: any */
    unsigned ip_bits;
    uint64_t from_us, until_us; /* after it is put in force; UINT64_MAX: for ever */
};

/* NULL, or what is wrong with @text, for people; static or in @why. It names the key. */
const char *impair_parse(struct impair_rule *rule, const char *text, char why[IMPAIR_WHY_MAX]);

bool impair_has(const struct impair_rule *rule, enum impair_kind kind);

/* "delay" and so on; "up" and "down". */
const char *impair_kind_name(enum impair_kind kind);
const char *impair_direction_name(enum impair_direction direction);

/* What a verdict is about: a packet, or a piece of a TCP stream where packets are not to be had. */
struct impair_packet {
    enum impair_direction direction;
    enum impair_protocol protocol;
    bool is_stream;               /* a piece, which can't be lost, only delayed */
    bool may_fragment;            /* RFC 791's DF is off */
    bool is_query, is_dns_server; /* a DNS query; to a port of which that is known */
    size_t len;                   /* bytes, from the IP header on */
    uint64_t stream_begin;        /* TCP: bytes of this direction before it ... */
    size_t stream_len;            /* ... and in it */
    struct endpoint device, peer; /* its ends */
};

enum impair_action {
    IMPAIR_ACTION_PASS,    /* at @at_us */
    IMPAIR_ACTION_LOSE,    /* without a word */
    IMPAIR_ACTION_TOO_BIG, /* tell its sender that @rule->mtu is the limit */
    IMPAIR_ACTION_RESET,   /* let @keep_len bytes of its stream pass, and reset both ends */
    IMPAIR_ACTION_ANSWER,  /* as a DNS server would, as @rule->dns says */
};

struct impair_verdict {
    enum impair_action action;
    enum impair_kind cause;         /* of another action than to pass */
    const struct impair_rule *rule; /* likewise */
    uint64_t ordinal;               /* which packet of that rule and direction it was, from 1 */
    uint64_t at_us;
    size_t keep_len;
    bool is_twice;   /* pass it two times */
    bool is_late;    /* after the next one */
    bool is_corrupt; /* with the bit @corrupt_bit turned over, modulo its length */
    uint32_t corrupt_bit;
};

/* What a rule has done in one direction, and what it needs to go on. */
struct impair_lane {
    uint64_t seed;
    uint64_t busy_until_ns; /* the rate's */
    uint64_t last_at_us;    /* the delay's */
    uint64_t seen;
    uint64_t hits[IMPAIR_KINDS]; /* of delay: 0; of rate: lost for want of room */
};

struct impair_active {
    struct impair_rule rule;
    uint64_t from_us, until_us; /* by the clock */
    struct impair_lane lanes[IMPAIR_DIRECTIONS];
};

/* The rules of one adapter. */
struct impair {
    uint64_t seed;
    struct impair_active *rules;
    size_t count;
    unsigned made; /* rules, ever */
};

void impair_init(struct impair *impair, uint64_t seed);

/* Put @rule in force now. 0; -ENOSPC: there are IMPAIR_RULES_MAX. */
int impair_add(struct impair *impair, const struct impair_rule *rule, uint64_t now_us);

/* Without rules it holds no memory. */
void impair_clear(struct impair *impair);

/* Does a rule have @kind, at whatever time? */
bool impair_has_kind(const struct impair *impair, enum impair_kind kind);

void impair_judge(struct impair *impair, const struct impair_packet *packet, uint64_t now_us,
                  struct impair_verdict *verdict);

/* Tell the trace, where there is something to tell: "impair", as README.md says. */
void impair_note(struct trace *trace, enum adapter_id id, const struct impair_packet *packet,
                 const struct impair_verdict *verdict);

/* Could @data be a DNS query? */
bool impair_is_query(const uint8_t *data, size_t len);

/* Is @ep a name server's: of DNS's own port, or one that @info names? */
bool impair_is_dns_server(const struct endpoint *ep, const struct adapter_info *info);

/* The answer that @rule's dns= gives to a query; its length. */
size_t impair_answer(const struct impair_rule *rule, const uint8_t *query, size_t len,
                     uint8_t answer[IMPAIR_ANSWER_MAX]);

/*
 * Until when nothing like @packet passes; 0: it does now. UINT64_MAX: until the rules change. For
 * streams, which a black hole does not make lose anything.
 */
uint64_t impair_blocked_until(const struct impair *impair, const struct impair_packet *packet,
                              uint64_t now_us);
