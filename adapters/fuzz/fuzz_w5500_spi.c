/* A driver that writes anything, at any time, and pulls any pin; frames come in between. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/fuzz/fuzz_w5500.h"
#include "emu/fuzz/fuzz.h"
#include "emu/util.h"

enum op { OP_SELECT, OP_BYTES, OP_TIME, OP_PIN, OP_FRAME, OP_CLOCK, OP_COUNT };

#define TIME_UNIT_US 5000

/* In blocks of their own size, so that a byte too many is seen. */
static void clock_bytes(struct bench *bench, const uint8_t *bytes, size_t len)
{
    uint8_t *mosi = xcalloc(1, len + 1), *miso = xcalloc(1, len + 1);

    if (len)
        memcpy(mosi, bytes, len);
    w5500_transfer(bench->chip, mosi, miso, len);
    free(mosi);
    free(miso);
}

static void run_op(struct bench *bench, enum op op, struct reader *r)
{
    uint8_t arg = reader_u8(r);
    size_t len = arg < reader_left(r) ? arg : reader_left(r);

    switch (op) {
    case OP_SELECT:
        w5500_select(bench->chip, arg & 1);
        break;
    case OP_BYTES:
        clock_bytes(bench, reader_bytes(r, len), len);
        break;
    case OP_TIME:
        bench_run_us(bench, (uint64_t)arg * TIME_UNIT_US);
        break;
    case OP_PIN:
        w5500_pin_set(bench->chip, (enum w5500_pin)((arg >> 1) % (W5500_PIN_CABLE + 1)), arg & 1);
        break;
    case OP_FRAME:
        w5500_receive(bench->chip, reader_bytes(r, len), len);
        break;
    case OP_CLOCK:
        w5500_set_clock(bench->chip, (unsigned)arg * 1000);
        break;
    case OP_COUNT:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bench bench;
    struct reader r;

    reader_init(&r, data, size);
    bench_init(&bench, reader_u8(&r));
    bench.writes_frames = true;
    w5500_select(bench.chip, true);
    while (reader_left(&r))
        run_op(&bench, (enum op)(reader_u8(&r) % OP_COUNT), &r);
    for (unsigned block = 0; block < W5500_BLOCKS; block++)
        (void)w5500_peek(bench.chip, block, 0x24);
    bench_fini(&bench);
    return 0;
}
