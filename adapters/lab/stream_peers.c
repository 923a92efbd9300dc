/* The lab's simple peers: echo, sink, source, hangup. The odd ones are in odd_peers.c. */
#include "adapters/lab/lab_priv.h"

#define PATTERN_FIRST 0x20
#define PATTERN_LEN   95 /* the printable characters of ASCII; prime to every power of two */
#define PIECE_LEN     (PATTERN_LEN * 172) /* about 16 KiB, whole patterns */

static void echo_received(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    lab_stream_write(stream, data, len);
}

static void echo_dgram(const struct lab_dgram *dgram, const uint8_t *data, size_t len)
{
    lab_dgram_answer(dgram, data, len);
}

static void hang_up(struct lab_stream *stream, const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    lab_stream_end(stream);
}

void lab_pattern(char *data, size_t len, uint64_t from)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (char)(PATTERN_FIRST + (from + i) % PATTERN_LEN);
}

static bool source_writable(struct lab_stream *stream)
{
    char piece[PIECE_LEN];

    /* nothing waits, so what the kernel has taken is all that was written */
    lab_pattern(piece, sizeof(piece), stream->tx);
    lab_stream_write(stream, piece, sizeof(piece));
    return true;
}

const struct lab_stream_ops lab_echo_stream = { .received = echo_received };
const struct lab_stream_ops lab_sink_stream = { 0 };
const struct lab_stream_ops lab_source_stream = { .writable = source_writable };
const struct lab_stream_ops lab_hangup_stream = { .opened = lab_stream_end };
const struct lab_stream_ops lab_tls_hangup_stream = { .received = hang_up };

const struct lab_dgram_ops lab_echo_dgram = { .received = echo_dgram };
