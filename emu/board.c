#include "emu/board.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "emu/util.h"

static const char *const names[] = {
    [BINDING_OFF] = "off",
    [BINDING_HOST] = "host",
};

const char *binding_name(enum binding binding)
{
    return names[binding];
}

void board_init(struct board *board)
{
    static const enum adapter_id document[] = { ADAPTER_GP,  ADAPTER_STA,  ADAPTER_AP,
                                                ADAPTER_ETH, ADAPTER_ETH0, ADAPTER_USB };

    *board = (struct board){ 0 };
    for (int i = 0; i < ARRAY_LEN(document); i++)
        board->bindings[document[i]] = BINDING_HOST;
}

const char *board_bind(struct board *board, const char *text, char why[], size_t why_cap)
{
    const char *equals = strchr(text, '=');
    int id;

    if (!equals)
        return "it has the form ADAPTER=host or ADAPTER=off";
    id = adapter_by_name(text, (size_t)(equals - text));
    if (id == ADAPTER_NONE) {
        (void)snprintf(why, why_cap,
                       "there is no adapter \"%.*s\"; there are LWIP_GP, LWIP_STA, LWIP_AP, "
                       "LWIP_ETH, ETH0, USB",
                       (int)(equals - text), text);
        return why;
    }
    for (int i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(equals + 1, names[i]) == 0) {
            board->bindings[id] = (enum binding)i;
            return NULL;
        }
    }
    return "an adapter is bound to \"host\" or is \"off\"";
}
