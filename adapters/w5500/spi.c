/*
 * The SPI frame, W5500 datasheet 2.2: two bytes of address, one of control, data until SCSn rises
 * (VDM) or 1, 2 or 4 bytes of it (FDM), after which the next header follows.
 */
#include <string.h>

#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define HEADER_LEN    3
#define CONTROL_BLOCK 3 /* shift */
#define CONTROL_WRITE 0x04
#define CONTROL_MODE  0x03
#define MISO_IDLE     0xff /* nobody drives the line */
#define MISO_WRITTEN  0x00
#define NS_PER_US     UINT64_C(1000)
#define NS_PER_S      UINT64_C(1000000000)
#define BITS          8
#define BLOCK_KIND    0x03
#define KIND_NONE     0 /* but for block 0 */
#define KIND_REGS     1

static const uint8_t fixed_lens[] = { 0, 1, 2, 4 }; /* by mode; 0: variable */

static bool is_memory(unsigned block)
{
    return (block & BLOCK_KIND) > KIND_REGS;
}

static bool is_reserved(unsigned block)
{
    return block != W5500_BLOCK_COMMON && (block & BLOCK_KIND) == KIND_NONE;
}

/* ---- the end of a frame --------------------------------------------------------------------- */

static void report_access(struct w5500 *chip)
{
    struct w5500_spi *spi = &chip->spi;
    const struct w5500_access access = { .block = spi->block,
                                         .is_write = spi->is_write,
                                         .address = spi->access_address,
                                         .bytes = spi->access_bytes,
                                         .len = spi->access_len };

    if (!spi->access_len)
        return;
    spi->access_len = 0;
    if (chip->config.on_access)
        chip->config.on_access(chip->config.ctx, &access);
}

/* @bytes, data of one access, go by. */
static void note_access(struct w5500 *chip, const uint8_t *bytes, size_t len)
{
    struct w5500_spi *spi = &chip->spi;
    size_t done = 0;

    while (chip->config.on_access && done < len) {
        size_t room = sizeof(spi->access_bytes) - spi->access_len;
        size_t part = len - done < room ? len - done : room;

        if (!spi->access_len)
            spi->access_address = (uint16_t)(spi->address + done);
        memcpy(spi->access_bytes + spi->access_len, bytes + done, part);
        spi->access_len += part;
        done += part;
        if (part == room)
            report_access(chip);
    }
}

static void end_frame(struct w5500 *chip)
{
    struct w5500_spi *spi = &chip->spi;

    report_access(chip);
    spi->header_len = 0;
    spi->has_latch = false;
    w5500_sock_frame_over(chip);
    w5500_wire_frame_over(chip);
}

bool w5500_spi_is_in_frame(const struct w5500 *chip)
{
    return chip->spi.header_len > 0;
}

void w5500_spi_reset(struct w5500 *chip)
{
    chip->spi.header_len = 0;
    chip->spi.has_latch = false;
    chip->spi.access_len = 0;
}

void w5500_select(struct w5500 *chip, bool is_selected)
{
    struct w5500_spi *spi = &chip->spi;

    if (is_selected == spi->is_selected)
        return;
    spi->is_selected = is_selected;
    if (is_selected) {
        if (chip->config.timing == W5500_TIMING_ACCURATE)
            spi->time_ns += chip->config.gap_ns;
        w5500_selected(chip);
        w5500_sock_time_passed(chip);
        return;
    }
    if (spi->header_len > 0 && spi->header_len < HEADER_LEN) {
        w5500_fault(chip, "SCSn rose within a frame's header, after %u of 3 bytes",
                    spi->header_len);
    } else if (spi->header_len && spi->is_fixed && chip->is_running) {
        w5500_fault(chip, "SCSn rose within a frame of fixed length, %u bytes before its end",
                    spi->left);
    }
    end_frame(chip);
}

/* ---- header and data ------------------------------------------------------------------------ */

static uint8_t header_byte(struct w5500 *chip, uint8_t value)
{
    struct w5500_spi *spi = &chip->spi;
    uint8_t mode = value & CONTROL_MODE;

    spi->header_len++;
    if (spi->header_len < HEADER_LEN) {
        spi->address = (uint16_t)(spi->address << BITS | value);
        return (uint8_t)spi->header_len;
    }
    spi->first = spi->address;
    spi->is_blamed = false;
    spi->block = value >> CONTROL_BLOCK;
    spi->is_write = value & CONTROL_WRITE;
    spi->is_fixed = fixed_lens[mode];
    spi->left = fixed_lens[mode];
    if (is_reserved(spi->block))
        w5500_fault(chip, "a frame selects block 0x%02x, which is reserved", spi->block);
    return HEADER_LEN;
}

static void registers_run(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    struct w5500_spi *spi = &chip->spi;

    for (size_t i = 0; i < len; i++) {
        uint8_t value = mosi ? mosi[i] : 0;

        if (spi->is_write) {
            note_access(chip, &value, 1);
            w5500_regs_write(chip, spi->block, spi->address, value);
            value = MISO_WRITTEN;
        } else {
            value = w5500_regs_read(chip, spi->block, spi->address);
            note_access(chip, &value, 1);
        }
        spi->address++;
        if (miso)
            miso[i] = value;
    }
}

static void memory_write(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    note_access(chip, mosi, len);
    w5500_mem_write(chip, chip->spi.block, chip->spi.address, mosi, len);
    if (miso)
        memset(miso, MISO_WRITTEN, len);
}

static void memory_run(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    static const uint8_t zeros[W5500_ACCESS_MAX];
    uint8_t read[W5500_ACCESS_MAX];
    struct w5500_spi *spi = &chip->spi;

    if (spi->is_write) {
        memory_write(chip, mosi ? mosi : zeros, miso, len);
    } else {
        w5500_mem_read(chip, spi->block, spi->address, miso ? miso : read, len);
        note_access(chip, miso ? miso : read, len);
    }
    spi->address = (uint16_t)(spi->address + len);
}

/* As much data as comes before the next header; returns how much that was. */
static size_t data_run(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    struct w5500_spi *spi = &chip->spi;
    size_t count = spi->is_fixed && spi->left < len ? spi->left : len;

    if (is_memory(spi->block)) {
        count = count < W5500_ACCESS_MAX ? count : W5500_ACCESS_MAX;
        memory_run(chip, mosi, miso, count);
    } else {
        registers_run(chip, mosi, miso, count);
    }
    if (spi->is_fixed) {
        spi->left -= (unsigned)count;
        if (!spi->left)
            end_frame(chip);
    }
    return count;
}

static void clock_bytes(struct w5500 *chip, size_t len)
{
    struct w5500_spi *spi = &chip->spi;
    uint64_t now_ns = chip->config.clock->now_us * NS_PER_US;

    if (chip->config.timing == W5500_TIMING_FAST)
        return;
    spi->time_ns = spi->time_ns > now_ns ? spi->time_ns : now_ns;
    spi->time_ns += len * BITS * NS_PER_S / spi->hz;
}

void w5500_transfer(struct w5500 *chip, const uint8_t *mosi, uint8_t *miso, size_t len)
{
    struct w5500_spi *spi = &chip->spi;
    size_t done = 0;

    clock_bytes(chip, len);
    if (!spi->is_selected || !chip->is_running) {
        if (miso)
            memset(miso, MISO_IDLE, len);
        return;
    }
    while (done < len) {
        const uint8_t *in = mosi ? mosi + done : NULL;
        uint8_t *out = miso ? miso + done : NULL;

        if (spi->header_len < HEADER_LEN) {
            uint8_t value = header_byte(chip, in ? *in : 0);

            if (out)
                *out = value;
            done++;
        } else {
            done += data_run(chip, in, out, len - done);
        }
    }
}

void w5500_set_clock(struct w5500 *chip, unsigned hz)
{
    chip->spi.hz = hz ? hz : W5500_SPI_HZ;
}

unsigned w5500_clock(const struct w5500 *chip)
{
    return chip->spi.hz;
}

uint64_t w5500_ready_us(const struct w5500 *chip)
{
    return (chip->spi.time_ns + NS_PER_US - 1) / NS_PER_US;
}
