/*
 * wlan: the module's Wi-Fi: which networks it hears, joining one, and being one.
 *
 *   OFF --init--> IDLE --connect--> JOINING --> JOINED     LWIP_STA is switched on
 *                  ^                   |  ^        |
 *              disconnect              v  |        v       the network is gone
 *                  +-- from all --- WAITING <------+       and tried again for ever
 *
 * Which network can be joined. Those of the board (board.aps) are heard by a scan and want their
 * password. LWIP_STA on a network of the emulator's making hears no others; on the host's, or in
 * a namespace of somebody's, every other name is taken to be that network, with any password.
 *
 * LWIP_STA and LWIP_AP are ready from the start, like every adapter. The first call takes Wi-Fi
 * over: both go down, and each comes up when it is joined or made.
 *
 * Published: WLAN_SCAN_DONE; WLAN_STA_INC("CONNECTED", ssid, bssid), before IP_READY, and
 * WLAN_STA_INC("DISCONNECTED", reason); WLAN_AP_INC("CONNECTED" or "DISCONNECTED", mac).
 *
 * Trace: "wlan.state" from, to; "wlan.ap" ssid, on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emu/board.h"
#include "emu/net.h"
#include "emu/timer.h"

#define WLAN_SCAN_MS  300
#define WLAN_JOIN_MS  300
#define WLAN_RETRY_MS 1000

#define WLAN_HOSTNAME_MAX 33 /* with its end */

/* Why it is disconnected: IEEE 802.11 table 9-49, from 200 on ESP-IDF's esp_wifi_types.h. */
enum wlan_reason {
    WLAN_REASON_LEFT = 8,            /* the script left */
    WLAN_REASON_WRONG_PASSWORD = 15, /* the 4-way handshake got no further */
    WLAN_REASON_GONE = 200,          /* no beacon is heard any more */
    WLAN_REASON_NOT_FOUND = 201,
};

/* LuatOS luat_wlan.h */
enum wlan_mode { WLAN_MODE_NONE, WLAN_MODE_STATION, WLAN_MODE_AP, WLAN_MODE_BOTH };

enum wlan_state {
    WLAN_STATE_OFF,
    WLAN_STATE_IDLE,
    WLAN_STATE_JOINING,
    WLAN_STATE_JOINED,
    WLAN_STATE_WAITING,
};
#define WLAN_STATE_COUNT (WLAN_STATE_WAITING + 1)

/* What the script wants to join. */
struct wlan_target {
    char ssid[BOARD_SSID_MAX];
    char password[BOARD_PASSWORD_MAX];
    uint8_t bssid[BOARD_MAC_LEN];
    bool has_bssid; /* no other station of that name will do */
};

struct wlan {
    struct device *device;
    struct net_watcher watcher;
    enum wlan_state state;
    enum wlan_mode mode;
    struct timer scan_timer, join_timer;

    bool has_scanned;

    struct wlan_target target;
    bool has_target;
    bool was_told_of_others; /* that the name is taken to be the host's network */
    struct board_ap joined;  /* in JOINED */

    bool is_ap; /* it is a network itself */
    char ap_ssid[BOARD_SSID_MAX];
    char hostnames[2][WLAN_HOSTNAME_MAX]; /* of the station, of the AP; "": made of the MAC */
    int power_save;
};

void wlan_init(struct wlan *wlan, struct device *device);
void wlan_fini(struct wlan *wlan);

/* wlan.init: take Wi-Fi over. */
void wlan_start(struct wlan *wlan);

/* Networks are heard from WLAN_SCAN_MS after this on. */
void wlan_scan(struct wlan *wlan);

/* Join @target; NULL: what was asked for last. False: nothing was. */
bool wlan_connect(struct wlan *wlan, const struct wlan_target *target);
void wlan_disconnect(struct wlan *wlan);

/* Joined, and there is an address. */
bool wlan_is_ready(const struct wlan *wlan);

struct wlan_ap_config {
    char ssid[BOARD_SSID_MAX];
    struct board_address address;
};

/* A client has come to the network that the module is, or has left it: WLAN_AP_INC, with its MAC. */
void wlan_tell_client(struct wlan *wlan, const uint8_t mac[BOARD_MAC_LEN], bool is_there);

/* Be a network. 0 or -errno; -EOPNOTSUPP: it is one, but its address stays what it was. */
int wlan_start_ap(struct wlan *wlan, const struct wlan_ap_config *config);
int wlan_stop_ap(struct wlan *wlan);
