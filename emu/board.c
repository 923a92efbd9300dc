#include "emu/board.h"

#include <string.h>

#include "emu/uart.h"
#include "emu/util.h"

static const char *const names[] = {
    [BINDING_OFF] = "off", [BINDING_HOST] = "host", [BINDING_NETNS] = "netns",
    [BINDING_LAB] = "lab", [BINDING_VETH] = "veth", [BINDING_TAP] = "tap",
    [BINDING_NAT] = "nat",
};

const char *binding_name(enum binding binding)
{
    return names[binding];
}

/*
 * Made up: no module has all six adapters. IMEI and IMSI are of the test network 001-01 (3GPP
 * TS 23.003); IMEI and ICCID end with their check digits.
 */
static const struct board_facts laptop = {
    .name = "laptop",
    .model = "PC",
    .hwver = "A1",
    .chip = "EC718PM",
    .imei = "001010123456780",
    .muid = "20260000000000000001",
    .imsi = "001010123456789",
    .iccid = "89860000000000000001",
    .apn = "cmnet",
    .csq = 27,
    .vbat_mv = 3800,
    .cpu_temp_mc = 35000,
    .rsrp_dbm = -85,
    .rsrq_db = -9,
    .rssi_dbm = -59,
    .snr_db = 18,
    .cell_id = 0x0764c101,
    .tac = 30005,
    .pci = 115,
    .earfcn = 1850,
    .band = 3,
};

static const struct board_ap laptop_aps[] = {
    { .ssid = "luatos-lab",
      .password = "12345678",
      .bssid = { 0x02, 0x4c, 0x41, 0x42, 0x00, 0x01 },
      .rssi_dbm = -48,
      .channel = 6 },
    { .ssid = "luatos-open",
      .bssid = { 0x02, 0x4c, 0x41, 0x42, 0x00, 0x02 },
      .rssi_dbm = -67,
      .channel = 11 },
};

void board_init(struct board *board)
{
    static const enum adapter_id document[] = { ADAPTER_GP,  ADAPTER_STA,  ADAPTER_AP,
                                                ADAPTER_ETH, ADAPTER_ETH0, ADAPTER_USB };

    *board = (struct board){ .facts = laptop,
                             .chip = { .spi = BOARD_USUAL_SPI,
                                       .cs = BOARD_ANY_PIN,
                                       .irq = BOARD_ANY_PIN,
                                       .rst = BOARD_ANY_PIN,
                                       .link = BOARD_ANY_PIN,
                                       .buffer_kb = BOARD_CHIP_BUFFER_KB },
                             .aps_count = ARRAY_LEN(laptop_aps) };
    memcpy(board->aps, laptop_aps, sizeof(laptop_aps));
    for (int i = 0; i < ARRAY_LEN(document); i++) {
        board->slots[document[i]] =
            (struct board_slot){ .binding = BINDING_HOST, .is_default = true };
    }
}

void board_use(struct board *board, enum binding binding)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (board->slots[id].is_default)
            board->slots[id].binding = binding;
    }
}

/* An interface of somebody else's namespace has to be named: its frames are taken from it. */
bool board_has_chip(const struct board_slot *slot, enum adapter_id id)
{
    if (id != ADAPTER_ETH0 || slot->chip == SLOT_CHIP_NONE)
        return false;
    switch (slot->binding) {
    case BINDING_OFF:
    case BINDING_HOST:
        return false;
    case BINDING_NETNS:
        return *slot->ifname;
    case BINDING_LAB:
    case BINDING_VETH:
    case BINDING_TAP:
    case BINDING_NAT:
        return true;
    }
    return false;
}

bool board_binds(const struct board *board, enum binding binding)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (board->slots[id].binding == binding)
            return true;
    }
    return false;
}

/* ---- the network that the emulator makes --------------------------------------------------------- */

#define FAR_HOST   2  /* behind the router: 192.168.78.2 */
#define FIRST_HOST 10 /* of the adapters' addresses: 192.168.77.10 and on */

void board_lab_ip(struct endpoint *ip, uint8_t host)
{
    endpoint_set_v4(ip, 192, 168, 77, host);
}

void board_far_address(struct board_address *address)
{
    endpoint_set_v4(&address->ip, 192, 168, 78, FAR_HOST);
    endpoint_set_v4(&address->gateway, 192, 168, 78, BOARD_LAB_HOST);
    address->prefix_len = BOARD_LAB_BITS;
}

void board_lab_address(struct board_address *address, enum adapter_id id)
{
    board_lab_ip(&address->ip, (uint8_t)(FIRST_HOST + (int)id));
    board_lab_ip(&address->gateway, BOARD_LAB_HOST);
    address->prefix_len = BOARD_LAB_BITS;
}

/* ---- --uart ----------------------------------------------------------------------------------- */

/* "1", "usb"; -1: there is no such port. */
static int port_of(const char *text, size_t len)
{
    for (int port = 0; port < UART_PORTS; port++) {
        const char *name = uart_port_name(port);

        if (strlen(name) == len && memcmp(name, text, len) == 0)
            return port;
    }
    return -1;
}

const char *board_wire(struct board *board, const char *text)
{
    static const char *const wirings[] = {
        [WIRING_PTY] = "pty", [WIRING_STDIO] = "stdio", [WIRING_OFF] = "off"
    };
    const char *equals = strchr(text, '=');
    int port = equals ? port_of(text, (size_t)(equals - text)) : -1;

    if (port < 0)
        return "it has the form PORT=pty, stdio, off or a path; ports are 0, 1, 2, 3 and usb";
    if (strchr(equals, '/')) {
        board->uarts[port].wiring = WIRING_PATH;
        if (strlen(equals + 1) >= sizeof(board->uarts[port].path))
            return "the path is too long";
        (void)strcpy(board->uarts[port].path, equals + 1);
        return NULL;
    }
    for (int i = 0; i < ARRAY_LEN(wirings); i++) {
        if (!wirings[i] || strcmp(wirings[i], equals + 1) != 0)
            continue;
        if (i == WIRING_STDIO && board_has_stdio(board))
            return "another port is on the standard input and output already";
        board->uarts[port].wiring = (enum wiring)i;
        return NULL;
    }
    return "a port is wired to pty, to stdio, or to a path, which has a / in it; or it is off";
}

static bool has_wiring(const struct board *board, enum wiring wiring)
{
    for (int port = 0; port < UART_PORTS; port++) {
        if (board->uarts[port].wiring == wiring)
            return true;
    }
    return false;
}

bool board_has_stdio(const struct board *board)
{
    return has_wiring(board, WIRING_STDIO);
}

bool board_has_wires(const struct board *board)
{
    return has_wiring(board, WIRING_STDIO) || has_wiring(board, WIRING_PATH);
}
