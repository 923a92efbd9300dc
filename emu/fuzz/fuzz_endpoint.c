/* Addresses as text, out of a script. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/endpoint.h"
#include "emu/fuzz/fuzz.h"
#include "emu/util.h"

static void check_address(const struct endpoint *ep)
{
    struct endpoint again = { 0 };
    char text[ENDPOINT_TEXT_MAX];
    uint8_t bytes[ENDPOINT_RXADDR_MAX];
    bool is_address = endpoint_set_text(&again, endpoint_ip_text(ep, text));

    assert(is_address);
    assert(endpoint_same_ip(ep, &again));
    assert(endpoint_is_unicast(ep) == endpoint_is_unicast(&again));
    assert(endpoint_rxaddr(ep, bytes) == endpoint_addr_len(ep) + 1);
    assert(strlen(endpoint_text(ep, text)) < sizeof(text));
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_same_ip(a, b) && a->port == b->port && a->scope_id == b->scope_id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint ep = { .port = 65535 };
    const struct endpoint before = ep;
    char *text = xcalloc(1, size + 1);

    memcpy(text, data, size);
    if (endpoint_set_text(&ep, text)) {
        check_address(&ep);
    } else {
        assert(is_same(&ep, &before));
    }
    assert(ep.port == 65535);
    free(text);
    return 0;
}
