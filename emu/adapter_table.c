#include "emu/adapter_table.h"

#include <assert.h>
#include <string.h>

#include "emu/util.h"

static const struct {
    const char *name;
    int doc, current; /* -1: not in that profile */
} rows[] = {
    [ADAPTER_GP] = { "LWIP_GP", 1, 1 },         [ADAPTER_STA] = { "LWIP_STA", 2, 2 },
    [ADAPTER_AP] = { "LWIP_AP", 3, 3 },         [ADAPTER_ETH] = { "LWIP_ETH", 4, 4 },
    [ADAPTER_ETH0] = { "ETH0", 5, 17 },         [ADAPTER_USB] = { "USB", 6, 16 },
    [ADAPTER_USER0] = { "LWIP_USER0", 7, 7 },   [ADAPTER_USER1] = { "LWIP_USER1", 8, 8 },
    [ADAPTER_USER2] = { "LWIP_USER2", 9, 9 },   [ADAPTER_USER3] = { "LWIP_USER3", 10, 10 },
    [ADAPTER_USER4] = { "LWIP_USER4", 11, 11 }, [ADAPTER_USER5] = { "LWIP_USER5", 12, 12 },
    [ADAPTER_USER6] = { "LWIP_USER6", 13, 13 }, [ADAPTER_USER7] = { "LWIP_USER7", 14, 14 },
    [ADAPTER_GP_GW] = { "LWIP_GP_GW", 15, 15 }, [ADAPTER_SPI] = { "LWIP_SPI", -1, 5 },
};
static_assert(sizeof(rows) / sizeof(rows[0]) == ADAPTER_COUNT, "an adapter lacks its row");

/* Second names of an adapter. */
static const struct {
    const char *name;
    enum adapter_id id;
} aliases[] = {
    { "LWIP_USB", ADAPTER_USB },
};

const char *adapter_name(enum adapter_id id)
{
    return rows[id].name;
}

int adapter_number(enum profile profile, enum adapter_id id)
{
    return profile == PROFILE_DOC ? rows[id].doc : rows[id].current;
}

int adapter_by_number(enum profile profile, long long number)
{
    for (int id = 0; number > 0 && id < ADAPTER_COUNT; id++) {
        if (adapter_number(profile, (enum adapter_id)id) == number)
            return id;
    }
    return ADAPTER_NONE;
}

static bool is_name(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

int adapter_by_name(const char *name, size_t len)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (is_name(rows[id].name, name, len))
            return id;
    }
    for (int i = 0; i < ARRAY_LEN(aliases); i++) {
        if (is_name(aliases[i].name, name, len))
            return (int)aliases[i].id;
    }
    return ADAPTER_NONE;
}

bool adapter_constant(enum profile profile, size_t index, const char **name, int *number)
{
    enum adapter_id id;

    if (index < ADAPTER_COUNT) {
        id = (enum adapter_id)index;
        *name = rows[id].name;
    } else if (index - ADAPTER_COUNT < (size_t)ARRAY_LEN(aliases)) {
        id = aliases[index - ADAPTER_COUNT].id;
        *name = aliases[index - ADAPTER_COUNT].name;
    } else {
        return false;
    }
    *number = adapter_number(profile, id);
    return true;
}
