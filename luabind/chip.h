/* chip: what the stand-ins for a module's own hardware remember, wdt.c to errdump.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/timer.h"

#define CHIP_DTIMERS 6 /* of pm.dtimerStart: 0 to 5 */
#define CHIP_SPIS    6 /* spi.SPI_0 to SPI_4, and HSPI_0 */
#define CHIP_I2CS    2

struct vm;

struct chip_dtimer {
    struct timer timer;
    struct vm *vm;
};

struct chip {
    struct timer watchdog;
    uint64_t watchdog_us; /* 0: off */
    struct chip_dtimer dtimers[CHIP_DTIMERS];
    bool wants_sleep;     /* it sleeps as soon as it has nothing to do */
    uint32_t adc_is_open; /* bits */
    uint32_t spi_is_open;
    bool errdump_is_on, errdump_has_news;
    bool w5500_is_set_up; /* by the script: w5500.init */
    bool is_w5500_missed; /* which was said */
};

void wdt_open(struct vm *vm);
void wdt_close(struct vm *vm);

void pm_open(struct vm *vm);
void pm_close(struct vm *vm);
