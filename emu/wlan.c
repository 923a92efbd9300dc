#include "emu/wlan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "emu/device.h"
#include "emu/links.h"
#include "emu/log.h"
#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"

#define US_PER_MS    1000
#define AP_NAMES_MAX 256

static const char *const state_names[] = {
    [WLAN_STATE_OFF] = "OFF",         [WLAN_STATE_IDLE] = "IDLE",
    [WLAN_STATE_JOINING] = "JOINING", [WLAN_STATE_JOINED] = "JOINED",
    [WLAN_STATE_WAITING] = "WAITING",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == WLAN_STATE_COUNT,
              "a state lacks its name");

static void set_state(struct wlan *wlan, enum wlan_state next)
{
    if (next == wlan->state)
        return;
    trace_emit(&wlan->device->trace, "wlan.state", "{s:s, s:s}", "from", state_names[wlan->state],
               "to", state_names[next]);
    wlan->state = next;
}

static void start_timer(struct wlan *wlan, struct timer *timer, uint64_t ms)
{
    vclock_refresh(&wlan->device->clock); /* the script may have worked for long */
    timer_start(&wlan->device->timers, timer, wlan->device->clock.now_us + ms * US_PER_MS);
}

/* ---- what the script is told ------------------------------------------------------------------- */

static void tell_connected(struct wlan *wlan)
{
    const struct board_ap *ap = &wlan->joined;

    msgq_publish(&wlan->device->msgs,
                 &(struct topic){ .name = "WLAN_STA_INC",
                                  .args = { topic_text("CONNECTED"), topic_text(ap->ssid),
                                            topic_bytes(ap->bssid, sizeof(ap->bssid)) } });
}

static void tell_disconnected(struct wlan *wlan, enum wlan_reason reason)
{
    msgq_publish(&wlan->device->msgs, &(struct topic){ .name = "WLAN_STA_INC",
                                                       .args = { topic_text("DISCONNECTED"),
                                                                 topic_number((int)reason) } });
}

/* ---- scanning ------------------------------------------------------------------------------------- */

static void on_scanned(struct timer *timer)
{
    struct wlan *wlan = container_of(timer, struct wlan, scan_timer);

    wlan->has_scanned = true;
    msgq_post_topic(&wlan->device->msgs, "WLAN_SCAN_DONE", NULL);
}

void wlan_scan(struct wlan *wlan)
{
    wlan_start(wlan);
    start_timer(wlan, &wlan->scan_timer, WLAN_SCAN_MS);
}

/* ---- joining ---------------------------------------------------------------------------------------- */

static bool is_bssid(const struct wlan_target *target, const struct board_ap *ap)
{
    return !target->has_bssid || memcmp(target->bssid, ap->bssid, BOARD_MAC_LEN) == 0;
}

/* The board's network of that name, the loudest of several. */
static const struct board_ap *find_ap(const struct wlan *wlan)
{
    const struct board *board = wlan->device->board;
    const struct board_ap *found = NULL;

    for (size_t i = 0; board && i < board->aps_count; i++) {
        const struct board_ap *ap = &board->aps[i];

        if (strcmp(ap->ssid, wlan->target.ssid) == 0 && is_bssid(&wlan->target, ap) &&
            (!found || ap->rssi_dbm > found->rssi_dbm))
            found = ap;
    }
    return found;
}

/* Is LWIP_STA on a network whose names the board does not know? */
static bool takes_any_name(const struct wlan *wlan)
{
    const struct board *board = wlan->device->board;
    enum binding binding = board ? board->slots[ADAPTER_STA].binding : BINDING_HOST;

    return binding == BINDING_HOST || binding == BINDING_NETNS;
}

static void take_name(struct wlan *wlan)
{
    wlan->joined = (struct board_ap){ .bssid = { 0x02, 'H', 'O', 'S', 'T', 0 },
                                      .rssi_dbm = -50,
                                      .channel = 1 };
    memcpy(wlan->joined.ssid, wlan->target.ssid, sizeof(wlan->joined.ssid));
    if (wlan->was_told_of_others)
        return;
    wlan->was_told_of_others = true;
    log_say(&wlan->device->log,
            "wlan: LWIP_STA is on this machine's network: \"%s\" is taken to be that",
            wlan->target.ssid);
}

/* "luatos-lab, luatos-open" */
static void name_aps(const struct board *board, char names[AP_NAMES_MAX])
{
    size_t len = 0;

    names[0] = '\0';
    for (size_t i = 0; board && i < board->aps_count && len < AP_NAMES_MAX; i++) {
        len += (size_t)snprintf(names + len, AP_NAMES_MAX - len, "%s%s", i ? ", " : "",
                                board->aps[i].ssid);
    }
}

static void say_not_found(struct wlan *wlan)
{
    char names[AP_NAMES_MAX];

    if (wlan->was_told_of_others)
        return;
    wlan->was_told_of_others = true;
    name_aps(wlan->device->board, names);
    log_say(&wlan->device->log, "wlan: no network \"%s\" is heard; the board has: %s",
            wlan->target.ssid, names[0] ? names : "none");
}

/* 0, and @wlan->joined is what is joined; else why not. */
static enum wlan_reason try_join(struct wlan *wlan)
{
    const struct board_ap *ap = find_ap(wlan);
    struct link_status status;

    if (links_status(wlan->device, ADAPTER_STA, &status) < 0 || !status.is_plugged)
        return WLAN_REASON_NOT_FOUND;
    if (!ap && takes_any_name(wlan)) {
        take_name(wlan);
        return 0;
    }
    if (!ap) {
        say_not_found(wlan);
        return WLAN_REASON_NOT_FOUND;
    }
    if (ap->password[0] && strcmp(ap->password, wlan->target.password) != 0)
        return WLAN_REASON_WRONG_PASSWORD;
    wlan->joined = *ap;
    return 0;
}

/* Off the air, and try again. */
static void lose(struct wlan *wlan, enum wlan_reason reason)
{
    set_state(wlan, WLAN_STATE_WAITING);
    tell_disconnected(wlan, reason);
    (void)links_power(wlan->device, ADAPTER_STA, false);
    start_timer(wlan, &wlan->join_timer, WLAN_RETRY_MS);
}

static void begin_join(struct wlan *wlan)
{
    set_state(wlan, WLAN_STATE_JOINING);
    start_timer(wlan, &wlan->join_timer, WLAN_JOIN_MS);
}

static void end_join(struct wlan *wlan)
{
    enum wlan_reason reason = try_join(wlan);

    if (reason) {
        lose(wlan, reason);
        return;
    }
    set_state(wlan, WLAN_STATE_JOINED);
    tell_connected(wlan);
    (void)links_power(wlan->device, ADAPTER_STA, true);
}

static void on_join_timer(struct timer *timer)
{
    struct wlan *wlan = container_of(timer, struct wlan, join_timer);

    if (wlan->state == WLAN_STATE_JOINING) {
        end_join(wlan);
    } else {
        begin_join(wlan);
    }
}

bool wlan_connect(struct wlan *wlan, const struct wlan_target *target)
{
    wlan_start(wlan);
    if (target) {
        wlan->target = *target;
        wlan->has_target = true;
        wlan->was_told_of_others = false;
    }
    if (!wlan->has_target)
        return false;
    if (wlan->state == WLAN_STATE_JOINED) /* it leaves the one for the other */
        wlan_disconnect(wlan);
    begin_join(wlan);
    return true;
}

void wlan_disconnect(struct wlan *wlan)
{
    bool was_joined = wlan->state == WLAN_STATE_JOINED;

    if (wlan->state == WLAN_STATE_OFF || wlan->state == WLAN_STATE_IDLE)
        return;
    timer_stop(&wlan->device->timers, &wlan->join_timer);
    set_state(wlan, WLAN_STATE_IDLE);
    if (!was_joined)
        return;
    tell_disconnected(wlan, WLAN_REASON_LEFT);
    (void)links_power(wlan->device, ADAPTER_STA, false);
}

/* The link went down by itself. An address that is lost, with the carrier there, is no network lost. */
static void on_link(struct net_watcher *watcher, const struct adapter *adapter)
{
    struct wlan *wlan = container_of(watcher, struct wlan, watcher);
    struct link_status status;

    if (adapter->id != ADAPTER_STA || adapter->is_ready || wlan->state != WLAN_STATE_JOINED)
        return;
    if (links_status(wlan->device, ADAPTER_STA, &status) == 0 && status.is_plugged &&
        status.has_carrier)
        return;
    lose(wlan, WLAN_REASON_GONE);
}

bool wlan_is_ready(const struct wlan *wlan)
{
    const struct adapter *adapter = wlan->device->net.adapters[ADAPTER_STA];

    return wlan->state == WLAN_STATE_JOINED && adapter && adapter->is_ready;
}

/* ---- being a network ---------------------------------------------------------------------------------- */

static void trace_ap(struct wlan *wlan)
{
    trace_emit(&wlan->device->trace, "wlan.ap", "{s:s, s:b}", "ssid", wlan->ap_ssid, "on",
               wlan->is_ap);
}

void wlan_tell_client(struct wlan *wlan, const uint8_t mac[BOARD_MAC_LEN], bool is_there)
{
    if (!wlan->is_ap)
        return;
    msgq_publish(&wlan->device->msgs,
                 &(struct topic){ .name = "WLAN_AP_INC",
                                  .args = { topic_text(is_there ? "CONNECTED" : "DISCONNECTED"),
                                            topic_bytes(mac, BOARD_MAC_LEN) } });
}

/* With addresses, unless the script does it. */
static void serve_clients(const struct wlan *wlan)
{
    int rc = links_serve_dhcp(wlan->device, ADAPTER_AP, true);

    if (rc < 0)
        log_say(&wlan->device->log, "LWIP_AP: its clients are given no addresses: %s",
                strerror(-rc));
}

int wlan_start_ap(struct wlan *wlan, const struct wlan_ap_config *config)
{
    int given, rc;

    wlan_start(wlan);
    given = links_set_address(wlan->device, ADAPTER_AP, &config->address); /* before it is seen */
    rc = links_power(wlan->device, ADAPTER_AP, true);
    if (rc < 0)
        return rc;
    if (given == 0)
        serve_clients(wlan);
    wlan->is_ap = true;
    memcpy(wlan->ap_ssid, config->ssid, sizeof(wlan->ap_ssid));
    if (wlan->mode == WLAN_MODE_STATION)
        wlan->mode = WLAN_MODE_BOTH;
    trace_ap(wlan);
    return given;
}

int wlan_stop_ap(struct wlan *wlan)
{
    if (wlan->is_ap) {
        wlan->is_ap = false;
        (void)links_serve_dhcp(wlan->device, ADAPTER_AP, false);
        trace_ap(wlan);
    }
    return links_power(wlan->device, ADAPTER_AP, false);
}

/* ---- life ----------------------------------------------------------------------------------------------- */

void wlan_init(struct wlan *wlan, struct device *device)
{
    *wlan = (struct wlan){ .device = device, .watcher = { .changed = on_link } };
    timer_init(&wlan->scan_timer, on_scanned);
    timer_init(&wlan->join_timer, on_join_timer);
    net_watch(&device->net, &wlan->watcher);
}

void wlan_fini(struct wlan *wlan)
{
    timer_stop(&wlan->device->timers, &wlan->scan_timer);
    timer_stop(&wlan->device->timers, &wlan->join_timer);
}

void wlan_start(struct wlan *wlan)
{
    if (wlan->state != WLAN_STATE_OFF)
        return;
    set_state(wlan, WLAN_STATE_IDLE);
    wlan->mode = WLAN_MODE_STATION;
    (void)links_power(wlan->device, ADAPTER_STA, false);
    (void)links_power(wlan->device, ADAPTER_AP, false);
}
