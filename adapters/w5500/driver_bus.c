/* The driver's SPI. */
#include <assert.h>
#include <string.h>

#include "adapters/w5500/driver_priv.h"
#include "emu/vclock.h"

#define HEADER_LEN  3
#define WRITE_BIT   0x04
#define BLOCK_SHIFT 3
#define PULLED_UP   0xff /* what MISO reads where no chip drives it */

static void begin_frame(struct driver *driver, unsigned block, uint16_t address, uint8_t control)
{
    const uint8_t header[HEADER_LEN] = { (uint8_t)(address >> 8), (uint8_t)address,
                                         (uint8_t)(block << BLOCK_SHIFT | control) };

    bench_select(driver->config.bench, true);
    bench_transfer(driver->config.bench, header, NULL, sizeof(header));
}

void driver_read(struct driver *driver, unsigned block, uint16_t address, void *bytes, size_t len)
{
    if (driver->is_miswired) {
        memset(bytes, PULLED_UP, len);
        return;
    }
    begin_frame(driver, block, address, 0);
    bench_transfer(driver->config.bench, NULL, bytes, len);
    bench_select(driver->config.bench, false);
}

void driver_write(struct driver *driver, unsigned block, uint16_t address, const void *bytes,
                  size_t len)
{
    if (driver->is_miswired)
        return;
    begin_frame(driver, block, address, WRITE_BIT);
    bench_transfer(driver->config.bench, bytes, NULL, len);
    bench_select(driver->config.bench, false);
}

uint8_t driver_read8(struct driver *driver, unsigned block, uint16_t address)
{
    uint8_t value;

    driver_read(driver, block, address, &value, sizeof(value));
    return value;
}

void driver_write8(struct driver *driver, unsigned block, uint16_t address, uint8_t value)
{
    driver_write(driver, block, address, &value, sizeof(value));
}

void driver_write16(struct driver *driver, unsigned block, uint16_t address, uint16_t value)
{
    const uint8_t bytes[] = { (uint8_t)(value >> 8), (uint8_t)value };

    driver_write(driver, block, address, bytes, sizeof(bytes));
}

void driver_command(struct driver *driver, unsigned socket, uint8_t command)
{
    driver_write8(driver, W5500_BLOCK_SOCKET(socket), REG_SN_CR, command);
}

void driver_wake(struct driver *driver, uint64_t at_us)
{
    if (at_us < driver->wake_us)
        driver->wake_us = at_us;
}

bool driver_is_busy(struct driver *driver)
{
    uint64_t ready_us;

    if (!driver->is_accurate)
        return false;
    ready_us = bench_ready_us(driver->config.bench);
    if (ready_us <= driver->config.clock->now_us)
        return false;
    driver_wake(driver, ready_us);
    return true;
}
