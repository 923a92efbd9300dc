/* What the lab's peers do by themselves, when somebody outside says so: a scenario, ctl. */
#include <assert.h>
#include <string.h>

#include "adapters/lab/lab_priv.h"
#include "emu/trace.h"
#include "emu/util.h"

static const char *const action_names[] = {
    [LAB_ACTION_CLOSE] = "close", [LAB_ACTION_RESET] = "reset", [LAB_ACTION_SAY] = "say",
    [LAB_ACTION_STOP] = "stop",   [LAB_ACTION_START] = "start",
};
static_assert(ARRAY_LEN(action_names) == LAB_ACTION_START + 1, "an action lacks its name");

bool lab_action_by_name(const char *name, enum lab_action *action)
{
    for (int i = 0; i < ARRAY_LEN(action_names); i++) {
        if (strcmp(action_names[i], name) == 0) {
            *action = (enum lab_action)i;
            return true;
        }
    }
    return false;
}

bool lab_has_peer(const char *name)
{
    for (size_t i = 0; i < lab_peers_count; i++) {
        if (strcmp(lab_peers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Nobody comes any more; who is there stays. */
static void stop(struct lab_server *server)
{
    lab_server_close(server);
    server->is_starved = false;
}

/* 0 or -errno. */
static int act_at_door(struct lab_server *server, enum lab_action action)
{
    bool is_open = server->source.fd >= 0;

    if (action == LAB_ACTION_STOP && is_open)
        stop(server);
    return action == LAB_ACTION_START && !is_open ? lab_server_open(server) : 0;
}

static void act_on_stream(struct lab_stream *stream, enum lab_action action, const char *text)
{
    bool can_hear = !stream->tls || stream->is_secured;

    if (action == LAB_ACTION_RESET) {
        lab_stream_reset(stream);
    } else if (action == LAB_ACTION_CLOSE) {
        lab_stream_end(stream);
    } else if (can_hear && stream->outq.len < LAB_READ_CAP) { /* who reads nothing hears no more */
        lab_stream_write(stream, text, strlen(text));
    }
    lab_stream_go_on(stream);
}

int lab_act(struct lab *lab, const char *peer, enum lab_action action, const char *text)
{
    trace_emit(lab->config.trace, "lab.act", "{s:s, s:s}", "peer", peer, "action",
               action_names[action]);
    for (size_t i = 0; i < lab->servers_count; i++) {
        struct lab_server *server = &lab->servers[i];
        int rc = strcmp(server->peer->name, peer) == 0 ? act_at_door(server, action) : 0;

        if (rc < 0)
            return rc;
    }
    if (action == LAB_ACTION_STOP || action == LAB_ACTION_START)
        return 0;
    list_for_each_safe(node, &lab->streams) {
        struct lab_stream *stream = container_of(node, struct lab_stream, link);

        if (strcmp(stream->server->peer->name, peer) == 0)
            act_on_stream(stream, action, text);
    }
    return 0;
}
