/*
 * adapter_table: LuatOS's adapters by name and by number, in both numberings.
 *
 * The document's numbers (profile doc) and today's firmware's (profile current) differ for ETH0 and
 * USB; README.md, section Profiles. LuatOS checks numbers against 0..ADAPTER_NUMBER_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum adapter_id {
    ADAPTER_GP,
    ADAPTER_STA,
    ADAPTER_AP,
    ADAPTER_ETH,
    ADAPTER_ETH0,
    ADAPTER_USB,
    ADAPTER_USER0,
    ADAPTER_USER1,
    ADAPTER_USER2,
    ADAPTER_USER3,
    ADAPTER_USER4,
    ADAPTER_USER5,
    ADAPTER_USER6,
    ADAPTER_USER7,
    ADAPTER_GP_GW,
    ADAPTER_SPI,
};
#define ADAPTER_COUNT      (ADAPTER_SPI + 1)
#define ADAPTER_NONE       (-1)
#define ADAPTER_NUMBER_MAX 18

enum profile { PROFILE_DOC, PROFILE_CURRENT };

/* The name in the socket library: "LWIP_GP", "ETH0". */
const char *adapter_name(enum adapter_id id);

/* Number as scripts see it; -1 when the profile has none for it. */
int adapter_number(enum profile profile, enum adapter_id id);

/* ADAPTER_NONE when no adapter has @number. */
int adapter_by_number(enum profile profile, long long number);

/* By name, other spellings included ("USB", "LWIP_USB"); ADAPTER_NONE when unknown. */
int adapter_by_name(const char *name, size_t len);

/* Name and number pairs for the socket library's constants; false at the end. */
bool adapter_constant(enum profile profile, size_t index, const char **name, int *number);
