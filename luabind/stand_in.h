/*
 * stand_in: libraries that are here so that scripts get as far as their network, without the
 * hardware that they are for. Each says so once a run, at the place that used it first.
 */
#pragma once

#include <lua.h>

enum stand_in {
    STAND_IN_GPIO,
    STAND_IN_HMETA,
    STAND_IN_MOBILE,
    STAND_IN_AIRLINK,
    STAND_IN_UART,
    STAND_IN_TRNG,
    STAND_IN_FSKV,
    STAND_IN_PM,
    STAND_IN_WDT,
    STAND_IN_ADC,
    STAND_IN_SPI,
    STAND_IN_I2C,
    STAND_IN_PINS,
    STAND_IN_ERRDUMP,
    STAND_IN_COUNT, /* of them */
};

void stand_in(lua_State *L, enum stand_in which);
