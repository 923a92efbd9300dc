/* Included by the files of adapters/w5500: w5500.c, regs.c, spi.c, mem.c, irq.c, phy.c, sock.c, wire.c, arp.c, ip.c, icmp.c, udp.c, igmp.c, raw.c, pppoe.c, tcp.c, tcp_in.c, tcp_out.c, tcp_timer.c, regtext.c and tcp_priv.h. */
#pragma once

#include "adapters/w5500/w5500.h"
#include "emu/buf.h"
#include "emu/timer.h"

/* ---- registers: addresses ------------------------------------------------------------------- */

enum w5500_common_address {
    W5500_MR = 0x00,
    W5500_GAR = 0x01,
    W5500_SUBR = 0x05,
    W5500_SHAR = 0x09,
    W5500_SIPR = 0x0f,
    W5500_INTLEVEL = 0x13,
    W5500_IR = 0x15,
    W5500_IMR = 0x16,
    W5500_SIR = 0x17,
    W5500_SIMR = 0x18,
    W5500_RTR = 0x19,
    W5500_RCR = 0x1b,
    W5500_PTIMER = 0x1c,
    W5500_PMAGIC = 0x1d,
    W5500_PHAR = 0x1e,
    W5500_PSID = 0x24,
    W5500_PMRU = 0x26,
    W5500_UIPR = 0x28,
    W5500_UPORTR = 0x2c,
    W5500_PHYCFGR = 0x2e,
    W5500_VERSIONR = 0x39,
    W5500_COMMON_COUNT,
};

enum w5500_socket_address {
    W5500_SN_MR = 0x00,
    W5500_SN_CR = 0x01,
    W5500_SN_IR = 0x02,
    W5500_SN_SR = 0x03,
    W5500_SN_PORT = 0x04,
    W5500_SN_DHAR = 0x06,
    W5500_SN_DIPR = 0x0c,
    W5500_SN_DPORT = 0x10,
    W5500_SN_MSSR = 0x12,
    W5500_SN_PROTO = 0x14,
    W5500_SN_TOS = 0x15,
    W5500_SN_TTL = 0x16,
    W5500_SN_RXBUF_SIZE = 0x1e,
    W5500_SN_TXBUF_SIZE = 0x1f,
    W5500_SN_TX_FSR = 0x20,
    W5500_SN_TX_RD = 0x22,
    W5500_SN_TX_WR = 0x24,
    W5500_SN_RX_RSR = 0x26,
    W5500_SN_RX_RD = 0x28,
    W5500_SN_RX_WR = 0x2a,
    W5500_SN_IMR = 0x2c,
    W5500_SN_FRAG = 0x2d,
    W5500_SN_KPALVTR = 0x2f,
    W5500_SOCKET_COUNT,
};

/* Bits. */
#define W5500_MR_RST   0x80
#define W5500_MR_WOL   0x20
#define W5500_MR_PB    0x10
#define W5500_MR_PPPOE 0x08
#define W5500_MR_FARP  0x02

#define W5500_IR_CONFLICT 0x80
#define W5500_IR_UNREACH  0x40
#define W5500_IR_PPPOE    0x20
#define W5500_IR_MP       0x10

#define W5500_SN_IR_SENDOK  0x10
#define W5500_SN_IR_TIMEOUT 0x08
#define W5500_SN_IR_RECV    0x04
#define W5500_SN_IR_DISCON  0x02
#define W5500_SN_IR_CON     0x01

#define W5500_SN_MR_PROTOCOL 0x0f
#define W5500_SN_MR_MULTI    0x80 /* UDP */
#define W5500_SN_MR_MFEN     0x80 /* MACRAW */
#define W5500_SN_MR_BCASTB   0x40
#define W5500_SN_MR_ND       0x20 /* TCP */
#define W5500_SN_MR_MC       0x20 /* UDP: IGMP version 1 */
#define W5500_SN_MR_MMB      0x20 /* MACRAW */
#define W5500_SN_MR_UCASTB   0x10 /* UDP with MULTI */
#define W5500_SN_MR_MIP6B    0x10 /* MACRAW */

enum w5500_protocol {
    W5500_PROTOCOL_CLOSED,
    W5500_PROTOCOL_TCP,
    W5500_PROTOCOL_UDP,
    W5500_PROTOCOL_IPRAW,
    W5500_PROTOCOL_MACRAW,
};

/* Sn_SR */
enum w5500_status {
    W5500_STATUS_CLOSED = 0x00,
    W5500_STATUS_INIT = 0x13,
    W5500_STATUS_LISTEN = 0x14,
    W5500_STATUS_SYNSENT = 0x15,
    W5500_STATUS_SYNRECV = 0x16,
    W5500_STATUS_ESTABLISHED = 0x17,
    W5500_STATUS_FIN_WAIT = 0x18,
    W5500_STATUS_CLOSING = 0x1a,
    W5500_STATUS_TIME_WAIT = 0x1b,
    W5500_STATUS_CLOSE_WAIT = 0x1c,
    W5500_STATUS_LAST_ACK = 0x1d,
    W5500_STATUS_UDP = 0x22,
    W5500_STATUS_IPRAW = 0x32,
    W5500_STATUS_MACRAW = 0x42,
};

/* Sn_CR */
enum w5500_command {
    W5500_COMMAND_OPEN = 0x01,
    W5500_COMMAND_LISTEN = 0x02,
    W5500_COMMAND_CONNECT = 0x04,
    W5500_COMMAND_DISCON = 0x08,
    W5500_COMMAND_CLOSE = 0x10,
    W5500_COMMAND_SEND = 0x20,
    W5500_COMMAND_SEND_MAC = 0x21,
    W5500_COMMAND_SEND_KEEP = 0x22,
    W5500_COMMAND_RECV = 0x40,
};

/* ---- the chip ------------------------------------------------------------------------------- */

#define W5500_MAC_LEN    6
#define W5500_MEMORY     16384 /* bytes of TX, and as many of RX */
#define W5500_KB         1024
#define W5500_US_PER_RTR 100
#define W5500_HELD_MAX   16 /* frames that wait for the end of an SPI frame */

/* A search for the MAC address of the next hop to Sn_DIPR. */
struct w5500_arp {
    bool is_busy;
    uint32_t hop;   /* whom it asks for */
    unsigned tries; /* that were made */
    struct timer timer;
};

/*
 * What TCP keeps of a socket. Sequence numbers wrap. To be sent is what lies before @end; of it the
 * peer has what lies before @una, which is Sn_TX_FSR's pointer, tx_ack. The peer's FIN and ours
 * count as a byte each: ours is @end itself.
 */
struct w5500_tcp {
    uint32_t peer;
    uint16_t peer_port, port;
    uint8_t mac[W5500_MAC_LEN];   /* of the next hop to the peer */
    uint16_t mss;                 /* bytes in a segment */
    uint32_t una, next, max, end; /* next: goes back to una; max: behind all that was ever sent */
    uint32_t window;              /* the peer's, from una on */
    uint32_t window_seq, window_ack; /* of the segment that told it */
    uint32_t expected;               /* of the peer's bytes, the next */
    uint32_t told;                   /* of its bytes, the last that it may send */
    unsigned unacked;                /* segments of it */
    unsigned tries, silent; /* waits since something went on; of them, without any answer */
    uint64_t heard_us;      /* when the peer said something */
    bool is_sending;        /* SEND was accepted, SENDOK is to come */
    bool is_closing;        /* DISCON was */
    bool has_exchanged;     /* data; before that the peer is not probed */
    bool is_probing;        /* for the peer's life */
    struct timer retry, ack, keep;
};

/*
 * Registers that the chip reads are in @regs. The pointers are those of the datasheet; Sn_TX_WR and
 * Sn_RX_RD, which the driver writes, are registers. TX bytes @tx_rd to Sn_TX_WR are to be sent, and
 * @tx_ack to @tx_rd wait for the peer (TCP only: else both are the same).
 */
struct w5500_socket {
    struct w5500 *chip;
    unsigned index;
    uint8_t regs[W5500_SOCKET_COUNT];    /* as they are valid */
    uint8_t written[W5500_SOCKET_COUNT]; /* of shadowed ones: as the driver wrote them */
    uint8_t command;                     /* Sn_CR, until it is accepted */
    enum w5500_status status;
    uint8_t mode; /* Sn_MR at OPEN */
    uint16_t tx_rd, tx_ack, rx_wr;
    size_t tx_base, tx_size, rx_base, rx_size; /* bytes, in the memories */

    bool is_sending;    /* UDP, IPRAW, MACRAW: SEND was accepted and is not over */
    bool is_connecting; /* TCP: CONNECT was accepted, and the SYN is not sent */
    bool is_resolved;   /* Sn_DHAR is the next hop to @resolved */
    uint32_t resolved;  /* a Sn_DIPR */
    struct w5500_arp arp;
    uint64_t accept_ns;  /* accurate timing: when, in SPI's time, the command is accepted */
    struct timer accept; /* and in the loop's */
    struct timer sendok; /* until SENDOK */
    struct timer report; /* IGMP: until a query is answered */
    struct w5500_tcp tcp;
};

/* How far an SPI frame has come. */
struct w5500_spi {
    bool is_selected, is_fixed; /* of a header: its data has a fixed length */
    unsigned header_len;        /* bytes of the three that have come */
    uint16_t address;           /* of the next byte */
    uint16_t first;             /* of the first */
    bool is_blamed;             /* a fault was told of what it writes where */
    uint8_t block;
    bool is_write;
    unsigned left;    /* data bytes of a fixed length */
    uint64_t time_ns; /* up to when bytes have been clocked */
    unsigned hz;
    bool has_latch; /* the low byte of a number whose high byte was read */
    uint8_t latch;
    uint16_t latch_address;
    uint16_t access_address; /* for on_access */
    size_t access_len;
    uint8_t access_bytes[W5500_ACCESS_MAX];
};

struct w5500_irq {
    bool is_low;          /* INTn */
    uint64_t released_us; /* when it last went high */
    struct timer timer;   /* until it may go low again */
};

struct w5500_phy {
    bool is_cabled, is_linked;
    bool was_running;   /* PHYCFGR.RST as it was written last */
    unsigned pmode;     /* pins */
    unsigned mode;      /* OPMDC or pins, as they were when the PHY left reset */
    struct timer timer; /* until the link is up */
};

struct w5500_held {
    size_t len;
    uint8_t bytes[W5500_FRAME_MAX];
};

struct w5500_wire {
    struct w5500_held held[W5500_HELD_MAX]; /* came within an SPI frame, which must not see them */
    size_t held_count;
    struct byteq leaving;         /* accurate timing: frames, each behind its length */
    uint64_t first_ns, free_ns;   /* when the first and the last of them will have left */
    struct timer timer;           /* until the first of them has */
    uint8_t out[W5500_FRAME_MAX]; /* the one that is being built */
};

struct w5500_pppoe {
    uint8_t id;         /* of the next echo */
    struct timer timer; /* until it is sent */
};

struct w5500 {
    struct w5500_config config;
    struct w5500_spi spi;
    struct w5500_irq irq;
    struct w5500_phy phy;
    struct w5500_wire wire;
    struct w5500_pppoe pppoe;
    uint16_t ip_id; /* of the next packet */
    uint8_t common[W5500_COMMON_COUNT];
    struct w5500_socket sockets[W5500_SOCKETS];
    uint8_t tx[W5500_MEMORY], rx[W5500_MEMORY];
    bool is_running;   /* RSTn is high */
    uint64_t reset_us; /* when RSTn changed last, or MR.RST was written */
    bool is_locking;   /* RSTn has risen, and there was no SPI since */
};

static inline uint16_t w5500_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t w5500_get32(const uint8_t *at)
{
    return (uint32_t)w5500_get16(at) << 16 | w5500_get16(at + 2);
}

static inline void w5500_put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* ---- w5500.c -------------------------------------------------------------------------------- */

/* The driver did what the datasheet forbids. */
void w5500_fault(struct w5500 *chip, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* MR.RST: registers and sockets; memory and PHY stay. */
void w5500_reset(struct w5500 *chip);

/* Just out of reset, with the quirk version_late. */
bool w5500_is_late(const struct w5500 *chip);
void w5500_pins_changed(struct w5500 *chip);

/* SCSn went low. */
void w5500_selected(struct w5500 *chip);

/* ---- regs.c --------------------------------------------------------------------------------- */

void w5500_regs_reset(struct w5500 *chip);
uint8_t w5500_regs_peek(const struct w5500 *chip, unsigned block, uint16_t address);
uint8_t w5500_regs_read(struct w5500 *chip, unsigned block, uint16_t address);
void w5500_regs_write(struct w5500 *chip, unsigned block, uint16_t address, uint8_t value);
void w5500_regs_commit(struct w5500_socket *socket, uint16_t address);
void w5500_regs_set(struct w5500_socket *socket, uint16_t address, const void *bytes);

/* ---- spi.c ---------------------------------------------------------------------------------- */

bool w5500_spi_is_in_frame(const struct w5500 *chip);
void w5500_spi_reset(struct w5500 *chip);

/* ---- mem.c: buffers and pointers --------------------------------------------------------------- */

/* Where each socket's buffers lie, by the sizes that are set. */
void w5500_mem_layout(struct w5500 *chip);
void w5500_mem_read(const struct w5500 *chip, unsigned block, uint16_t address, uint8_t *out,
                    size_t len);
void w5500_mem_write(struct w5500 *chip, unsigned block, uint16_t address, const uint8_t *bytes,
                     size_t len);
uint16_t w5500_mem_tx_free(const struct w5500_socket *socket); /* Sn_TX_FSR */
uint16_t w5500_mem_rx_len(const struct w5500_socket *socket);  /* Sn_RX_RSR */
/* Bytes that all sockets have, by Sn_TXBUF_SIZE or Sn_RXBUF_SIZE; is it a size that there is? */
size_t w5500_mem_sum(const struct w5500 *chip, uint16_t address);
bool w5500_mem_is_size(uint8_t kb);

size_t w5500_mem_rx_free(const struct w5500_socket *socket);

/* Bytes of the TX buffer from @pointer on. */
void w5500_mem_tx_get(const struct w5500_socket *socket, uint16_t pointer, uint8_t *out,
                      size_t len);

/* Append to the RX buffer, which has room for it. */
void w5500_mem_rx_put(struct w5500_socket *socket, const void *bytes, size_t len);

/* ---- irq.c ---------------------------------------------------------------------------------- */

void w5500_irq_init(struct w5500 *chip);
void w5500_irq_reset(struct w5500 *chip);
void w5500_irq_update(struct w5500 *chip);
uint8_t w5500_irq_sockets(const struct w5500 *chip);                    /* SIR */
void w5500_irq_raise(struct w5500 *chip, uint8_t bits);                 /* IR */
void w5500_irq_raise_socket(struct w5500_socket *socket, uint8_t bits); /* Sn_IR */

/* ---- phy.c ---------------------------------------------------------------------------------- */

void w5500_phy_init(struct w5500 *chip);
void w5500_phy_reset(struct w5500 *chip);          /* RSTn is low */
void w5500_phy_start(struct w5500 *chip);          /* and high again */
uint8_t w5500_phy_value(const struct w5500 *chip); /* PHYCFGR */
void w5500_phy_written(struct w5500 *chip);
void w5500_phy_plug(struct w5500 *chip, bool is_cabled);
unsigned w5500_phy_mbits(const struct w5500 *chip); /* 10 or 100 */

/* ---- sock.c: commands and states --------------------------------------------------------------- */

void w5500_sock_init(struct w5500 *chip);
void w5500_sock_reset(struct w5500 *chip);

/* Sn_CR was written. It reads as 0 when the command is accepted. */
void w5500_sock_command(struct w5500_socket *socket, uint8_t command);

/* An SPI frame is over; SPI's time went on. */
void w5500_sock_frame_over(struct w5500 *chip);
void w5500_sock_time_passed(struct w5500 *chip);

/* To CLOSED, whatever it did; nothing is sent. @bits are raised in Sn_IR. */
void w5500_sock_close(struct w5500_socket *socket, uint8_t bits);

/* The search for a MAC address is over. */
void w5500_sock_resolved(struct w5500_socket *socket, bool is_found);

/* All of a SEND is out: SENDOK, when the wire is done with it. */
void w5500_sock_sent(struct w5500_socket *socket);

void w5500_sock_link_up(struct w5500 *chip);
enum w5500_protocol w5500_sock_protocol(const struct w5500_socket *socket);

/* RTR, scaled: between one try and the next. */
uint64_t w5500_sock_retry_us(const struct w5500 *chip);

/* A time of the datasheet, scaled. */
uint64_t w5500_sock_scaled_us(const struct w5500 *chip, uint64_t us);

/* ---- wire.c: frames out and in ----------------------------------------------------------------- */

void w5500_wire_init(struct w5500 *chip);
void w5500_wire_reset(struct w5500 *chip);
void w5500_wire_frame_over(struct w5500 *chip);
void w5500_wire_link_changed(struct w5500 *chip);

/* @frame, of 14 bytes at least, is padded and goes out; without a link it is lost. */
void w5500_wire_send(struct w5500 *chip, const uint8_t *frame, size_t len);

/* When all that was sent is out. */
uint64_t w5500_wire_done_us(const struct w5500 *chip);

/* ---- ip.c: IPv4 packets out and in -------------------------------------------------------------- */

#define W5500_IP_PROTOCOL_ICMP 1
#define W5500_IP_PROTOCOL_IGMP 2
#define W5500_IP_PROTOCOL_TCP  6
#define W5500_IP_PROTOCOL_UDP  17
#define W5500_IP_DATA_MAX      1480
#define W5500_IP_BROADCAST     UINT32_C(0xffffffff)
#define W5500_IP_TTL           0x80
#define W5500_IP_DF            0x4000

/* What a packet's headers say. Addresses are in host order. */
struct w5500_ip_out {
    const uint8_t *mac; /* borrowed until w5500_ip_send() */
    uint32_t to;
    uint8_t protocol, tos, ttl;
    uint16_t frag;
    bool has_alert; /* RFC 2113 */
};

/* As a socket's registers say: Sn_DHAR, Sn_DIPR, Sn_TOS, Sn_TTL, Sn_FRAG. */
struct w5500_ip_out w5500_ip_out_of(const struct w5500_socket *socket, uint8_t protocol);

/* Bytes of data in a packet: W5500_IP_DATA_MAX, or less with PPPoE. */
size_t w5500_ip_data_max(const struct w5500 *chip);

/* Where the data is to be written; then send @len bytes, w5500_ip_data_max() at most. */
uint8_t *w5500_ip_data(struct w5500 *chip);
void w5500_ip_send(struct w5500 *chip, const struct w5500_ip_out *out, size_t len);

/* The checksum of TCP and UDP, with the pseudo header; 0 over data that holds its own, right one. */
uint16_t w5500_ip_sum(uint32_t from, uint32_t to, uint8_t protocol, const uint8_t *data,
                      size_t len);

/* A whole packet that is for this chip; its header's checksum is right. */
struct w5500_ip_in {
    const uint8_t *mac; /* of the sender */
    uint32_t from, to;
    bool is_own;       /* @to is SIPR, and there is one: what is wrong may be answered */
    bool is_unicast;   /* own, or any that came to our MAC while SIPR is 0 */
    bool is_broadcast; /* of all, or of the subnet */
    uint8_t protocol;
    const uint8_t *header;
    size_t header_len;
    const uint8_t *data;
    size_t len;
};

void w5500_ip_in(struct w5500 *chip, const uint8_t *frame, size_t len);

uint32_t w5500_ip_own(const struct w5500 *chip); /* SIPR */
bool w5500_ip_is_broadcast(const struct w5500 *chip, uint32_t ip);
static inline bool w5500_ip_is_group(uint32_t ip)
{
    return ip >> 28 == 0xe;
}

/* ---- arp.c ----------------------------------------------------------------------------------- */

void w5500_arp_init(struct w5500_socket *socket);
void w5500_arp_stop(struct w5500_socket *socket);

/* Ask for the next hop to Sn_DIPR. w5500_sock_resolved() ends it; Sn_DHAR is set then. */
void w5500_arp_start(struct w5500_socket *socket);
void w5500_arp_in(struct w5500 *chip, const uint8_t *frame, size_t len);

/* ---- pppoe.c: a session around IPv4 -------------------------------------------------------------- */

#define W5500_PPPOE_LEN  8 /* bytes between the headers of Ethernet and IP */
#define W5500_PPPOE_IPV4 0x0021

void w5500_pppoe_init(struct w5500 *chip);
bool w5500_pppoe_is_on(const struct w5500 *chip);
void w5500_pppoe_written(struct w5500 *chip); /* MR was */

/* The headers of a frame with @len bytes of @protocol; returns their length. */
size_t w5500_pppoe_begin(const struct w5500 *chip, uint8_t *frame, uint16_t protocol, size_t len);

/* A frame of discovery or of a session. */
void w5500_pppoe_in(struct w5500 *chip, const uint8_t *frame, size_t len);

/* ---- what sockets carry ------------------------------------------------------------------------ */

/* Send Sn_TX_RD to Sn_TX_WR, with Sn_DHAR as it is: udp.c, raw.c. The caller moves the pointers. */
void w5500_udp_send(struct w5500_socket *socket, uint16_t len);
void w5500_ipraw_send(struct w5500_socket *socket, uint16_t len);
void w5500_macraw_send(struct w5500_socket *socket, uint16_t len);

void w5500_udp_in(struct w5500 *chip, const struct w5500_ip_in *in);
void w5500_icmp_in(struct w5500 *chip, const struct w5500_ip_in *in);
void w5500_ipraw_in(struct w5500 *chip, const struct w5500_ip_in *in);
void w5500_macraw_in(struct w5500 *chip, const uint8_t *frame, size_t len);

/* Type 3, RFC 792: of a packet that nobody wanted. */
void w5500_icmp_send_unreachable(struct w5500 *chip, const struct w5500_ip_in *in);

/* igmp.c: a socket with MULTI was opened, or is closed. */
void w5500_igmp_init(struct w5500_socket *socket);
void w5500_igmp_join(struct w5500_socket *socket);
void w5500_igmp_leave(struct w5500_socket *socket);
void w5500_igmp_stop(struct w5500_socket *socket);
void w5500_igmp_in(struct w5500 *chip, const struct w5500_ip_in *in);

/* ---- tcp.c ----------------------------------------------------------------------------------- */

/*
 * All of TCP: these set @status, raise Sn_IR, move @tx_rd, @tx_ack and (CONNECT, accept: to an
 * arbitrary but equal base, w5500_regs_set()) Sn_TX_WR, and put what comes into the RX buffer. They
 * send by w5500_ip_send(), tell of a finished SEND by w5500_sock_sent() and end by
 * w5500_sock_close(), which calls w5500_tcp_stop(). Commands reach them in states that allow them
 * only; Sn_TX_WR, Sn_RX_RD, Sn_DIPR, Sn_DPORT and Sn_MSSR are committed then.
 */
void w5500_tcp_init(struct w5500_socket *socket); /* once: timers */
void w5500_tcp_stop(
    struct w5500_socket *socket); /* at OPEN, CLOSE, reset: no timer runs any more */

void w5500_tcp_listen(struct w5500_socket *socket);    /* in INIT */
void w5500_tcp_connect(struct w5500_socket *socket);   /* in INIT; Sn_DHAR was found: send SYN */
void w5500_tcp_discon(struct w5500_socket *socket);    /* SYNRECV, ESTABLISHED, CLOSE_WAIT */
void w5500_tcp_send(struct w5500_socket *socket);      /* ESTABLISHED, CLOSE_WAIT; may be empty */
void w5500_tcp_send_keep(struct w5500_socket *socket); /* ESTABLISHED */
void w5500_tcp_recv(struct w5500_socket *socket);      /* the window may have grown */

void w5500_tcp_link_up(struct w5500_socket *socket);
void w5500_tcp_keep_written(struct w5500_socket *socket); /* Sn_KPALVTR was */

/* A segment, of whatever content, for one of the sockets or none (then: RST if in->is_own). */
void w5500_tcp_in(struct w5500 *chip, const struct w5500_ip_in *in);
