/* Frames of a hostile network, and what is written about them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/frame.h"
#include "emu/fuzz/fuzz.h"
#include "emu/util.h"

#define OUT_CAP 2048

/* What is written is in a block of its own size, so that a byte too many is seen. */
static void check_written(const uint8_t *out, size_t len)
{
    uint8_t *bytes = xcalloc(1, len);
    struct frame frame;
    bool is_read;

    memcpy(bytes, out, len);
    is_read = frame_read(&frame, bytes, len);
    assert(is_read);
    assert(frame.ip_at + frame.ip_len == len);
    free(bytes);
}

static void write_all(const struct frame *frame)
{
    static const uint8_t data[512];
    uint8_t out[OUT_CAP];
    size_t lens[4] = { 0 };

    if (frame->protocol == FRAME_PROTOCOL_TCP && frame->has_transport) {
        lens[0] = frame_write_cut(frame, frame->data_len / 2, out, sizeof(out));
        if (lens[0])
            check_written(out, lens[0]);
        lens[1] = frame_write_reset_on(frame, frame->data_len, out, sizeof(out));
        check_written(out, lens[1]);
        lens[2] = frame_write_reset_back(frame, out, sizeof(out));
        check_written(out, lens[2]);
    }
    lens[3] = frame_write_too_big(frame, 1280, out, sizeof(out));
    if (lens[3])
        check_written(out, lens[3]);
    if (frame->protocol == FRAME_PROTOCOL_UDP && frame->has_transport)
        check_written(out, frame_write_answer(frame, data, sizeof(data), out, sizeof(out)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;

    if (!frame_read(&frame, data, size))
        return 0;
    assert(frame.ip_at + frame.ip_len <= size);
    assert(frame.upper_at <= frame.ip_at + frame.ip_len);
    if (frame.data_len)
        assert(frame.data_at + frame.data_len <= frame.ip_at + frame.ip_len);
    write_all(&frame);
    return 0;
}
