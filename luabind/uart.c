/*
 * uart: serial ports, on terminals of the host's (emu/uart.h). LuatOS luat_lib_uart.c.
 *
 * Scripts number the ports 0 to 3; that of USB is uart.VUART_0.
 */
#include <lauxlib.h>
#include <string.h>

#include "emu/device.h"
#include "emu/util.h"
#include "luabind/call.h"
#include "luabind/lib.h"
#include "luabind/stand_in.h"
#include "luabind/vm.h"
#include "luabind/zbuff.h"

#define VUART_0      0x20 /* LuatOS LUAT_VUART_ID_0 */
#define BAUD_DEFAULT 115200
#define BAUD_MAX     20000000
#define RX_DEFAULT   1024
#define LIST_DEFAULT 256
#define NO_PIN       UINT32_C(0xffffffff)
#define FAILED       (-1)
#define BITS_DEFAULT 8

enum order { ORDER_LSB, ORDER_MSB };

static struct uart *uart_of(lua_State *L)
{
    return &vm_of(L)->config.device->uart;
}

/* The port that the script calls @id; UART_PORTS: there is none. */
static int port_of(lua_State *L, lua_Integer id)
{
    lua_Integer port = id == VUART_0 ? UART_VIRTUAL : id;

    if (port < 0 || port >= UART_PORTS || (port == UART_VIRTUAL && id != VUART_0) ||
        !uart_exists(uart_of(L), (int)port))
        return UART_PORTS;
    return (int)port;
}

static lua_Integer id_of(int port)
{
    return port == UART_VIRTUAL ? VUART_0 : port;
}

/* The open port that argument 1 names; UART_PORTS: none, with a warning. */
static int open_port_arg(lua_State *L, const char *function)
{
    lua_Integer id = luaL_checkinteger(L, 1);
    int port = port_of(L, id);

    if (port == UART_PORTS) {
        warn_script(L, "uart.%s: this board has no port %lld", function, (long long)id);
    } else if (!uart_of(L)->ports[port].is_open) {
        warn_script(L, "uart.%s: port %lld is not set up", function, (long long)id);
        port = UART_PORTS;
    }
    return port;
}

/* ---- being told ----------------------------------------------------------------------------------- */

static void tell(lua_State *L, int ref, int port, int len)
{
    if (!ref)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_pushinteger(L, id_of(port));
    if (len == UART_SENT) {
        call_script(L, 1);
        return;
    }
    lua_pushinteger(L, len);
    call_script(L, 2);
}

void uart_deliver_msg(lua_State *L, const struct msg *msg)
{
    struct uart_port *port = &uart_of(L)->ports[msg->as.uart.port];

    if (msg->as.uart.what == UART_SENT) {
        tell(L, port->sent_ref, msg->as.uart.port, UART_SENT);
        return;
    }
    port->is_told = false;
    if (port->rx.len) /* or the script has read it already */
        tell(L, port->receive_ref, msg->as.uart.port, (int)port->rx.len);
}

static void set_target(lua_State *L, int *target)
{
    int ref = 0;

    if (lua_isfunction(L, 3)) {
        lua_pushvalue(L, 3);
        ref = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    if (*target)
        luaL_unref(L, LUA_REGISTRYINDEX, *target);
    *target = ref;
}

/* on(id, "receive" or "sent", function) */
static int uart_on(lua_State *L)
{
    int port = port_of(L, luaL_checkinteger(L, 1));
    const char *event;

    if (port == UART_PORTS) {
        lua_pushliteral(L, "no such uart id");
        return 1;
    }
    event = luaL_checkstring(L, 2);
    if (strcmp(event, "receive") == 0 || strcmp(event, "recv") == 0) {
        set_target(L, &uart_of(L)->ports[port].receive_ref);
        /* for what came while there was no function */
        uart_post(uart_of(L), port, UART_EVENT_READABLE);
    } else if (strcmp(event, "sent") == 0) {
        set_target(L, &uart_of(L)->ports[port].sent_ref);
    } else {
        warn_script(L, "uart.on: there is no event \"%s\": \"receive\" and \"sent\" are", event);
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static unsigned stop_bits_arg(lua_State *L)
{
    lua_Number bits = luaL_optnumber(L, 4, 1);

    return bits > 1 ? 2 : 1;
}

static enum uart_parity parity_arg(lua_State *L)
{
    lua_Integer parity = luaL_optinteger(L, 5, UART_PARITY_NONE);

    return parity == UART_PARITY_ODD    ? UART_PARITY_ODD
           : parity == UART_PARITY_EVEN ? UART_PARITY_EVEN
                                        : UART_PARITY_NONE;
}

/* What setup(id, baud, data, stop, parity, order, buffer, pin485, rx_level, delay) asks for. */
static struct uart_setup setup_args(lua_State *L, lua_Integer *baud)
{
    struct uart_setup setup = { .turn = { .pin = -1 } };
    lua_Integer rx_cap, pin;

    *baud = luaL_optinteger(L, 2, BAUD_DEFAULT);
    setup.format.data_bits = luaL_optinteger(L, 3, BITS_DEFAULT) == 7 ? 7 : BITS_DEFAULT;
    setup.format.stop_bits = stop_bits_arg(L);
    setup.format.parity = parity_arg(L);
    (void)luaL_optinteger(L, 6, ORDER_LSB);
    rx_cap = luaL_optinteger(L, 7, RX_DEFAULT);
    pin = luaL_optinteger(L, 8, NO_PIN);
    setup.turn.receive_level = luaL_optinteger(L, 9, 0) != 0;
    (void)luaL_optinteger(L, 10, 0);
    setup.rx_cap = rx_cap < 1 ? RX_DEFAULT : rx_cap > UART_RX_MAX ? UART_RX_MAX : (size_t)rx_cap;
    if (pin >= 0 && pin < GPIO_PINS)
        setup.turn.pin = (int)pin;
    setup.format.baud = *baud > 0 && *baud <= BAUD_MAX ? (unsigned)*baud : 0;
    return setup;
}

static int uart_setup_port(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1), baud;
    struct uart_setup setup = setup_args(L, &baud);
    int port = port_of(L, id), rc;

    stand_in(L, STAND_IN_UART);
    if (port == UART_PORTS) {
        warn_script(L, "uart.setup: this board has no port %lld", (long long)id);
        lua_pushinteger(L, FAILED);
        return 1;
    }
    if (!setup.format.baud) {
        warn_script(L, "uart.setup: %lld is no speed", (long long)baud);
        lua_pushinteger(L, FAILED);
        return 1;
    }
    rc = uart_open(uart_of(L), port, &setup);
    if (rc < 0)
        warn_script(L, "uart.setup: port %lld has no terminal: %s", (long long)id, strerror(-rc));
    lua_pushinteger(L, rc < 0 ? FAILED : 0);
    return 1;
}

static int uart_shut(lua_State *L)
{
    int port = port_of(L, luaL_checkinteger(L, 1));

    if (port < UART_PORTS)
        uart_close(uart_of(L), port);
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------------- */

static int send(lua_State *L, int port, const void *data, size_t len)
{
    uart_write(uart_of(L), port, data, len);
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

/* write(id, text or zbuff, at most): a zbuff from its cursor to its end, as on a module. */
static int uart_write_data(lua_State *L)
{
    int port = open_port_arg(L, "write");
    bool is_limited = lua_isinteger(L, 3);
    lua_Integer limit = lua_tointeger(L, 3);
    const char *data = NULL;
    size_t len = 0;

    if (port == UART_PORTS) {
        lua_pushinteger(L, FAILED);
        return 1;
    }
    if (lua_isuserdata(L, 2)) {
        const struct zbuff *buff = zbuff_check(L, 2);

        data = (const char *)buff->data + buff->used;
        len = buff->len - buff->used;
    } else {
        data = lua_tolstring(L, 2, &len);
        if (!data)
            len = 0;
    }
    if (is_limited && limit >= 0 && (size_t)limit < len)
        len = (size_t)limit;
    return send(L, port, data, len);
}

/* tx(id, zbuff, from, count) */
static int uart_tx(lua_State *L)
{
    int port = open_port_arg(L, "tx");
    const struct zbuff *buff;
    lua_Integer from, count;

    if (port == UART_PORTS || !lua_isuserdata(L, 2)) {
        lua_pushinteger(L, port == UART_PORTS ? FAILED : 0);
        return 1;
    }
    buff = zbuff_check(L, 2);
    from = luaL_optinteger(L, 3, 0);
    count = luaL_optinteger(L, 4, (lua_Integer)buff->used);
    if (from < 0 || from >= (lua_Integer)buff->len || count < 0) {
        lua_pushinteger(L, 0);
        return 1;
    }
    if (count > (lua_Integer)buff->len - from)
        count = (lua_Integer)buff->len - from;
    return send(L, port, buff->data + from, (size_t)count);
}

static int uart_wait_485(lua_State *L)
{
    (void)luaL_checkinteger(L, 1);
    lua_pushinteger(L, 0); /* it is done when sent was told */
    return 1;
}

/* ---- receiving ------------------------------------------------------------------------------------- */

static int read_to_zbuff(lua_State *L, int port, size_t len)
{
    struct zbuff *buff = zbuff_check(L, 3);
    size_t room = buff->len - buff->used;

    if (port < UART_PORTS && room) {
        len = uart_read(uart_of(L), port, buff->data + buff->used, len < room ? len : room);
        buff->used += len;
    } else {
        len = 0;
    }
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

/* read(id, length), read(id, length, zbuff) */
static int uart_read_data(lua_State *L)
{
    int port = open_port_arg(L, "read");
    uint32_t len = (uint32_t)luaL_optinteger(L, 2, RX_DEFAULT);
    size_t there = port < UART_PORTS ? uart_rx_len(uart_of(L), port) : 0;
    luaL_Buffer text;

    if (lua_isuserdata(L, 3))
        return read_to_zbuff(L, port, len);
    if (len > there)
        len = (uint32_t)there;
    if (!len) {
        lua_pushliteral(L, "");
        return 1;
    }
    (void)luaL_buffinitsize(L, &text, len); /* which may run a finalizer that reads, or closes */
    len = (uint32_t)uart_read(uart_of(L), port, luaL_buffaddr(&text), len);
    luaL_pushresultsize(&text, len);
    return 1;
}

/* rx(id, zbuff): all there is, behind what the buffer has; it grows as needed. */
static int uart_rx(lua_State *L)
{
    int port = open_port_arg(L, "rx");
    struct zbuff *buff;
    size_t len;

    if (port == UART_PORTS || !lua_isuserdata(L, 2)) {
        lua_pushinteger(L, 0);
        return 1;
    }
    buff = zbuff_check(L, 2);
    len = uart_rx_len(uart_of(L), port);
    if (len > buff->len - buff->used && !zbuff_resize(buff, buff->len + len)) {
        lua_pushinteger(L, 0);
        return 1;
    }
    if (len)
        len = uart_read(uart_of(L), port, buff->data + buff->used, len);
    buff->used += len;
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

static int uart_rx_size(lua_State *L)
{
    int port = open_port_arg(L, "rxSize");

    lua_pushinteger(L, port < UART_PORTS ? (lua_Integer)uart_rx_len(uart_of(L), port) : 0);
    return 1;
}

static int uart_clear(lua_State *L)
{
    int port = open_port_arg(L, "rxClear");

    if (port < UART_PORTS)
        uart_rx_clear(uart_of(L), port);
    return 0;
}

/* ---- which ports there are ------------------------------------------------------------------------ */

static int uart_exist(lua_State *L)
{
    lua_pushboolean(L, port_of(L, luaL_checkinteger(L, 1)) < UART_PORTS);
    return 1;
}

/* list(max): their numbers */
static int uart_list(lua_State *L)
{
    lua_Integer max = luaL_optinteger(L, 1, LIST_DEFAULT), count = 0;

    lua_newtable(L);
    for (int port = 0; port < UART_PORTS && count < max; port++) {
        if (!uart_exists(uart_of(L), port))
            continue;
        lua_pushinteger(L, id_of(port));
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* A port made of pins and timers: as a module that has no such timers. */
static int uart_create_soft(lua_State *L)
{
    firmware_log(L, LOG_LEVEL_ERROR, "uart", "not support soft uart");
    luaL_pushfail(L);
    return 1;
}

int luaopen_uart(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "setup", uart_setup_port },
        { "on", uart_on },
        { "write", uart_write_data },
        { "read", uart_read_data },
        { "tx", uart_tx },
        { "rx", uart_rx },
        { "rxClear", uart_clear },
        { "rxSize", uart_rx_size },
        { "rx_size", uart_rx_size },
        { "wait485", uart_wait_485 },
        { "close", uart_shut },
        { "exist", uart_exist },
        { "list", uart_list },
        { "createSoft", uart_create_soft },
        { NULL, NULL },
    };
    static const struct constant constants[] = {
        { "None", UART_PARITY_NONE }, { "NONE", UART_PARITY_NONE }, { "Odd", UART_PARITY_ODD },
        { "ODD", UART_PARITY_ODD },   { "Even", UART_PARITY_EVEN }, { "EVEN", UART_PARITY_EVEN },
        { "LSB", ORDER_LSB },         { "MSB", ORDER_MSB },         { "VUART_0", VUART_0 },
    };

    luaL_newlib(L, functions);
    set_constants(L, constants, ARRAY_LEN(constants));
    return 1;
}
