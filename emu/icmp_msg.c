#include "emu/icmp_msg.h"

#include <assert.h>

#include "emu/buf.h"
#include "emu/checksum.h"

#define TYPE_ECHO_REPLY   0
#define TYPE_ECHO_REQUEST 8
#define CHECKSUM_AT       2
#define IP_HEADER_MIN     20
#define IP_VERSION        4
#define IP_TTL_AT         8

size_t icmp_write_request(const struct icmp_echo *echo,
                          uint8_t message[ICMP_HEADER_LEN + ICMP_DATA_MAX])
{
    struct writer writer;

    assert(echo->data_len <= ICMP_DATA_MAX);
    writer_init(&writer, message, ICMP_HEADER_LEN + ICMP_DATA_MAX);
    writer_u8(&writer, TYPE_ECHO_REQUEST);
    writer_u8(&writer, 0);
    writer_u16(&writer, 0);
    writer_u16(&writer, echo->id);
    writer_u16(&writer, echo->sequence);
    for (size_t i = 0; i < echo->data_len; i++)
        writer_u8(&writer, (uint8_t)i);
    checksum_put(message + CHECKSUM_AT, checksum_end(checksum_add(0, message, writer.len)));
    return writer.len;
}

bool icmp_read_reply(const uint8_t *message, size_t len, struct icmp_echo *echo)
{
    struct reader reader;
    uint8_t type, code;

    reader_init(&reader, message, len);
    type = reader_u8(&reader);
    code = reader_u8(&reader);
    (void)reader_u16(&reader); /* the checksum */
    echo->id = reader_u16(&reader);
    echo->sequence = reader_u16(&reader);
    echo->data_len = reader_left(&reader);
    return !reader.failed && type == TYPE_ECHO_REPLY && code == 0;
}

bool ip_read_payload(const uint8_t *packet, size_t len, struct ip_payload *payload)
{
    struct reader reader;
    uint8_t first;
    size_t header_len;

    reader_init(&reader, packet, len);
    first = reader_u8(&reader);
    header_len = (size_t)(first & 0x0f) * 4;
    if (first >> 4 != IP_VERSION || header_len < IP_HEADER_MIN)
        return false;
    reader_seek(&reader, IP_TTL_AT);
    payload->ttl = reader_u8(&reader);
    reader_seek(&reader, header_len);
    payload->len = reader_left(&reader);
    payload->message = reader_bytes(&reader, payload->len);
    return !reader.failed;
}
