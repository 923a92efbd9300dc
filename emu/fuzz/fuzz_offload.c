/* Frames that a hostile network sends, with what is said to be left to do of them. */
#include <assert.h>
#include <stdlib.h>

#include "emu/buf.h"
#include "emu/fuzz/fuzz.h"
#include "emu/offload.h"
#include "emu/util.h"

/* The first bytes say what is left, the others are the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct offload_rest rest;
    struct offload offload;
    struct reader r;
    uint8_t *out;
    size_t len, made;

    reader_init(&r, data, size);
    rest.cut = (enum offload_cut)(reader_u8(&r) % 3);
    rest.lacks_checksum = reader_u8(&r) & 1;
    rest.sum_from = reader_u16(&r);
    rest.sum_at = reader_u16(&r);
    rest.part_len = reader_u16(&r);
    len = reader_left(&r);
    if (r.failed || !len)
        return 0;
    out = xcalloc(1, len);
    offload_begin(&offload, reader_bytes(&r, len), len, &rest);
    while ((made = offload_next(&offload, out)))
        assert(made <= len);
    free(out);
    return 0;
}
