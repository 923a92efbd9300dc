/* Included by driver.c, driver_bus.c, driver_net.c, driver_ops.c and driver_sock.c only. */
#pragma once

#include "adapters/w5500/bench.h"
#include "adapters/w5500/driver.h"
#include "emu/buf.h"
#include "emu/dhcp_client.h"
#include "emu/ethchip.h"
#include "emu/timer.h"

#define DRIVER_SOCKETS  8 /* 0 is the driver's own */
#define DRIVER_NAMES    8 /* lookups at once, on socket 0 */
#define DRIVER_WHERE    256
#define DRIVER_OWN_PORT 68 /* of socket 0 */

/* ---- the chip's registers, datasheet 4.1 and 4.2 ------------------------------------------------- */

#define REG_MR         0x00
#define REG_GAR        0x01
#define REG_SUBR       0x05
#define REG_SHAR       0x09
#define REG_SIPR       0x0f
#define REG_IR         0x15
#define REG_IMR        0x16
#define REG_SIR        0x17
#define REG_SIMR       0x18
#define REG_PHYCFGR    0x2e
#define REG_VERSIONR   0x39
#define REGS_LEN       58 /* of them: 0x00 to 0x39 */
#define REG_SN_MR      0x00
#define REG_SN_CR      0x01
#define REG_SN_IR      0x02
#define REG_SN_SR      0x03
#define REG_SN_PORT    0x04
#define REG_SN_DIPR    0x0c
#define REG_SN_RXBUF   0x1e
#define REG_SN_TX_FSR  0x20
#define REG_SN_TX_WR   0x24
#define REG_SN_RX_RSR  0x26
#define REG_SN_RX_RD   0x28
#define REG_SN_KPALVTR 0x2f

#define MR_FARP     0x02
#define IR_CONFLICT 0x80
#define IR_UNREACH  0x40
#define IR_MP       0x10
#define IMR_WANTED  0xd0 /* CONFLICT, UNREACH, MP: LuatOS's, and how it knows the chip again */
#define PHYCFGR_LNK 0x01

#define SN_CR_OPEN    0x01
#define SN_CR_LISTEN  0x02
#define SN_CR_CONNECT 0x04
#define SN_CR_DISCON  0x08
#define SN_CR_CLOSE   0x10
#define SN_CR_SEND    0x20
#define SN_CR_RECV    0x40

#define SN_IR_CON     0x01
#define SN_IR_DISCON  0x02
#define SN_IR_RECV    0x04
#define SN_IR_TIMEOUT 0x08
#define SN_IR_SENDOK  0x10

#define SN_SR_CLOSED      0x00
#define SN_SR_INIT        0x13
#define SN_SR_ESTABLISHED 0x17
#define SN_SR_CLOSE_WAIT  0x1c
#define SN_SR_UDP         0x22

/* ---- sockets ------------------------------------------------------------------------------------ */

enum dsock_phase {
    DSOCK_PHASE_FREE,
    DSOCK_PHASE_STARTING,   /* to be opened */
    DSOCK_PHASE_OPENING,    /* OPEN was commanded */
    DSOCK_PHASE_CONNECTING, /* so was CONNECT */
    DSOCK_PHASE_LISTENING,
    DSOCK_PHASE_ACTIVE,  /* a connection, or UDP */
    DSOCK_PHASE_LEAVING, /* DISCON was commanded */
    DSOCK_PHASE_CLOSING, /* nobody's: CLOSE is to be commanded */
    DSOCK_PHASE_DEAD,    /* the chip has closed it; what has come can be read */
};

/* What stands before a datagram in a queue. */
struct dsock_datagram {
    uint32_t ip;
    uint16_t port, len;
};

struct dsock {
    unsigned index; /* the chip's number of it */
    enum dsock_phase phase;
    bool is_udp, is_listener;
    bool is_leaving; /* DISCON follows what is in @tx */
    bool is_orphan;  /* nobody has it any more: it is free once it is closed */
    bool has_end;    /* the peer's was reported */
    bool has_unread; /* the chip may have more for which there was no room */
    uint32_t tag;
    uint16_t local_port;
    struct endpoint remote; /* that it is connected to; UDP: where send() without address goes */
    uint8_t keep_units;     /* of 5 s; 0: none */
    unsigned tries;         /* looks at a command that is not done */
    struct byteq rx; /* TCP: bytes; UDP: struct dsock_datagram and bytes, one after the other */
    struct byteq tx; /* the same */
    size_t tx_left;  /* UDP: bytes of the first datagram that are not sent */
    size_t sending;  /* bytes of the SEND that is not over */
    bool is_sending;
    bool is_short;     /* of room, and waits for it */
    uint64_t short_us; /* since when */
    uint32_t dipr;     /* UDP: where the last one went */
    uint16_t dport;
};

/* A lookup that goes by socket 0. */
struct driver_name {
    bool is_used;
    uint32_t tag;
    struct endpoint server;
    uint8_t id[2]; /* of the last question */
    struct byteq rx;
};

/* ---- the driver ----------------------------------------------------------------------------------- */

enum driver_phase {
    DRIVER_PHASE_OFF,   /* not begun, or switched off: held in reset */
    DRIVER_PHASE_RESET, /* RSTn is low */
    DRIVER_PHASE_WAIT,  /* RSTn is high, the chip wakes up */
    DRIVER_PHASE_RUN,
    DRIVER_PHASE_ABSENT, /* no chip answers */
};

struct driver {
    struct adapter base;
    struct driver_config config;
    struct bench_master master;
    struct ethchip ethchip;
    enum driver_phase phase;
    bool is_begun_by_script;
    bool is_off;               /* switched off; who begins it then begins it later */
    bool is_miswired;          /* what it is told to talk to is not there */
    bool has_link_pin;         /* LINKLED is read, and not the chip asked */
    bool is_accurate;          /* SPI takes its time */
    bool waits_for_room;       /* a socket does, in the chip */
    bool is_working, has_more; /* driver_work() runs, and was called again */
    char where[DRIVER_WHERE];  /* of w5500.init */
    struct timer timer;        /* reset's times, the link, a command that is not done */
    uint64_t poll_us;          /* when the link is looked at next */
    uint64_t wake_us;          /* when something else is to be done; UINT64_MAX: nothing */
    uint64_t until_us;         /* in RESET and WAIT: when they are over */
    unsigned errors;           /* LuatOS's inter_error: at two the chip is set up anew */

    bool is_static, has_negotiation;
    uint8_t mac[BOARD_MAC_LEN];
    struct board_address address; /* static, or leased; IP_FAMILY_NONE: none */
    struct endpoint dns[ADAPTER_DNS_MAX];
    size_t dns_count; /* leased; 0: the configuration's */
    bool has_link, is_ready;
    struct dhcp_client dhcp;
    bool is_asking; /* @dhcp has begun */
    uint32_t told_ip;

    struct dsock sockets[DRIVER_SOCKETS];
    unsigned sockets_count; /* that have buffers, socket 0 too */
    unsigned buffer_kb;     /* of each of the script's */
    unsigned own_kb;        /* of socket 0; 0: it is of no use */
    bool is_told_of_buffers;
    unsigned next_socket; /* round-robin */
    unsigned first_step;  /* likewise, of those that have something to do */
    uint16_t next_port;
    struct driver_name names[DRIVER_NAMES];
};

/* ---- driver_bus.c: SPI frames of variable length ------------------------------------------------- */

void driver_read(struct driver *driver, unsigned block, uint16_t address, void *bytes, size_t len);
void driver_write(struct driver *driver, unsigned block, uint16_t address, const void *bytes,
                  size_t len);
uint8_t driver_read8(struct driver *driver, unsigned block, uint16_t address);
void driver_write8(struct driver *driver, unsigned block, uint16_t address, uint8_t value);
void driver_write16(struct driver *driver, unsigned block, uint16_t address, uint16_t value);
void driver_command(struct driver *driver, unsigned socket, uint8_t command);

/* Is SPI still at what it was told? Then driver_work() is called again when it is not. */
bool driver_is_busy(struct driver *driver);

/* driver_work() again, at the latest then. */
void driver_wake(struct driver *driver, uint64_t at_us);

/* ---- driver.c ----------------------------------------------------------------------------------- */

/* Do all that there is to do now. */
void driver_work(struct driver *driver);

/* Something went wrong with the chip; LuatOS sets it up anew at the second time. */
void driver_note_error(struct driver *driver, const char *what);

/* Begin anew, from the reset. */
void driver_restart(struct driver *driver);

/* "W5500_IND" with @text. */
void driver_indicate(struct driver *driver, const char *text);

/* ---- driver_sock.c ------------------------------------------------------------------------------ */

void dsock_init(struct dsock *sock, unsigned index);

/* Forget it, whatever its state; the chip is not told. */
void dsock_fini(struct dsock *sock);

/* Begin to open it: @is_udp, @is_listener, @local_port, @remote and @keep_units are set. */
void dsock_open(struct driver *driver, struct dsock *sock);

/* The chip has closed it, or will not go on with it: whoever has it is told by that. */
void dsock_end(struct driver *driver, struct dsock *sock, enum net_event_type type, uint32_t arg);

/* Its owner leaves it: a connection ends as it should, everything else by CLOSE. */
void dsock_leave(struct driver *driver, struct dsock *sock);

/* Go on with what it is at. */
void dsock_step(struct driver *driver, struct dsock *sock);

/* What its Sn_IR says. */
void dsock_interrupt(struct driver *driver, struct dsock *sock, uint8_t ir, uint8_t sr);

/* Fetch what the chip has, while there is room. */
void dsock_fetch(struct driver *driver, struct dsock *sock);

void dsock_post(struct driver *driver, const struct dsock *sock, enum net_event_type type,
                uint32_t arg);

/* A datagram, to be sent after those that wait. */
void dsock_queue_datagram(struct dsock *sock, uint32_t ip, uint16_t port, const void *data,
                          size_t len);

/* The first datagram of @queue; false: there is none. */
bool dsock_front(const struct byteq *queue, struct dsock_datagram *datagram, const uint8_t **data);

/* ---- driver_net.c: DHCP and names on socket 0 ------------------------------------------------------ */

void driver_net_init(struct driver *driver);
void driver_net_fini(struct driver *driver);

/* The link has come, or socket 0 is there again: ask for an address. */
void driver_ask(struct driver *driver);
void driver_stop_asking(struct driver *driver, const char *why);

/* Another host has what was leased: the server is told so, and asked for another one. */
void driver_decline(struct driver *driver);

/* What has come to socket 0. */
void driver_net_receive(struct driver *driver);

int driver_name_open(struct driver *driver, const struct sock_spec *spec,
                     const struct endpoint *server);
struct driver_name *driver_name_at(struct driver *driver, int sid);

/* Give the chip the address that there is now, or none. */
void driver_give_address(struct driver *driver);

/* ---- driver_ops.c ----------------------------------------------------------------------------------- */

extern const struct adapter_ops driver_ops;
