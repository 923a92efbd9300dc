/* Included by socket.c, socket_adapter.c, socket_data.c and socket_time.c only. */
#pragma once

#include <lua.h>
#include <stdbool.h>

struct adapter;
struct endpoint;
struct net;
struct netc;

struct net *socket_net(lua_State *L);

/*
 * The control in argument @arg: what create returned, or the light userdata that callbacks get.
 * NULL when it is none, or released.
 */
struct netc *socket_get(lua_State *L, int arg);

/*
 * The same of the first argument, with a warning: a module returns nothing, looks at no other
 * argument, and is silent.
 */
struct netc *socket_check(lua_State *L, const char *function);

/* The adapter that argument @arg names; the default one when it is absent. NULL: there is none. */
struct adapter *socket_adapter_arg(lua_State *L, int arg, lua_Integer *number);

/* An address in argument @arg: the integer form, or text. False when it is neither, or no address. */
bool socket_endpoint_arg(lua_State *L, int arg, struct endpoint *ep);

/* socket_adapter.c */
int socket_adapter(lua_State *L);
int socket_local_ip(lua_State *L);
int socket_remote_ip(lua_State *L);
int socket_set_dns(lua_State *L);
int socket_dft(lua_State *L);
int socket_close_all(lua_State *L);
int socket_rx_cache(lua_State *L);

/* socket_data.c */
int socket_tx(lua_State *L);
int socket_rx(lua_State *L);
int socket_read(lua_State *L);

/* socket_time.c */
int socket_sntp(lua_State *L);
int socket_sntp_port(lua_State *L);
int socket_ntptm(lua_State *L);
