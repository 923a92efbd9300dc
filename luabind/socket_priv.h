/* Included by socket.c and socket_time.c only. */
#pragma once

#include <lua.h>

/* socket_time.c */
int socket_sntp(lua_State *L);
int socket_sntp_port(lua_State *L);
int socket_ntptm(lua_State *L);
