/* What a register means hangs off its row, which is found by the register's address. */
#include "adapters/w5500/regtext.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"

#define BLOCK_KIND     3 /* bits of BSB */
#define BLOCK_SHIFT    2
#define KIND_TX        2
#define BYTES_SHOWN    8   /* of a buffer */
#define PLL_HZ         150 /* millions of */
#define IAWT_CLOCKS    4
#define PTIMER_MS      25
#define KPALVTR_S      5
#define RTR_PER_MS     10
#define FRAG_UNIT      8 /* bytes */
#define FRAG_OFFSET    0x1fff
#define PHYCFGR_RST    0x80
#define PHYCFGR_OPMD   0x40
#define PHYCFGR_DPX    0x04
#define PHYCFGR_SPD    0x02
#define PHYCFGR_LNK    0x01
#define OPMDC(phycfgr) ((phycfgr) >> 3 & 0x07)

/* ---- texts that end where there is no more room ------------------------------------------------ */

struct text {
    char *at;
    size_t len, cap;
    bool is_cut;
};

/* All of it, or nothing. */
static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *text, const char *format, ...)
{
    size_t room = text->cap - text->len;
    va_list args;
    int len;

    if (text->is_cut)
        return;
    va_start(args, format);
    len = vsnprintf(text->at + text->len, room, format, args);
    va_end(args);
    text->is_cut = len < 0 || (size_t)len >= room;
    if (text->is_cut)
        text->at[text->len] = '\0';
    else
        text->len += (size_t)len;
}

/* ---- names --------------------------------------------------------------------------------------- */

struct name {
    uint8_t value; /* or bit */
    const char *name;
};

static const char *find_name(const struct name *names, int count, uint64_t value)
{
    for (int i = 0; i < count; i++) {
        if (names[i].value == value)
            return names[i].name;
    }
    return NULL;
}

static void say_name(struct text *text, const struct name *names, int count, uint64_t value)
{
    const char *name = find_name(names, count, value);

    if (name)
        say(text, "%s", name);
    else
        say(text, "0x%02" PRIx64, value);
}

/* "PB|FARP"; bits without a name are one number. @between comes before the first. */
static void say_bits(struct text *text, const struct name *names, int count, uint64_t value,
                     const char *between)
{
    for (int i = 0; i < count; i++) {
        if (!(value & names[i].value))
            continue;
        say(text, "%s%s", between, names[i].name);
        value &= ~(uint64_t)names[i].value;
        between = "|";
    }
    if (value)
        say(text, "%s0x%02" PRIx64, between, value);
}

static void say_flags(struct text *text, const struct name *names, int count, uint64_t value)
{
    if (value)
        say_bits(text, names, count, value, "");
    else
        say(text, "0");
}

static const struct name mr_bits[] = { { W5500_MR_RST, "RST" },
                                       { W5500_MR_WOL, "WOL" },
                                       { W5500_MR_PB, "PB" },
                                       { W5500_MR_PPPOE, "PPPoE" },
                                       { W5500_MR_FARP, "FARP" } };

static const struct name ir_bits[] = { { W5500_IR_CONFLICT, "CONFLICT" },
                                       { W5500_IR_UNREACH, "UNREACH" },
                                       { W5500_IR_PPPOE, "PPPoE" },
                                       { W5500_IR_MP, "MP" } };

static const struct name sir_bits[] = { { 0x01, "S0" }, { 0x02, "S1" }, { 0x04, "S2" },
                                        { 0x08, "S3" }, { 0x10, "S4" }, { 0x20, "S5" },
                                        { 0x40, "S6" }, { 0x80, "S7" } };

static const struct name sn_ir_bits[] = { { W5500_SN_IR_SENDOK, "SENDOK" },
                                          { W5500_SN_IR_TIMEOUT, "TIMEOUT" },
                                          { W5500_SN_IR_RECV, "RECV" },
                                          { W5500_SN_IR_DISCON, "DISCON" },
                                          { W5500_SN_IR_CON, "CON" } };

static const struct name phycfgr_bits[] = { { PHYCFGR_RST, "RST" },
                                            { PHYCFGR_OPMD, "OPMD" },
                                            { PHYCFGR_DPX, "DPX" },
                                            { PHYCFGR_SPD, "SPD" },
                                            { PHYCFGR_LNK, "LNK" } };

static const struct name opmdc_names[] = {
    { 0, "10BT half" },
    { 1, "10BT full" },
    { 2, "100BT half" },
    { 3, "100BT full" },
    { 4, "100BT half, auto-negotiation" },
    { 5, "reserved" },
    { 6, "power down" },
    { 7, "all capable, auto-negotiation" },
};

static const struct name protocols[] = { { W5500_PROTOCOL_CLOSED, "CLOSED" },
                                         { W5500_PROTOCOL_TCP, "TCP" },
                                         { W5500_PROTOCOL_UDP, "UDP" },
                                         { W5500_PROTOCOL_IPRAW, "IPRAW" },
                                         { W5500_PROTOCOL_MACRAW, "MACRAW" } };

static const struct name tcp_bits[] = { { W5500_SN_MR_ND, "ND" } };

static const struct name udp_bits[] = { { W5500_SN_MR_MULTI, "MULTI" },
                                        { W5500_SN_MR_BCASTB, "BCASTB" },
                                        { W5500_SN_MR_MC, "MC" },
                                        { W5500_SN_MR_UCASTB, "UCASTB" } };

static const struct name macraw_bits[] = { { W5500_SN_MR_MFEN, "MFEN" },
                                           { W5500_SN_MR_BCASTB, "BCASTB" },
                                           { W5500_SN_MR_MMB, "MMB" },
                                           { W5500_SN_MR_MIP6B, "MIP6B" } };

/* 0 is what Sn_CR reads as. */
static const struct name commands[] = {
    { 0, "0" },
    { W5500_COMMAND_OPEN, "OPEN" },
    { W5500_COMMAND_LISTEN, "LISTEN" },
    { W5500_COMMAND_CONNECT, "CONNECT" },
    { W5500_COMMAND_DISCON, "DISCON" },
    { W5500_COMMAND_CLOSE, "CLOSE" },
    { W5500_COMMAND_SEND, "SEND" },
    { W5500_COMMAND_SEND_MAC, "SEND_MAC" },
    { W5500_COMMAND_SEND_KEEP, "SEND_KEEP" },
    { W5500_COMMAND_RECV, "RECV" },
};

static const struct name statuses[] = {
    { W5500_STATUS_CLOSED, "CLOSED" },       { W5500_STATUS_INIT, "INIT" },
    { W5500_STATUS_LISTEN, "LISTEN" },       { W5500_STATUS_SYNSENT, "SYNSENT" },
    { W5500_STATUS_SYNRECV, "SYNRECV" },     { W5500_STATUS_ESTABLISHED, "ESTABLISHED" },
    { W5500_STATUS_FIN_WAIT, "FIN_WAIT" },   { W5500_STATUS_CLOSING, "CLOSING" },
    { W5500_STATUS_TIME_WAIT, "TIME_WAIT" }, { W5500_STATUS_CLOSE_WAIT, "CLOSE_WAIT" },
    { W5500_STATUS_LAST_ACK, "LAST_ACK" },   { W5500_STATUS_UDP, "UDP" },
    { W5500_STATUS_IPRAW, "IPRAW" },         { W5500_STATUS_MACRAW, "MACRAW" },
};

static const struct name ip_protocols[] = {
    { 1, "1 (ICMP)" }, { 2, "2 (IGMP)" }, { 6, "6 (TCP)" }, { 17, "17 (UDP)" }
};

/* ---- kinds of values ------------------------------------------------------------------------------ */

static void say_number(struct text *text, uint64_t value)
{
    say(text, "%" PRIu64, value);
}

static void say_byte(struct text *text, uint64_t value)
{
    say(text, "0x%02" PRIx64, value);
}

static void say_word(struct text *text, uint64_t value)
{
    say(text, "0x%04" PRIx64, value);
}

static void say_ip(struct text *text, uint64_t value)
{
    const unsigned ip = (unsigned)value;

    say(text, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
}

static void say_mac(struct text *text, uint64_t value)
{
    for (int shift = 40; shift >= 0; shift -= 8)
        say(text, "%02x%s", (unsigned)(value >> shift & 0xff), shift ? ":" : "");
}

static void say_mr(struct text *text, uint64_t value)
{
    say_flags(text, mr_bits, ARRAY_LEN(mr_bits), value);
}

static void say_ir(struct text *text, uint64_t value)
{
    say_flags(text, ir_bits, ARRAY_LEN(ir_bits), value);
}

static void say_sir(struct text *text, uint64_t value)
{
    say_flags(text, sir_bits, ARRAY_LEN(sir_bits), value);
}

static void say_intlevel(struct text *text, uint64_t value)
{
    say(text, "%" PRIu64 " (%.2f us)", value, (double)(value + 1) * IAWT_CLOCKS / PLL_HZ);
}

static void say_rtr(struct text *text, uint64_t value)
{
    say(text, "%" PRIu64 " (%" PRIu64, value, value / RTR_PER_MS);
    if (value % RTR_PER_MS)
        say(text, ".%" PRIu64, value % RTR_PER_MS);
    say(text, " ms)");
}

static void say_ptimer(struct text *text, uint64_t value)
{
    say(text, "%" PRIu64 " (%" PRIu64 " ms)", value, value * PTIMER_MS);
}

/* What it says of the link holds only where there is one. */
static void say_phycfgr(struct text *text, uint64_t value)
{
    say_flags(text, phycfgr_bits, ARRAY_LEN(phycfgr_bits), value & ~UINT64_C(0x38));
    say(text, " OPMDC=%u (%s%s)", (unsigned)OPMDC(value),
        find_name(opmdc_names, ARRAY_LEN(opmdc_names), OPMDC(value)),
        value & PHYCFGR_OPMD ? "" : "; but the PMODE pins count");
    if (value & PHYCFGR_LNK)
        say(text, " link at %d Mbit/s, %s duplex", value & PHYCFGR_SPD ? 100 : 10,
            value & PHYCFGR_DPX ? "full" : "half");
    else
        say(text, " no link");
}

static void say_sn_mr(struct text *text, uint64_t value)
{
    uint64_t protocol = value & W5500_SN_MR_PROTOCOL, bits = value & ~(uint64_t)protocol;

    say_name(text, protocols, ARRAY_LEN(protocols), protocol);
    if (protocol == W5500_PROTOCOL_TCP)
        say_bits(text, tcp_bits, ARRAY_LEN(tcp_bits), bits, "|");
    else if (protocol == W5500_PROTOCOL_UDP)
        say_bits(text, udp_bits, ARRAY_LEN(udp_bits), bits, "|");
    else if (protocol == W5500_PROTOCOL_MACRAW)
        say_bits(text, macraw_bits, ARRAY_LEN(macraw_bits), bits, "|");
    else
        say_bits(text, NULL, 0, bits, "|");
}

static void say_sn_cr(struct text *text, uint64_t value)
{
    say_name(text, commands, ARRAY_LEN(commands), value);
}

static void say_sn_ir(struct text *text, uint64_t value)
{
    say_flags(text, sn_ir_bits, ARRAY_LEN(sn_ir_bits), value);
}

static void say_sn_sr(struct text *text, uint64_t value)
{
    say_name(text, statuses, ARRAY_LEN(statuses), value);
}

static void say_mssr(struct text *text, uint64_t value)
{
    say(text, value ? "%" PRIu64 : "%" PRIu64 " (default)", value);
}

static void say_proto(struct text *text, uint64_t value)
{
    const char *name = find_name(ip_protocols, ARRAY_LEN(ip_protocols), value);

    if (name)
        say(text, "%s", name);
    else
        say_number(text, value);
}

static void say_size(struct text *text, uint64_t value)
{
    say(text, "%" PRIu64 " KB", value);
}

static void say_frag(struct text *text, uint64_t value)
{
    say(text, "%s%s%s", value & 0x8000 ? "0x8000|" : "", value & 0x4000 ? "DF|" : "",
        value & 0x2000 ? "MF|" : "");
    say(text, "offset %" PRIu64, (value & FRAG_OFFSET) * FRAG_UNIT);
}

static void say_kpalvtr(struct text *text, uint64_t value)
{
    if (value)
        say(text, "%" PRIu64 " (%" PRIu64 " s)", value, value * KPALVTR_S);
    else
        say(text, "0 (off)");
}

/* ---- which register is of which kind ---------------------------------------------------------------- */

typedef void say_fn(struct text *text, uint64_t value);

/* By address; registers only. */
static say_fn *const common_says[] = {
    [W5500_MR] = say_mr,         [W5500_GAR] = say_ip,          [W5500_SUBR] = say_ip,
    [W5500_SHAR] = say_mac,      [W5500_SIPR] = say_ip,         [W5500_INTLEVEL] = say_intlevel,
    [W5500_IR] = say_ir,         [W5500_IMR] = say_ir,          [W5500_SIR] = say_sir,
    [W5500_SIMR] = say_sir,      [W5500_RTR] = say_rtr,         [W5500_RCR] = say_number,
    [W5500_PTIMER] = say_ptimer, [W5500_PMAGIC] = say_byte,     [W5500_PHAR] = say_mac,
    [W5500_PSID] = say_word,     [W5500_PMRU] = say_number,     [W5500_UIPR] = say_ip,
    [W5500_UPORTR] = say_number, [W5500_PHYCFGR] = say_phycfgr, [W5500_VERSIONR] = say_number,
};

static say_fn *const socket_says[] = {
    [W5500_SN_MR] = say_sn_mr,        [W5500_SN_CR] = say_sn_cr,
    [W5500_SN_IR] = say_sn_ir,        [W5500_SN_SR] = say_sn_sr,
    [W5500_SN_PORT] = say_number,     [W5500_SN_DHAR] = say_mac,
    [W5500_SN_DIPR] = say_ip,         [W5500_SN_DPORT] = say_number,
    [W5500_SN_MSSR] = say_mssr,       [W5500_SN_PROTO] = say_proto,
    [W5500_SN_TOS] = say_byte,        [W5500_SN_TTL] = say_number,
    [W5500_SN_RXBUF_SIZE] = say_size, [W5500_SN_TXBUF_SIZE] = say_size,
    [W5500_SN_TX_FSR] = say_number,   [W5500_SN_TX_RD] = say_number,
    [W5500_SN_TX_WR] = say_number,    [W5500_SN_RX_RSR] = say_number,
    [W5500_SN_RX_RD] = say_number,    [W5500_SN_RX_WR] = say_number,
    [W5500_SN_IMR] = say_sn_ir,       [W5500_SN_FRAG] = say_frag,
    [W5500_SN_KPALVTR] = say_kpalvtr,
};

static void say_value(struct text *text, const struct w5500_register *reg, uint64_t value)
{
    if (reg->is_socket)
        socket_says[reg->address](text, value);
    else
        common_says[reg->address](text, value);
}

void regtext_value(char out[REGTEXT_VALUE_MAX], const struct w5500_register *reg, uint64_t value)
{
    struct text text = { out, 0, REGTEXT_VALUE_MAX, false };

    out[0] = '\0';
    say_value(&text, reg, value);
}

const char *regtext_status(unsigned value)
{
    return find_name(statuses, ARRAY_LEN(statuses), value);
}

const char *regtext_command(unsigned value)
{
    return find_name(commands, ARRAY_LEN(commands), value);
}

/* ---- accesses ------------------------------------------------------------------------------------------ */

static uint64_t number_of(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* "Sn_CR[1]" */
static void say_register(struct text *text, const struct w5500_register *reg, unsigned block)
{
    say(text, "%s", reg->name);
    if (reg->is_socket)
        say(text, "[%u]", block >> BLOCK_SHIFT);
}

/* A register, or what there is of it; or bytes that are none. Returns how many bytes that was. */
static size_t say_piece(struct text *text, const struct w5500_access *access, size_t at)
{
    uint16_t address = (uint16_t)(access->address + at);
    const uint8_t *bytes = access->bytes + at;
    size_t len = access->len - at;
    struct w5500_register reg;

    if (!w5500_register_find(access->block, address, &reg)) {
        say(text, " 0x%04x=0x%02x", address, *bytes);
        return 1;
    }
    say(text, " ");
    say_register(text, &reg, access->block);
    if (address != reg.address || len < reg.width) {
        say(text, " byte %u=0x%02x", (unsigned)(address - reg.address), *bytes);
        return 1;
    }
    say(text, "=");
    say_value(text, &reg, number_of(bytes, reg.width));
    return reg.width;
}

static void say_buffer(struct text *text, const struct w5500_access *access)
{
    say(text, " %s[%u] 0x%04x %zu byte%s:", (access->block & BLOCK_KIND) == KIND_TX ? "TX" : "RX",
        access->block >> BLOCK_SHIFT, access->address, access->len, access->len == 1 ? "" : "s");
    for (size_t i = 0; i < access->len && i < BYTES_SHOWN; i++)
        say(text, " %02x", access->bytes[i]);
    if (access->len > BYTES_SHOWN)
        say(text, " ...");
}

void regtext_access(char out[REGTEXT_ACCESS_MAX], const struct w5500_access *access)
{
    static const char cut[] = " ...";
    struct text text = { out, 0, REGTEXT_ACCESS_MAX - (sizeof(cut) - 1), false };

    say(&text, "%c", access->is_write ? 'W' : 'R');
    if ((access->block & BLOCK_KIND) >= KIND_TX) {
        say_buffer(&text, access);
        return;
    }
    if (access->block != W5500_BLOCK_COMMON && !(access->block & BLOCK_KIND))
        say(&text, " reserved block 0x%02x:", access->block);
    for (size_t at = 0; at < access->len && !text.is_cut;) {
        size_t whole = text.len;

        at += say_piece(&text, access, at);
        if (text.is_cut)
            (void)memcpy(out + whole, cut, sizeof(cut));
    }
}

/* ---- all of a block -------------------------------------------------------------------------------------- */

#define NAME_WIDTH 16
#define HEX_WIDTH  14

static void say_line(struct text *text, const struct w5500 *chip, const struct w5500_register *reg,
                     unsigned block)
{
    uint64_t value = w5500_peek_register(chip, reg, block >> BLOCK_SHIFT);
    char name[NAME_WIDTH + 1], hex[HEX_WIDTH + 1], words[REGTEXT_VALUE_MAX];
    struct text name_text = { name, 0, sizeof(name), false };

    say_register(&name_text, reg, block);
    (void)snprintf(hex, sizeof(hex), "0x%0*" PRIx64, 2 * reg->width, value);
    regtext_value(words, reg, value);
    say(text, "%-*s %-*s %s\n", NAME_WIDTH, name, HEX_WIDTH, hex, words);
}

size_t regtext_block(char *out, size_t cap, const struct w5500 *chip, unsigned block)
{
    struct text text = { out, 0, cap, false };
    struct w5500_register reg;

    for (size_t i = 0; w5500_register_get(i, &reg); i++) {
        if (reg.is_socket == (block != W5500_BLOCK_COMMON))
            say_line(&text, chip, &reg, block);
    }
    return text.len;
}

static uint64_t peek(const struct w5500 *chip, unsigned socket, uint16_t address)
{
    struct w5500_register reg;

    return w5500_register_find(W5500_BLOCK_SOCKET(socket), address, &reg)
               ? w5500_peek_register(chip, &reg, socket)
               : 0;
}

/* "S1 Sn_MR TCP, Sn_SR ESTABLISHED, Sn_PORT 50001, peer 192.0.2.9:80, Sn_IR CON, ..." */
static void say_socket(struct text *text, const struct w5500 *chip, unsigned n)
{
    say(text, "S%u Sn_MR ", n);
    say_sn_mr(text, peek(chip, n, W5500_SN_MR));
    say(text, ", Sn_SR ");
    say_sn_sr(text, peek(chip, n, W5500_SN_SR));
    say(text, ", Sn_PORT %u, peer ", (unsigned)peek(chip, n, W5500_SN_PORT));
    say_ip(text, peek(chip, n, W5500_SN_DIPR));
    say(text, ":%u, Sn_IR ", (unsigned)peek(chip, n, W5500_SN_DPORT));
    say_sn_ir(text, peek(chip, n, W5500_SN_IR));
    say(text, ", Sn_RX_RSR %u, Sn_TX_FSR %u\n", (unsigned)peek(chip, n, W5500_SN_RX_RSR),
        (unsigned)peek(chip, n, W5500_SN_TX_FSR));
}

size_t regtext_sockets(char *out, size_t cap, const struct w5500 *chip)
{
    struct text text = { out, 0, cap, false };

    for (unsigned n = 0; n < W5500_SOCKETS; n++)
        say_socket(&text, chip, n);
    return text.len;
}

size_t regtext_pins(char *out, size_t cap, const struct w5500 *chip)
{
    struct text text = { out, 0, cap, false };
    unsigned levels = w5500_pins(chip);

    say(&text, "INTn %d, RSTn %d, SCSn %d, LINKLED %d\n", !!(levels & W5500_PINS_INTN),
        !!(levels & W5500_PINS_RSTN), !!(levels & W5500_PINS_SCSN),
        !!(levels & W5500_PINS_LINKLED));
    return text.len;
}
