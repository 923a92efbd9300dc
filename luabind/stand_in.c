#include "luabind/stand_in.h"

#include <assert.h>
#include <stddef.h>

#include "luabind/lib.h"
#include "luabind/vm.h"

static const char *const texts[] = {
    [STAND_IN_GPIO] =
        "gpio: there are no pins: an output is remembered, an input reads its pull or "
        "what `luatos-emu ctl PATH gpio PIN 0|1` drives",
    [STAND_IN_HMETA] = "hmeta: there is no module to ask: what it says is the board's",
    [STAND_IN_AIRLINK] = "airlink: there is no second chip: its adapters are the board's",
    [STAND_IN_MOBILE] = "mobile: there is no radio: what it says is the board's",
    [STAND_IN_TRNG] = "crypto.trng: there is no true randomness: numbers that --seed repeats, for "
                      "no secrets",
    [STAND_IN_FSKV] = "fskv: there is no flash: values live as long as the run",
    [STAND_IN_PM] = "pm: there is no power to save: deep sleep, like switching off, ends the run",
    [STAND_IN_WDT] = "wdt: there is no watchdog but the emulator's: it ends the run",
    [STAND_IN_ADC] = "adc: there is nothing to measure: values are the board's",
    [STAND_IN_SPI] = "spi: there is nothing on the bus: it reads as 0xff",
    [STAND_IN_I2C] = "i2c: there is nothing on the bus: nobody acknowledges",
    [STAND_IN_PINS] = "pins: there are no pins to give functions to: true",
    [STAND_IN_ERRDUMP] = "errDump: nothing is sent to a cloud; what is recorded can be dumped",
    [STAND_IN_UART] = "uart: there are no wires: a port is a terminal of this machine (--uart)",
};
static_assert(sizeof(texts) / sizeof(texts[0]) == STAND_IN_COUNT, "a stand-in lacks its text");
static_assert(STAND_IN_COUNT <= 32, "vm.told_stand_ins has too few bits");

void stand_in(lua_State *L, enum stand_in which)
{
    struct vm *vm = vm_of(L);

    if (vm->told_stand_ins & 1U << which)
        return;
    vm->told_stand_ins |= 1U << which;
    warn_script(L, "%s", texts[which]);
}
