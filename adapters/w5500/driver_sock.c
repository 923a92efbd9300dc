/* The driver's sockets: each of the chip's, from OPEN to CLOSED. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "adapters/w5500/driver_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define QUEUE_MAX     (20 * 1024) /* LuatOS components/ethernet/w5500/w5500.c SOCK_BUF_LEN */
#define MODE_TCP      0x01
#define MODE_UDP      0x02
#define CONFIG_LEN    20 /* Sn_MR to Sn_MSSR */
#define CHIP_HEADER   8  /* of a datagram in the RX buffer, datasheet 4.2 */
#define OPEN_TRIES    100
#define COMMAND_TRIES 10
#define COMMAND_US    10 /* between two looks at one that is not done */
#define FSR_US        50 /* between two looks for room: no interrupt tells of it */
#define FSR_US_MAX    10000
#define PATIENCE_US   1000 /* for room for a large piece */
#define FSR_SHARE     8    /* of the time that has passed so far */
#define SEGMENT_LEN   1460
#define SIZE_BYTES    1024
#define REGS_OF_SEND  6 /* Sn_TX_FSR to Sn_TX_WR */
#define REGS_OF_RECV  4 /* Sn_RX_RSR and Sn_RX_RD */
#define REGS_OF_STATE 4 /* Sn_MR to Sn_SR */
#define WIDE_OPEN     0xff

static unsigned regs_of(const struct dsock *sock)
{
    return W5500_BLOCK_SOCKET(sock->index);
}

static uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void put16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, (uint16_t)(value >> 16));
    put16(bytes + 2, (uint16_t)value);
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

/* ---- queues ----------------------------------------------------------------------------------- */

bool dsock_front(const struct byteq *queue, struct dsock_datagram *datagram, const uint8_t **data)
{
    const uint8_t *front = byteq_front(queue);

    if (queue->len < CHIP_HEADER)
        return false;
    *datagram = (struct dsock_datagram){ .ip = get32(front),
                                         .port = get16(front + 4),
                                         .len = get16(front + 6) };
    *data = front + CHIP_HEADER;
    return queue->len >= CHIP_HEADER + (size_t)datagram->len;
}

void dsock_queue_datagram(struct dsock *sock, uint32_t ip, uint16_t port, const void *data,
                          size_t len)
{
    uint8_t header[CHIP_HEADER];

    assert(len <= UINT16_MAX);
    put32(header, ip);
    put16(header + 4, port);
    put16(header + 6, (uint16_t)len);
    byteq_append(&sock->tx, header, sizeof(header));
    byteq_append(&sock->tx, data, len);
}

/* ---- life ------------------------------------------------------------------------------------- */

void dsock_init(struct dsock *sock, unsigned index)
{
    *sock = (struct dsock){ .index = index };
    byteq_init(&sock->rx);
    byteq_init(&sock->tx);
}

void dsock_fini(struct dsock *sock)
{
    byteq_fini(&sock->rx);
    byteq_fini(&sock->tx);
    dsock_init(sock, sock->index);
}

void dsock_post(struct driver *driver, const struct dsock *sock, enum net_event_type type,
                uint32_t arg)
{
    if (sock->index && !sock->is_orphan)
        adapter_post(&driver->base,
                     &(struct net_event){ .type = type, .tag = sock->tag, .arg = arg });
}

void dsock_end(struct driver *driver, struct dsock *sock, enum net_event_type type, uint32_t arg)
{
    if (sock->phase == DSOCK_PHASE_DEAD || sock->phase == DSOCK_PHASE_FREE)
        return;
    sock->phase = DSOCK_PHASE_DEAD;
    sock->is_sending = sock->has_unread = false;
    sock->sending = 0;
    byteq_fini(&sock->tx);
    if (sock->is_orphan)
        dsock_fini(sock);
    else
        dsock_post(driver, sock, type, arg);
}

/* Is the last command done? Else the socket is looked at again soon. */
static bool is_ready(struct driver *driver, struct dsock *sock)
{
    if (!driver->is_accurate || driver_read8(driver, regs_of(sock), REG_SN_CR) == 0) {
        sock->tries = 0;
        return true;
    }
    if (++sock->tries == COMMAND_TRIES) {
        sock->tries = 0;
        driver_note_error(driver, "a command is not taken");
    } else {
        driver_wake(driver, driver->config.clock->now_us + COMMAND_US);
    }
    return false;
}

/* ---- opening ---------------------------------------------------------------------------------- */

void dsock_open(struct driver *driver, struct dsock *sock)
{
    sock->phase = DSOCK_PHASE_STARTING;
    dsock_step(driver, sock);
}

static void set_destination(struct driver *driver, struct dsock *sock, uint32_t ip, uint16_t port)
{
    uint8_t bytes[6];

    if (sock->is_udp && sock->dipr == ip && sock->dport == port)
        return;
    sock->dipr = ip;
    sock->dport = port;
    put32(bytes, ip);
    put16(bytes + 4, port);
    driver_write(driver, regs_of(sock), REG_SN_DIPR, bytes, sizeof(bytes));
}

/* It is open: what it was opened for. */
static void begin(struct driver *driver, struct dsock *sock)
{
    if (sock->is_udp) {
        sock->phase = DSOCK_PHASE_ACTIVE;
        dsock_post(driver, sock, NET_EVENT_CONNECTED, 0);
    } else if (sock->is_listener) {
        driver_command(driver, sock->index, SN_CR_LISTEN);
        sock->phase = DSOCK_PHASE_LISTENING;
        dsock_post(driver, sock, NET_EVENT_LISTENING, 0);
    } else {
        set_destination(driver, sock, get32(sock->remote.addr), sock->remote.port);
        driver_command(driver, sock->index, SN_CR_CONNECT);
        sock->phase = DSOCK_PHASE_CONNECTING;
    }
}

static void step_opening(struct driver *driver, struct dsock *sock)
{
    uint8_t state[REGS_OF_STATE], wanted = sock->is_udp ? SN_SR_UDP : SN_SR_INIT;

    driver_read(driver, regs_of(sock), REG_SN_MR, state, sizeof(state));
    if (state[REG_SN_CR] == 0 && state[REG_SN_SR] == wanted) {
        sock->tries = 0;
        begin(driver, sock);
    } else if (++sock->tries == OPEN_TRIES) {
        driver_note_error(driver, "a socket does not open");
        dsock_end(driver, sock, NET_EVENT_ERROR, EIO);
    } else {
        driver_wake(driver, driver->config.clock->now_us + COMMAND_US);
    }
}

/* Sn_CR, Sn_IR and Sn_SR in between are written as LuatOS does: nothing, all, something. */
static void step_starting(struct driver *driver, struct dsock *sock)
{
    uint8_t config[CONFIG_LEN] = { sock->is_udp ? MODE_UDP : MODE_TCP, 0, WIDE_OPEN };

    if (!is_ready(driver, sock)) /* who had it before has just said something */
        return;
    put16(config + REG_SN_PORT, sock->local_port);
    memset(config + REG_SN_PORT + 2, WIDE_OPEN, BOARD_MAC_LEN);
    driver_write(driver, regs_of(sock), REG_SN_MR, config, sizeof(config));
    driver_write8(driver, regs_of(sock), REG_SN_KPALVTR, sock->keep_units);
    driver_command(driver, sock->index, SN_CR_OPEN);
    sock->phase = DSOCK_PHASE_OPENING;
    step_opening(driver, sock);
}

/* ---- sending ---------------------------------------------------------------------------------- */

/* Bytes that the chip has room for, and where they go. */
static size_t find_room(struct driver *driver, struct dsock *sock, uint16_t *at)
{
    uint8_t regs[REGS_OF_SEND];

    driver_read(driver, regs_of(sock), REG_SN_TX_FSR, regs, sizeof(regs));
    *at = get16(regs + REG_SN_TX_WR - REG_SN_TX_FSR);
    return get16(regs);
}

static void send(struct driver *driver, struct dsock *sock, uint16_t at, size_t len)
{
    driver_write(driver, W5500_BLOCK_TX(sock->index), at, byteq_front(&sock->tx), len);
    driver_write16(driver, regs_of(sock), REG_SN_TX_WR, (uint16_t)(at + len));
    driver_command(driver, sock->index, SN_CR_SEND);
    byteq_drop(&sock->tx, len);
    sock->sending = len;
    sock->is_sending = true;
    sock->is_short = false;
}

/* The longer there was none, the rarer it is looked for. */
static void wait_for_room(struct driver *driver, struct dsock *sock)
{
    uint64_t now_us = driver->config.clock->now_us, wait_us;

    if (!sock->is_short)
        sock->short_us = now_us;
    sock->is_short = true;
    wait_us = (now_us - sock->short_us) / FSR_SHARE;
    wait_us = wait_us < FSR_US ? FSR_US : wait_us < FSR_US_MAX ? wait_us : FSR_US_MAX;
    driver_wake(driver, now_us + wait_us);
}

/* Has there been too little room for so long that less must do? */
static bool is_patient(const struct driver *driver, const struct dsock *sock)
{
    return !sock->is_short || driver->config.clock->now_us - sock->short_us < PATIENCE_US;
}

/*
 * A few large pieces are faster than many small ones, the more so as Linux is in no hurry to
 * acknowledge a single segment; but who acknowledges late is not waited for with all that could go.
 */
static void send_stream(struct driver *driver, struct dsock *sock)
{
    size_t size = (size_t)driver->buffer_kb * SIZE_BYTES, half = size / 2;
    size_t least = half < SEGMENT_LEN ? half : SEGMENT_LEN, room;
    uint16_t at;

    if (is_patient(driver, sock))
        least = size > 2 * SEGMENT_LEN ? half : size;
    room = find_room(driver, sock, &at);
    if (room < (sock->tx.len < least ? sock->tx.len : least)) {
        driver->waits_for_room = true;
        wait_for_room(driver, sock);
    } else {
        send(driver, sock, at, room < sock->tx.len ? room : sock->tx.len);
    }
}

/* One that is larger than the buffer goes as several. */
static void send_datagram(struct driver *driver, struct dsock *sock)
{
    struct dsock_datagram datagram;
    const uint8_t *data;
    uint16_t at;
    size_t room;

    if (!sock->tx_left) {
        (void)dsock_front(&sock->tx, &datagram, &data);
        byteq_drop(&sock->tx, CHIP_HEADER);
        sock->tx_left = datagram.len;
        set_destination(driver, sock, datagram.ip, datagram.port);
    }
    room = find_room(driver, sock, &at);
    if (sock->tx_left < room)
        room = sock->tx_left;
    sock->tx_left -= room;
    send(driver, sock, at, room);
}

static void step_active(struct driver *driver, struct dsock *sock)
{
    bool has_work = sock->tx.len || sock->is_leaving;

    if (!has_work || sock->is_sending || !is_ready(driver, sock))
        return;
    if (sock->tx.len && sock->is_udp) {
        send_datagram(driver, sock);
    } else if (sock->tx.len) {
        send_stream(driver, sock);
    } else if (sock->is_leaving) {
        driver_command(driver, sock->index, SN_CR_DISCON);
        sock->phase = DSOCK_PHASE_LEAVING;
    }
}

/* One who opens it anew waits until the command is done. */
static void step_closing(struct driver *driver, struct dsock *sock)
{
    if (!is_ready(driver, sock))
        return;
    driver_command(driver, sock->index, SN_CR_CLOSE);
    dsock_fini(sock);
}

void dsock_step(struct driver *driver, struct dsock *sock)
{
    if (driver_is_busy(driver))
        return;
    switch (sock->phase) {
    case DSOCK_PHASE_FREE:
    case DSOCK_PHASE_CONNECTING:
    case DSOCK_PHASE_LISTENING:
    case DSOCK_PHASE_DEAD:
        break;
    case DSOCK_PHASE_STARTING:
        step_starting(driver, sock);
        break;
    case DSOCK_PHASE_OPENING:
        step_opening(driver, sock);
        break;
    case DSOCK_PHASE_CLOSING:
        step_closing(driver, sock);
        break;
    case DSOCK_PHASE_ACTIVE:
        if (sock->has_unread)
            dsock_fetch(driver, sock);
        step_active(driver, sock);
        break;
    case DSOCK_PHASE_LEAVING:
        if (sock->has_unread)
            dsock_fetch(driver, sock);
        break;
    }
}

void dsock_leave(struct driver *driver, struct dsock *sock)
{
    bool is_connection =
        !sock->is_udp && (sock->phase == DSOCK_PHASE_ACTIVE || sock->phase == DSOCK_PHASE_LEAVING);

    if (sock->phase == DSOCK_PHASE_DEAD || sock->phase == DSOCK_PHASE_STARTING) {
        dsock_fini(sock); /* the chip knows nothing of it */
        return;
    }
    byteq_fini(&sock->rx);
    sock->is_orphan = true;
    if (is_connection)
        sock->is_leaving = true;
    else
        sock->phase = DSOCK_PHASE_CLOSING;
    driver_work(driver);
}

/* ---- receiving -------------------------------------------------------------------------------- */

static size_t room_of(const struct dsock *sock)
{
    if (sock->is_orphan)
        return QUEUE_MAX; /* nobody reads it */
    return sock->rx.len < QUEUE_MAX ? QUEUE_MAX - sock->rx.len : 0;
}

/* Fetch once; false: there was nothing, or no room for it. */
static bool fetch_some(struct driver *driver, struct dsock *sock)
{
    uint8_t regs[REGS_OF_RECV];
    size_t len, room = room_of(sock);
    uint16_t at;

    if (driver_is_busy(driver) || !is_ready(driver, sock))
        return false;
    driver_read(driver, regs_of(sock), REG_SN_RX_RSR, regs, sizeof(regs));
    len = get16(regs);
    at = get16(regs + REG_SN_RX_RD - REG_SN_RX_RSR);
    sock->has_unread = len != 0;
    if (!sock->is_udp && len > room) /* a datagram comes whole */
        len = room;
    if (!len || !room)
        return false;
    driver_read(driver, W5500_BLOCK_RX(sock->index), at, byteq_room(&sock->rx, len), len);
    byteq_grow(&sock->rx, len);
    driver_write16(driver, regs_of(sock), REG_SN_RX_RD, (uint16_t)(at + len));
    driver_command(driver, sock->index, SN_CR_RECV);
    if (sock->is_orphan)
        byteq_fini(&sock->rx);
    return true;
}

void dsock_fetch(struct driver *driver, struct dsock *sock)
{
    bool has_come = false;

    sock->has_unread = true;
    while (sock->has_unread && fetch_some(driver, sock))
        has_come = true;
    if (!has_come)
        return;
    if (sock->index)
        dsock_post(driver, sock, NET_EVENT_RX, 0);
    else
        driver_net_receive(driver);
}

/* ---- interrupts ------------------------------------------------------------------------------- */

static void on_sent(struct driver *driver, struct dsock *sock)
{
    size_t len = sock->sending;

    if (!sock->is_sending)
        return;
    sock->is_sending = false;
    sock->sending = 0;
    dsock_post(driver, sock, NET_EVENT_TX_ACKED, (uint32_t)len);
}

/* A datagram for which no host was found is lost; so is a connection. */
static void on_timeout(struct driver *driver, struct dsock *sock)
{
    if (!sock->is_udp) {
        dsock_end(driver, sock, NET_EVENT_ERROR, ETIMEDOUT);
        return;
    }
    sock->is_sending = false;
    sock->sending = 0;
    byteq_drop(&sock->tx, sock->tx_left); /* of the same datagram */
    sock->tx_left = 0;
    dsock_post(driver, sock, NET_EVENT_ERROR, EHOSTUNREACH);
}

static void on_connection(struct driver *driver, struct dsock *sock)
{
    uint8_t peer[6];

    sock->phase = DSOCK_PHASE_ACTIVE;
    if (!sock->is_listener) {
        dsock_post(driver, sock, NET_EVENT_CONNECTED, 0);
        return;
    }
    driver_read(driver, regs_of(sock), REG_SN_DIPR, peer, sizeof(peer));
    endpoint_set_v4(&sock->remote, peer[0], peer[1], peer[2], peer[3]);
    sock->remote.port = get16(peer + 4);
    dsock_post(driver, sock, NET_EVENT_CLIENT, 0);
}

/* LuatOS: closed for good is what a module's own close ends with; else the peer has begun it. */
static void on_disconnected(struct driver *driver, struct dsock *sock, uint8_t sr)
{
    if (sr == SN_SR_CLOSED) {
        if (sock->phase == DSOCK_PHASE_CONNECTING)
            dsock_end(driver, sock, NET_EVENT_ERROR, ECONNREFUSED);
        else
            dsock_end(driver, sock, NET_EVENT_CLOSED, 0);
    } else if (!sock->has_end && sock->phase != DSOCK_PHASE_LEAVING) {
        sock->has_end = true;
        dsock_post(driver, sock, NET_EVENT_REMOTE_CLOSED, 0);
        sock->is_leaving |= sock->is_orphan;
    }
}

/* Whoever connects, sends and leaves between two looks has made all of its bits. */
void dsock_interrupt(struct driver *driver, struct dsock *sock, uint8_t ir, uint8_t sr)
{
    bool is_connected =
        sock->phase == DSOCK_PHASE_CONNECTING || sock->phase == DSOCK_PHASE_LISTENING;

    if (sock->phase == DSOCK_PHASE_FREE || sock->phase == DSOCK_PHASE_STARTING ||
        sock->phase == DSOCK_PHASE_CLOSING || sock->phase == DSOCK_PHASE_DEAD)
        return;
    if (ir & SN_IR_CON && is_connected)
        on_connection(driver, sock);
    if (ir & SN_IR_SENDOK)
        on_sent(driver, sock);
    /* Closed, the chip shows what it has and takes no RECV: it would be fetched again and again. */
    if (ir & SN_IR_RECV && (sock->is_udp || sr != SN_SR_CLOSED))
        dsock_fetch(driver, sock);
    if (ir & SN_IR_TIMEOUT)
        on_timeout(driver, sock);
    if (ir & SN_IR_DISCON && !sock->is_udp)
        on_disconnected(driver, sock, sr);
}
