/*
 * socket: the library of the user's document, socket-api.md, function by function. Where the
 * document is silent, LuatOS's own luat_lib_socket.c decides what comes back.
 */
#include <lauxlib.h>
#include <strings.h>

#include "emu/device.h"
#include "emu/msgq.h"
#include "emu/netc.h"
#include "emu/util.h"
#include "luabind/call.h"
#include "luabind/lib.h"
#include "luabind/socket_priv.h"
#include "luabind/vm.h"

#define NETC_TYPE      "NWCTRL*"  /* scripts see this name in tostring() and in topics */
#define EVENT_BASE     0x02000010 /* socket.LINK; LuatOS luat_network_adapter.h:85 */
#define LOCAL_PORT_MAX 60000      /* the document: a given port is below */
#define MANY_MAX       8          /* LuatOS: multi_client is 0..8 */
#define SSL_LOG_MAX    4

struct netc_ud {
    uint32_t id; /* 0 before create succeeds and after release */
};

struct net *socket_net(lua_State *L)
{
    return &vm_of(L)->config.device->net;
}

/* ---- arguments ------------------------------------------------------------------------------
 *
 * Whatever makes a Lua object may collect garbage, and a finalizer of the script may release the
 * control or free the zbuff of this very call: warnings do, strings do, a number's text does. So a
 * function takes its arguments and warns first, asks for the control again, and makes objects of
 * the answer last.
 */

/*
 * The control in argument @arg: what create returned, or the light userdata that callbacks get.
 * NULL when it is none, or released.
 */
struct netc *socket_get(lua_State *L, int arg)
{
    const struct netc_ud *ud;
    uintptr_t id;

    if (lua_islightuserdata(L, arg)) {
        id = (uintptr_t)lua_touserdata(L, arg);
        return id <= UINT32_MAX ? netc_get(socket_net(L), (uint32_t)id) : NULL;
    }
    ud = test_userdata(L, arg, vm_of(L)->netc_metatable);
    return ud ? netc_get(socket_net(L), ud->id) : NULL;
}

/* The same, with a warning: a module returns nothing, looks at no other argument, and is silent. */
struct netc *socket_check(lua_State *L, const char *function)
{
    struct netc *netc = socket_get(L, 1);

    if (!netc) {
        warn_script(L, "socket.%s on %s: a module returns nothing", function,
                    lua_isuserdata(L, 1) ? "a released socket" : luaL_typename(L, 1));
    }
    return netc;
}

/* The adapter that argument @arg names; the default one when it is absent. */
struct adapter *socket_adapter_arg(lua_State *L, int arg, lua_Integer *number)
{
    const struct net *net = socket_net(L);

    *number = luaL_optinteger(L, arg, net->default_number);
    return net_adapter(net, *number);
}

/*
 * An address in argument @arg: the integer form, or text. False when it is neither, or no address.
 */
bool socket_endpoint_arg(lua_State *L, int arg, struct endpoint *ep)
{
    if (lua_isinteger(L, arg)) {
        endpoint_set_word(ep, (uint32_t)lua_tointeger(L, arg));
        return true;
    }
    return lua_isstring(L, arg) && endpoint_set_text(ep, lua_tostring(L, arg));
}

static int push_verdict(lua_State *L, enum netc_verdict verdict)
{
    lua_pushboolean(L, verdict != NETC_VERDICT_FAILED);
    lua_pushboolean(L, verdict == NETC_VERDICT_DONE);
    return 2;
}

/* ---- life -------------------------------------------------------------------------------------- */

/* Who is told: a function, a task's name, or nobody in particular (topic NWCTRL*). */
static int ref_target(lua_State *L, int arg)
{
    if (lua_isfunction(L, arg)) {
        lua_pushvalue(L, arg);
        return luaL_ref(L, LUA_REGISTRYINDEX);
    }
    if (lua_isstring(L, arg)) { /* a number too */
        lua_pushstring(L, lua_tostring(L, arg));
        return luaL_ref(L, LUA_REGISTRYINDEX);
    }
    return LUA_REFNIL;
}

/* A userdata without a control yet: whatever raises after this leaves nothing behind. */
static struct netc_ud *push_ud(lua_State *L)
{
    struct netc_ud *ud = lua_newuserdatauv(L, sizeof(*ud), 0);

    ud->id = 0;
    luaL_setmetatable(L, NETC_TYPE);
    return ud;
}

static void warn_if_full(lua_State *L, const char *function, const struct adapter *adapter)
{
    const struct net *net = socket_net(L);

    if (adapter && net_is_full(net, adapter)) {
        warn_script(L, "socket.%s: %u sockets are open on %s, which has no more", function,
                    adapter->limits.sockets, adapter_name((enum adapter_id)adapter->id));
    } else if (net->netcs_count >= net->config.limits->sockets)
        warn_script(L,
                    "socket.%s: %zu sockets are open, a module has no more (more: --set sockets=N)",
                    function, net->netcs_count);
}

static int socket_create(lua_State *L)
{
    struct net *net = socket_net(L);
    lua_Integer number;
    struct adapter *adapter = socket_adapter_arg(L, 1, &number);
    struct netc_ud *ud = push_ud(L);
    int target_ref = ref_target(L, 2);
    bool can_use = adapter && net_can_use(net, adapter);
    struct netc *netc = can_use ? netc_new(net, adapter) : NULL;

    if (!netc) {
        luaL_unref(L, LUA_REGISTRYINDEX, target_ref);
        firmware_log(L, LOG_LEVEL_DEBUG, "socket", "create fail");
        if (!adapter) {
            warn_script(L, "socket.create: this board has no adapter %lld: nil", (long long)number);
        } else if (!can_use) {
            warn_script(L, "socket.create: there is no network in virtual time: nil (--time real)");
        } else {
            warn_if_full(L, "create", adapter);
        }
        luaL_pushfail(L);
        return 1;
    }
    ud->id = netc->id;
    netc->target_ref = target_ref;
    return 1;
}

static void release(lua_State *L, struct netc *netc)
{
    luaL_unref(L, LUA_REGISTRYINDEX, netc->target_ref);
    netc_free(netc);
}

static int socket_release(lua_State *L)
{
    struct netc *netc = socket_get(L, 1);

    if (netc)
        release(L, netc);
    return 0;
}

static int socket_debug(lua_State *L)
{
    struct netc *netc = socket_check(L, "debug");

    if (netc && lua_isboolean(L, 2))
        netc->is_debug = lua_toboolean(L, 2);
    return 0;
}

/* ---- configuration ------------------------------------------------------------------------------ */

static bool is_true(lua_State *L, int arg)
{
    return lua_isboolean(L, arg) && lua_toboolean(L, arg);
}

/* A certificate or key: a string or a number; an empty one counts as given. */
static struct tls_blob to_blob(lua_State *L, int arg)
{
    struct tls_blob blob = { 0 };

    if (lua_isstring(L, arg))
        blob.data = lua_tolstring(L, arg, &blob.len);
    return blob;
}

/*
 * Arguments 8 to 11. In UDP mode the first two are a pre-shared key and its name, unless the others
 * say that they are certificates.
 */
static struct tls_config to_tls_config(lua_State *L, bool is_udp)
{
    const struct tls_blob first = to_blob(L, 8), second = to_blob(L, 9), key = to_blob(L, 10);

    if (is_udp && !key.data && !(first.data && !second.data))
        return (struct tls_config){ .is_dtls = true, .psk = first, .psk_id = second };
    return (struct tls_config){
        .is_dtls = is_udp, .ca = first, .cert = second, .key = key, .password = to_blob(L, 11)
    };
}

static bool use_tls(lua_State *L, struct netc *netc, const struct tls_config *config)
{
    char why[TLS_WHY_MAX];
    enum tls_problem problem = netc_use_tls(netc, config, why);

    if (problem == TLS_PROBLEM_NONE)
        return true;
    if (problem == TLS_PROBLEM_PSK) {
        warn_script(L, "socket.config: %s: true, as on a module, but nobody will accept it", why);
        return true;
    }
    firmware_log(L, LOG_LEVEL_ERROR, "socket", "%s failed",
                 problem == TLS_PROBLEM_CA ? "network_set_server_cert" : "network_set_client_cert");
    warn_script(L, "socket.config: %s: false", why);
    return false;
}

static int socket_config(lua_State *L)
{
    struct netc *netc = socket_check(L, "config");
    struct netc_config config = { 0 };
    struct tls_config tls;
    lua_Integer port, idle;

    if (!netc)
        return 0;
    port = luaL_optinteger(L, 2, 0);
    config.is_udp = is_true(L, 3);
    idle = luaL_optinteger(L, 5, 0);
    config.local_port = (uint16_t)port;
    config.keepalive = (uint8_t)idle != 0; /* LuatOS looks at the low 8 bits */
    config.keep_idle_s = (uint32_t)idle;
    config.keep_interval_s = (uint8_t)luaL_optinteger(L, 6, 0);
    config.keep_count = (uint8_t)luaL_optinteger(L, 7, 0);
    if (config.local_port >= LOCAL_PORT_MAX) {
        warn_script(L, "socket.config: local port %u: modules take ports below %d",
                    config.local_port, LOCAL_PORT_MAX);
    }
    tls = to_tls_config(L, config.is_udp);
    netc = socket_get(L, 1);
    if (!netc)
        return 0;
    netc_configure(netc, &config);
    lua_pushboolean(L, !is_true(L, 4) || use_tls(L, netc, &tls));
    return 1;
}

/* ---- connections ------------------------------------------------------------------------------- */

static int socket_linkup(lua_State *L)
{
    struct netc *netc = socket_check(L, "linkup");

    if (!netc)
        return 0;
    if (netc_has_socket(netc) && netc->adapter->is_ready)
        warn_script(L, "socket.linkup on an open socket: a module loses the connection here");
    netc = socket_get(L, 1);
    return netc ? push_verdict(L, netc_linkup(netc)) : 0;
}

static void warn_target(lua_State *L, const struct netc_target *target)
{
    const struct netc *netc = socket_get(L, 1);

    if (!netc)
        return;
    if (netc_has_socket(netc)) {
        warn_script(L, "socket.connect on a socket that is open: false; close it first");
    } else if (netc->tls_context && !target->name) {
        warn_script(L, "socket.connect: TLS to an integer address: modules differ in what they "
                       "verify then; here it is the address");
    }
    if (target->name && strcasecmp(target->name, "localhost") == 0)
        warn_script(L, "socket.connect: localhost is answered here; a module asks its DNS server");
}

static int socket_connect(lua_State *L)
{
    struct netc *netc = socket_check(L, "connect");
    struct netc_target target = { 0 };
    struct endpoint word = { 0 };
    char text[ENDPOINT_TEXT_MAX];

    if (!netc)
        return 0;
    if (lua_isinteger(L, 2)) {
        target.word = (uint32_t)lua_tointeger(L, 2);
        endpoint_set_word(&word, target.word);
        (void)endpoint_ip_text(&word, text);
    } else {
        target.name = luaL_checkstring(L, 2);
        target.want_ipv6 = is_true(L, 4);
    }
    target.port = (uint16_t)luaL_checkinteger(L, 3);
    /* what connect is given time for counts from now, however long the script has worked */
    vclock_refresh(&vm_of(L)->config.device->clock);
    firmware_log(L, LOG_LEVEL_DEBUG, "socket", "connect to %s,%u", target.name ? target.name : text,
                 target.port);
    warn_target(L, &target);
    netc = socket_get(L, 1);
    return netc ? push_verdict(L, netc_connect(netc, &target)) : 0;
}

static int socket_listen(lua_State *L)
{
    struct netc *netc = socket_check(L, "listen");
    uint8_t clients;
    bool is_udp;

    if (!netc)
        return 0;
    is_udp = netc->config.is_udp;
    clients = lua_isinteger(L, 2) ? (uint8_t)lua_tointeger(L, 2) : 0;
    if (clients > MANY_MAX)
        warn_script(L, "socket.listen: a module serves %d clients at the most", MANY_MAX);
    if (is_udp) {
        warn_script(L, "socket.listen in UDP mode: false; socket.config(netc, port) makes it TCP, "
                       "a UDP server connects to 255.255.255.255, 0");
    }
    netc = socket_get(L, 1);
    return netc ? push_verdict(L, netc_listen(netc, clients > 0)) : 0;
}

/* success, control or nil, the client's address and port */
static int push_accepted(lua_State *L, bool ok, const struct netc *of)
{
    struct endpoint peer;
    char text[ENDPOINT_TEXT_MAX];

    lua_pushboolean(L, ok);
    lua_insert(L, -2);
    if (!of || !netc_peer(of, &peer))
        return 2;
    lua_pushstring(L, endpoint_ip_text(&peer, text));
    lua_pushinteger(L, peer.port);
    return 4;
}

static int socket_accept(lua_State *L)
{
    struct netc *netc = socket_check(L, "accept");
    bool has_target = lua_isfunction(L, 2) || lua_isstring(L, 2);
    struct netc *client;
    struct netc_ud *ud;
    int target_ref;

    if (!netc)
        return 0;
    if (!has_target || !adapter_can_accept(netc->adapter)) {
        lua_pushnil(L);
        return push_accepted(L, true, netc); /* one-to-one: it is this control's client */
    }
    ud = push_ud(L);
    target_ref = ref_target(L, 2);
    netc = socket_get(L, 1);
    client = netc ? netc_accept(netc) : NULL;
    if (!client) {
        luaL_unref(L, LUA_REGISTRYINDEX, target_ref);
        warn_if_full(L, "accept", netc ? netc->adapter : NULL);
        lua_pushnil(L);
        return push_accepted(L, false, NULL);
    }
    ud->id = client->id;
    client->target_ref = target_ref;
    return push_accepted(L, true, client);
}

static int socket_discon(lua_State *L)
{
    struct netc *netc = socket_check(L, "discon");

    return netc ? push_verdict(L, netc_disconnect(netc)) : 0;
}

static int socket_close(lua_State *L)
{
    struct netc *netc = socket_check(L, "close");

    if (netc)
        netc_close(netc);
    return 0;
}

static int socket_wait(lua_State *L)
{
    struct netc *netc = socket_check(L, "wait");

    return netc ? push_verdict(L, netc_wait(netc)) : 0;
}

static int socket_state(lua_State *L)
{
    const struct netc *netc = socket_check(L, "state");

    if (!netc)
        return 0;
    lua_pushinteger(L, netc->state);
    lua_pushstring(L, netc_state_chinese(netc->state));
    return 2;
}

/* ---- TLS ------------------------------------------------------------------------------------------- */

static int socket_ssl_log(lua_State *L)
{
    lua_Integer level = luaL_optinteger(L, 1, 1);

    socket_net(L)->tls.log_level = level < 0 ? 0 : level > SSL_LOG_MAX ? SSL_LOG_MAX : (int)level;
    return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static bool push_global_function(lua_State *L, const char *name)
{
    if (lua_getglobal(L, name) == LUA_TFUNCTION)
        return true;
    lua_pop(L, 1);
    return false;
}

static void deliver_netc(lua_State *L, const struct msg *msg)
{
    const struct netc *netc = netc_get(socket_net(L), msg->as.netc.netc);
    lua_Integer event = EVENT_BASE + msg->as.netc.report - NETC_REPORT_LINK;
    int type, number, sid;

    if (!netc) /* released meanwhile */
        return;
    number = net_number(socket_net(L), netc->adapter);
    sid = netc->sid;
    type = lua_rawgeti(L, LUA_REGISTRYINDEX, netc->target_ref);
    if (type == LUA_TFUNCTION) {
        /* a light one, as on a module: it does not keep the control alive */
        lua_pushlightuserdata(L,
                              (void *)(uintptr_t)netc->id); /* NOLINT(performance-no-int-to-ptr) */
        lua_pushinteger(L, event);
        lua_pushinteger(L, msg->as.netc.param);
        call_script(L, 3);
        return;
    }
    if (type == LUA_TSTRING && push_global_function(L, "sys_send")) {
        lua_insert(L, -2);
        lua_pushinteger(L, event);
        lua_pushinteger(L, msg->as.netc.param);
        call_script(L, 3);
        return;
    }
    lua_pop(L, 1);
    if (type == LUA_TNIL && push_global_function(L, "sys_pub")) {
        lua_pushliteral(L, NETC_TYPE);
        lua_pushinteger(L, number);
        lua_pushinteger(L, sid);
        lua_pushinteger(L, event);
        lua_pushinteger(L, msg->as.netc.param);
        call_script(L, 5);
    }
}

static void push_topic_arg(lua_State *L, const struct topic_arg *arg)
{
    if (arg->kind == TOPIC_ARG_NUMBER) {
        lua_pushinteger(L, arg->number);
    } else {
        lua_pushlstring(L, arg->text, arg->len);
    }
}

static void deliver_topic(lua_State *L, const struct topic *topic)
{
    int args = 0;

    if (!push_global_function(L, "sys_pub"))
        return;
    lua_pushstring(L, topic->name);
    while (args < TOPIC_ARGS_MAX && topic->args[args].kind != TOPIC_ARG_NONE)
        push_topic_arg(L, &topic->args[args++]);
    call_script(L, 1 + args);
}

void socket_deliver(lua_State *L, const struct msg *msg)
{
    if (msg->kind == MSG_KIND_NETC) {
        deliver_netc(L, msg);
    } else {
        deliver_topic(L, msg->as.topic);
    }
}

/* ---- the library ------------------------------------------------------------------------------------------------ */

static const luaL_Reg functions[] = {
    { "create", socket_create },
    { "debug", socket_debug },
    { "config", socket_config },
    { "linkup", socket_linkup },
    { "connect", socket_connect },
    { "listen", socket_listen },
    { "accept", socket_accept },
    { "discon", socket_discon },
    { "close", socket_close },
    { "tx", socket_tx },
    { "rx", socket_rx },
    { "read", socket_read },
    { "wait", socket_wait },
    { "state", socket_state },
    { "release", socket_release },
    { "setDNS", socket_set_dns },
    { "sslLog", socket_ssl_log },
    { "localIP", socket_local_ip },
    { "remoteIP", socket_remote_ip },
    { "adapter", socket_adapter },
    { "dft", socket_dft },
    { "close_all", socket_close_all },
    { "rx_cache", socket_rx_cache },
    { "sntp", socket_sntp },
    { "ntptm", socket_ntptm },
    { "sntp_port", socket_sntp_port },
    { NULL, NULL },
};

static const struct constant events[] = {
    { "LINK", EVENT_BASE + NETC_REPORT_LINK - NETC_REPORT_LINK },
    { "ON_LINE", EVENT_BASE + NETC_REPORT_ON_LINE - NETC_REPORT_LINK },
    { "TX_OK", EVENT_BASE + NETC_REPORT_TX_OK - NETC_REPORT_LINK },
    { "CLOSED", EVENT_BASE + NETC_REPORT_CLOSED - NETC_REPORT_LINK },
    { "EVENT", EVENT_BASE + NETC_REPORT_EVENT - NETC_REPORT_LINK },
};

static void set_adapter_constants(lua_State *L)
{
    enum profile profile = socket_net(L)->config.profile;
    const char *name;
    int number;

    for (size_t i = 0; adapter_constant(profile, i, &name, &number); i++) {
        if (number < 0)
            continue;
        lua_pushinteger(L, number);
        lua_setfield(L, -2, name);
    }
}

int luaopen_socket(lua_State *L)
{
    luaL_newmetatable(L, NETC_TYPE);
    vm_of(L)->netc_metatable = lua_topointer(L, -1);
    lua_pushcfunction(L, socket_release);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    set_constants(L, events, ARRAY_LEN(events));
    set_adapter_constants(L);
    return 1;
}
