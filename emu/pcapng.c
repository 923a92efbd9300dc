#include "emu/pcapng.h"

#include <string.h>

#include "emu/util.h"

#define BLOCK_SECTION    0x0a0d0d0aU /* 4.1 */
#define BLOCK_INTERFACE  1           /* 4.2 */
#define BLOCK_STATISTICS 5           /* 4.6 */
#define BLOCK_PACKET     6           /* 4.3 */
#define BLOCK_SECRETS    10          /* 4.7 */

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define VERSION_MAJOR    1
#define VERSION_MINOR    0
#define LENGTH_UNKNOWN   UINT64_MAX  /* of a section */
#define SECRETS_TLS      0x544c534bU /* "TLSK" */

#define OPTION_END     0 /* 3.5 */
#define OPTION_COMMENT 1

#define SHB_HARDWARE 2 /* 4.1 */
#define SHB_OS       3
#define SHB_USERAPPL 4

#define IF_NAME         2 /* 4.2 */
#define IF_DESCRIPTION  3
#define IF_IPV4ADDR     4
#define IF_IPV6ADDR     5
#define IF_MACADDR      6
#define IF_TSRESOL      9
#define TSRESOL_NS      9 /* 10 to the power of -9 seconds */
#define MAC_LEN         6
#define IPV4_LEN        4
#define IPV6_LEN        16
#define IPV6_OPTION_LEN 17

#define EPB_FLAGS 2 /* 4.3 */

#define ISB_STARTTIME 2 /* 4.6 */
#define ISB_ENDTIME   3
#define ISB_IFRECV    4
#define ISB_IFDROP    5

#define WORD_LEN 4 /* everything is a multiple of it */

static void put_u16(struct byteq *out, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)value, (uint8_t)(value >> 8) };

    byteq_append(out, bytes, sizeof(bytes));
}

static void put_u32(struct byteq *out, uint32_t value)
{
    const uint8_t bytes[] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24) };

    byteq_append(out, bytes, sizeof(bytes));
}

/* Padded to a word. */
static void put_bytes(struct byteq *out, const void *data, size_t len)
{
    static const uint8_t zeros[WORD_LEN];

    byteq_append(out, data, len);
    byteq_append(out, zeros, (WORD_LEN - len % WORD_LEN) % WORD_LEN);
}

/* A time: the upper word first, in either byte order. */
static void put_time(struct byteq *out, uint64_t ns)
{
    put_u32(out, (uint32_t)(ns >> 32));
    put_u32(out, (uint32_t)ns);
}

/* A block's length comes before its body and again behind it: it is filled in by end_block(). */
static size_t begin_block(struct byteq *out, uint32_t type)
{
    size_t start = out->len;

    put_u32(out, type);
    put_u32(out, 0);
    return start;
}

static void end_block(struct byteq *out, size_t start)
{
    uint32_t len = (uint32_t)(out->len - start) + WORD_LEN;
    uint8_t *at;

    put_u32(out, len);
    at = out->data + out->head + start + WORD_LEN;
    for (int i = 0; i < WORD_LEN; i++)
        at[i] = (uint8_t)(len >> 8 * i);
}

/* ---- options, 3.5 ------------------------------------------------------------------------------- */

static void put_option(struct byteq *out, uint16_t code, const void *data, size_t len)
{
    put_u16(out, code);
    put_u16(out, (uint16_t)len);
    put_bytes(out, data, len);
}

/* Up to the last whole character that fits. */
static size_t text_len(const char *text)
{
    size_t len = strnlen(text, PCAPNG_OPTION_MAX + 1);

    if (len <= PCAPNG_OPTION_MAX)
        return len;
    for (len = PCAPNG_OPTION_MAX; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
        len--;
    return len;
}

static void put_text(struct byteq *out, uint16_t code, const char *text)
{
    if (text && *text)
        put_option(out, code, text, text_len(text));
}

static void put_comments(struct byteq *out, const char *const comments[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_text(out, OPTION_COMMENT, comments[i]);
}

static void put_count(struct byteq *out, uint16_t code, uint64_t value)
{
    put_u16(out, code);
    put_u16(out, sizeof(value));
    put_u32(out, (uint32_t)value);
    put_u32(out, (uint32_t)(value >> 32));
}

static void put_time_option(struct byteq *out, uint16_t code, uint64_t ns)
{
    put_u16(out, code);
    put_u16(out, sizeof(ns));
    put_time(out, ns);
}

static void end_options(struct byteq *out)
{
    put_option(out, OPTION_END, NULL, 0);
}

/* ---- blocks --------------------------------------------------------------------------------------- */

void pcapng_put_section(struct byteq *out, const struct pcapng_section *section)
{
    size_t start = begin_block(out, BLOCK_SECTION);

    put_u32(out, BYTE_ORDER_MAGIC);
    put_u16(out, VERSION_MAJOR);
    put_u16(out, VERSION_MINOR);
    put_u32(out, (uint32_t)LENGTH_UNKNOWN);
    put_u32(out, (uint32_t)(LENGTH_UNKNOWN >> 32));
    put_text(out, OPTION_COMMENT, section->comment);
    put_text(out, SHB_HARDWARE, section->hardware);
    put_text(out, SHB_OS, section->os);
    put_text(out, SHB_USERAPPL, section->application);
    end_options(out);
    end_block(out, start);
}

static void put_ipv4(struct byteq *out, const struct pcapng_interface *interface)
{
    uint8_t bytes[2 * IPV4_LEN];

    if (interface->ip.family != IP_FAMILY_V4)
        return;
    memcpy(bytes, interface->ip.addr, IPV4_LEN);
    if (interface->mask.family == IP_FAMILY_V4) {
        memcpy(bytes + IPV4_LEN, interface->mask.addr, IPV4_LEN);
    } else {
        memset(bytes + IPV4_LEN, 0xff, IPV4_LEN);
    }
    put_option(out, IF_IPV4ADDR, bytes, sizeof(bytes));
}

static void put_ipv6(struct byteq *out, const struct pcapng_interface *interface)
{
    uint8_t bytes[IPV6_OPTION_LEN];

    if (interface->ip6.family != IP_FAMILY_V6)
        return;
    memcpy(bytes, interface->ip6.addr, IPV6_LEN);
    bytes[IPV6_LEN] = interface->prefix6_len;
    put_option(out, IF_IPV6ADDR, bytes, sizeof(bytes));
}

void pcapng_put_interface(struct byteq *out, const struct pcapng_interface *interface)
{
    const uint8_t resolution = TSRESOL_NS;
    size_t start = begin_block(out, BLOCK_INTERFACE);

    put_u16(out, interface->link_type);
    put_u16(out, 0); /* reserved */
    put_u32(out, PCAPNG_PACKET_MAX);
    put_text(out, IF_NAME, interface->name);
    put_text(out, IF_DESCRIPTION, interface->description);
    put_ipv4(out, interface);
    put_ipv6(out, interface);
    if (interface->mac)
        put_option(out, IF_MACADDR, interface->mac, MAC_LEN);
    put_option(out, IF_TSRESOL, &resolution, sizeof(resolution));
    end_options(out);
    end_block(out, start);
}

void pcapng_put_packet(struct byteq *out, const struct pcapng_packet *packet)
{
    size_t kept = packet->len < PCAPNG_PACKET_MAX ? packet->len : PCAPNG_PACKET_MAX;
    size_t start = begin_block(out, BLOCK_PACKET);

    put_u32(out, packet->interface);
    put_time(out, packet->time_ns);
    put_u32(out, (uint32_t)kept);
    put_u32(out, (uint32_t)packet->len);
    put_bytes(out, packet->data, kept);
    put_comments(out, packet->comments, packet->comments_count);
    put_u16(out, EPB_FLAGS);
    put_u16(out, sizeof(uint32_t));
    put_u32(out, (uint32_t)packet->direction);
    end_options(out);
    end_block(out, start);
}

void pcapng_put_tls_keys(struct byteq *out, const void *lines, size_t len)
{
    size_t start = begin_block(out, BLOCK_SECRETS);

    put_u32(out, SECRETS_TLS);
    put_u32(out, (uint32_t)len);
    put_bytes(out, lines, len);
    end_block(out, start);
}

void pcapng_put_statistics(struct byteq *out, const struct pcapng_statistics *statistics)
{
    size_t start = begin_block(out, BLOCK_STATISTICS);

    put_u32(out, statistics->interface);
    put_time(out, statistics->time_ns);
    put_comments(out, statistics->comments, statistics->comments_count);
    put_time_option(out, ISB_STARTTIME, statistics->start_ns);
    put_time_option(out, ISB_ENDTIME, statistics->end_ns);
    put_count(out, ISB_IFRECV, statistics->received);
    put_count(out, ISB_IFDROP, statistics->dropped);
    end_options(out);
    end_block(out, start);
}
