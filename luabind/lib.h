/* lib: the LuatOS libraries, each in the file of its name. All are globals before the script runs. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/log.h"

struct msg;
struct netc;
struct sock_note;
struct vm;

int luaopen_gpio(lua_State *L);
int luaopen_hmeta(lua_State *L);
int luaopen_uart(lua_State *L);
int luaopen_crypto(lua_State *L);
int luaopen_fskv(lua_State *L);
int luaopen_pm(lua_State *L);
int luaopen_wdt(lua_State *L);
int luaopen_adc(lua_State *L);
int luaopen_spi(lua_State *L);
int luaopen_i2c(lua_State *L);
int luaopen_pin(lua_State *L);
int luaopen_pins(lua_State *L);
int luaopen_errdump(lua_State *L);
int luaopen_socket(lua_State *L);
int luaopen_zbuff(lua_State *L);
int luaopen_pack(lua_State *L);
int luaopen_rtos(lua_State *L);
int luaopen_log(lua_State *L);
int luaopen_json(lua_State *L);
int luaopen_mcu(lua_State *L);
int luaopen_timer(lua_State *L);
int luaopen_rtc(lua_State *L);
int luaopen_icmp(lua_State *L);
int luaopen_netdrv(lua_State *L);
int luaopen_w5500(lua_State *L);
int luaopen_wlan(lua_State *L);
int luaopen_mobile(lua_State *L);
int luaopen_airlink(lua_State *L);
int luaopen_luatos_os(lua_State *L);
int luaopen_luatos_io(lua_State *L);
int luaopen_fs(lua_State *L);
int luaopen_luatos_string(lua_State *L); /* adds to the string table, which is on the stack */
int luaopen_bit32(lua_State *L);
int luaopen_luatos_base(lua_State *L); /* print, require, loadfile and friends, as globals */

/*
 * "main.lua:12: ", the place in the user's script that led to this call: the innermost function
 * that is not our own Lua. Valid until the caller's stack shrinks; pushes one value.
 */
const char *warn_where(lua_State *L);

/* log_warn() with that place. */
void warn_script(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A firmware log line: "W/zbuff text". */
void firmware_log(lua_State *L, enum log_level level, const char *tag, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Socket events and topics, out of the message queue (rtos.receive). */
void socket_deliver(lua_State *L, const struct msg *msg);

/* A pin has changed; a serial port has received or sent. */
void gpio_deliver(lua_State *L, const struct msg *msg);
void uart_deliver_msg(lua_State *L, const struct msg *msg);

/* What an adapter's sockets do, to the function that netdrv.on was given. */
void netdrv_deliver(lua_State *L, const struct sock_note *note);

int icmp_ping(lua_State *L); /* netdrv.ping, too */

/*
 * luaL_testudata() by the metatable's address, as lua_topointer() gives it: the hot path's, where
 * finding the metatable by its name would be most of a call.
 */
void *test_userdata(lua_State *L, int arg, const void *metatable);

/* (adapter) -> ip, port, ip, port, ...: its name servers. Only our own Lua gets it, base.c. */
int socket_dns_servers(lua_State *L);

/* Frees what rtos.timer_start made. */
void rtos_close(struct vm *vm);

/*
 * A script's milliseconds, not negative, in microseconds. They end where a module's 32 bits do, so
 * that the sum with any moment fits.
 */
uint64_t ms_to_us(lua_Integer ms);

/* An Ethernet address: "AABBCCDDEEFF", or its six bytes. */
void push_mac(lua_State *L, const uint8_t mac[6], bool is_raw);

/* An item of a library's table of constants. */
struct constant {
    const char *name;
    lua_Integer value;
};

/*
 * Push the text that print and log make of argument @arg: what the global tostring gives, as on a
 * module. May run the script's Lua.
 */
void push_printed(lua_State *L, int arg);

/* Ends the run, as rtos.reboot and pm.reboot. */
int rtos_reboot(lua_State *L);

/* Ends the run: the module has nothing to do, and the script has asked for sleep. */
int pm_sleep(lua_State *L);

/* Functions of string that crypto has too. */
int string_to_base64(lua_State *L);
int string_from_base64(lua_State *L);
int string_from_base32(lua_State *L);

/* Is the global @name, which is pushed if not, still the C function @stock? */
bool is_stock(lua_State *L, const char *name, lua_CFunction stock);

/* Into the table on top of the stack. */
void set_constants(lua_State *L, const struct constant *constants, int count);
