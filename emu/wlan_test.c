#include "emu/wlan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/links.h"
#include "emu/msgq.h"
#include "emu/util.h"

#include <cmocka.h>

#define STA 2 /* numbers */
#define AP  3

/* A module whose LWIP_STA is on a network of the emulator's making, with a cable to pull. */
struct bench {
    struct fake_device *fake;
    struct fake_adapter *sta, *ap;
    struct board board;
    struct links links;
    bool is_on[ADAPTER_COUNT], is_unplugged;
    struct board_address ap_address;
};

static struct fake_adapter *side(struct bench *bench, enum adapter_id id)
{
    return id == ADAPTER_STA ? bench->sta : bench->ap;
}

static void apply(struct bench *bench, enum adapter_id id)
{
    fake_link(side(bench, id), bench->is_on[id] && !bench->is_unplugged);
}

static int bench_status(void *ctx, enum adapter_id id, struct link_status *status)
{
    const struct bench *bench = ctx;

    status->is_on = bench->is_on[id];
    status->is_plugged = !bench->is_unplugged;
    status->has_carrier = status->is_on && status->is_plugged;
    return 0;
}

static int bench_power(void *ctx, enum adapter_id id, bool is_on)
{
    struct bench *bench = ctx;

    bench->is_on[id] = is_on;
    apply(bench, id);
    return 0;
}

static int bench_set_address(void *ctx, enum adapter_id id, const struct board_address *address)
{
    struct bench *bench = ctx;

    assert_int_equal(id, ADAPTER_AP);
    bench->ap_address = *address;
    return 0;
}

static int setup(void **state)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    void *fake = NULL;

    if (fake_device_setup(&fake) < 0)
        return -1;
    bench->fake = fake;
    board_init(&bench->board);
    bench->board.slots[ADAPTER_STA].binding = BINDING_LAB;
    bench->links = (struct links){
        .status = bench_status, .power = bench_power, .set_address = bench_set_address, .ctx = bench
    };
    bench->is_on[ADAPTER_STA] = bench->is_on[ADAPTER_AP] = true;
    bench->sta = fake_adapter_new();
    bench->ap = fake_adapter_new();
    net_register(&bench->fake->device.net, &bench->sta->base, ADAPTER_STA);
    net_register(&bench->fake->device.net, &bench->ap->base, ADAPTER_AP);
    bench->fake->device.board = &bench->board;
    bench->fake->device.links = &bench->links;
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    void *fake = bench->fake;
    int rc = fake_device_teardown(&fake);

    free(bench);
    return rc;
}

static struct wlan *wlan_of(struct bench *bench)
{
    return &bench->fake->device.wlan;
}

static bool join(struct bench *bench, const char *ssid, const char *password)
{
    struct wlan_target target = { 0 };

    memcpy(target.ssid, ssid, strlen(ssid));
    memcpy(target.password, password, strlen(password));
    return wlan_connect(wlan_of(bench), &target);
}

/* The next thing that is published; NULL: nothing is. */
static const struct topic *next_topic(struct bench *bench)
{
    struct msg msg;

    if (!msgq_take(&bench->fake->device.msgs, &msg))
        return NULL;
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    return msg.as.topic;
}

static void expect_connected(struct bench *bench, const struct board_ap *ap)
{
    const struct topic *topic = next_topic(bench);

    assert_non_null(topic);
    assert_string_equal(topic->name, "WLAN_STA_INC");
    assert_string_equal(topic->args[0].text, "CONNECTED");
    assert_string_equal(topic->args[1].text, ap->ssid);
    assert_int_equal(topic->args[2].len, BOARD_MAC_LEN);
    assert_memory_equal(topic->args[2].text, ap->bssid, BOARD_MAC_LEN);
}

static void expect_disconnected(struct bench *bench, enum wlan_reason reason)
{
    const struct topic *topic = next_topic(bench);

    assert_non_null(topic);
    assert_string_equal(topic->name, "WLAN_STA_INC");
    assert_string_equal(topic->args[0].text, "DISCONNECTED");
    assert_int_equal(topic->args[1].number, reason);
}

static void expect_link(struct bench *bench, bool is_up, int number)
{
    const struct topic *topic = next_topic(bench);

    assert_non_null(topic);
    assert_string_equal(topic->name, is_up ? "IP_READY" : "IP_LOSE");
    assert_int_equal(topic->args[is_up ? 1 : 0].number, number);
}

static void expect_nothing(struct bench *bench)
{
    assert_null(next_topic(bench));
}

/* Wi-Fi is the script's, and quiet. */
static void take_over(struct bench *bench)
{
    wlan_start(wlan_of(bench));
    fake_deliver(bench->fake);
    expect_link(bench, false, STA);
    expect_link(bench, false, AP);
}

static void joined(struct bench *bench)
{
    take_over(bench);
    assert_true(join(bench, "luatos-lab", "12345678"));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_connected(bench, &bench->board.aps[0]);
    expect_link(bench, true, STA);
    expect_nothing(bench);
}

static void the_first_call_takes_the_radio_over(void **state)
{
    struct bench *bench = *state;

    assert_true(bench->sta->base.is_ready);
    take_over(bench);
    wlan_start(wlan_of(bench));
    fake_deliver(bench->fake);
    expect_nothing(bench);
    assert_false(bench->sta->base.is_ready);
}

static void joining_takes_a_moment(void **state)
{
    struct bench *bench = *state;

    take_over(bench);
    assert_true(join(bench, "luatos-lab", "12345678"));
    assert_false(wlan_is_ready(wlan_of(bench)));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS - 1);
    expect_nothing(bench);
    fake_pass_ms(bench->fake, 1);
    expect_connected(bench, &bench->board.aps[0]);
    expect_link(bench, true, STA);
    assert_true(wlan_is_ready(wlan_of(bench)));
}

static void an_open_network_wants_no_password(void **state)
{
    struct bench *bench = *state;

    take_over(bench);
    assert_true(join(bench, "luatos-open", ""));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_connected(bench, &bench->board.aps[1]);
}

static void what_fails_is_told_and_tried_again_for_ever(void **state)
{
    static const struct {
        const char *ssid, *password;
        enum wlan_reason reason;
    } failures[] = {
        { "nowhere", "12345678", WLAN_REASON_NOT_FOUND },
        { "luatos-lab", "wrong password", WLAN_REASON_WRONG_PASSWORD },
        { "luatos-lab", "", WLAN_REASON_WRONG_PASSWORD },
    };
    struct bench *bench = *state;

    take_over(bench);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        assert_true(join(bench, failures[i].ssid, failures[i].password));
        for (int round = 0; round < 3; round++) {
            fake_pass_ms(bench->fake, WLAN_JOIN_MS);
            expect_disconnected(bench, failures[i].reason);
            expect_nothing(bench);
            fake_pass_ms(bench->fake, WLAN_RETRY_MS);
        }
        assert_false(wlan_is_ready(wlan_of(bench)));
    }
}

static void a_station_of_that_name_is_not_any_station(void **state)
{
    struct wlan_target target = { .ssid = "luatos-open", .bssid = { 1 }, .has_bssid = true };
    struct bench *bench = *state;

    take_over(bench);
    assert_true(wlan_connect(wlan_of(bench), &target));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_disconnected(bench, WLAN_REASON_NOT_FOUND);
    memcpy(target.bssid, bench->board.aps[1].bssid, BOARD_MAC_LEN);
    assert_true(wlan_connect(wlan_of(bench), &target));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_connected(bench, &bench->board.aps[1]);
}

static void the_hosts_network_has_any_name(void **state)
{
    struct bench *bench = *state;

    bench->board.slots[ADAPTER_STA].binding = BINDING_HOST;
    take_over(bench);
    assert_true(join(bench, "my own", "whatever"));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    assert_string_equal(next_topic(bench)->args[1].text, "my own");
    expect_link(bench, true, STA);
    assert_true(join(bench, "luatos-lab", "wrong"));
    fake_deliver(bench->fake);
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_disconnected(bench, WLAN_REASON_LEFT);
    expect_link(bench, false, STA);
    expect_disconnected(bench, WLAN_REASON_WRONG_PASSWORD);
}

static void without_a_name_the_last_one_is_joined(void **state)
{
    struct bench *bench = *state;

    assert_false(wlan_connect(wlan_of(bench), NULL));
    fake_deliver(bench->fake);
    expect_link(bench, false, STA);
    expect_link(bench, false, AP);
    assert_true(join(bench, "luatos-open", ""));
    wlan_disconnect(wlan_of(bench)); /* before it was joined: there is nothing to leave */
    fake_pass_ms(bench->fake, WLAN_JOIN_MS + WLAN_RETRY_MS);
    expect_nothing(bench);
    assert_true(wlan_connect(wlan_of(bench), NULL));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS);
    expect_connected(bench, &bench->board.aps[1]);
}

static void leaving_is_told_once_and_nothing_is_tried_again(void **state)
{
    struct bench *bench = *state;

    joined(bench);
    wlan_disconnect(wlan_of(bench));
    wlan_disconnect(wlan_of(bench));
    fake_pass_ms(bench->fake, WLAN_JOIN_MS + WLAN_RETRY_MS);
    expect_disconnected(bench, WLAN_REASON_LEFT);
    expect_link(bench, false, STA);
    expect_nothing(bench);
    assert_int_equal(timers_next_us(&bench->fake->device.timers), UINT64_MAX);
}

static void a_network_that_goes_is_joined_again_when_it_is_back(void **state)
{
    struct bench *bench = *state;

    joined(bench);
    bench->is_unplugged = true;
    apply(bench, ADAPTER_STA);
    fake_deliver(bench->fake);
    expect_disconnected(bench, WLAN_REASON_GONE);
    expect_link(bench, false, STA);
    fake_pass_ms(bench->fake, WLAN_RETRY_MS + WLAN_JOIN_MS);
    expect_disconnected(bench, WLAN_REASON_NOT_FOUND);
    bench->is_unplugged = false;
    fake_pass_ms(bench->fake, WLAN_RETRY_MS + WLAN_JOIN_MS);
    expect_connected(bench, &bench->board.aps[0]);
    expect_link(bench, true, STA);
}

static void a_lost_address_is_no_lost_network(void **state)
{
    struct bench *bench = *state;

    joined(bench);
    fake_link(bench->sta, false); /* the carrier is there: a lease has run out */
    fake_deliver(bench->fake);
    expect_link(bench, false, STA);
    assert_false(wlan_is_ready(wlan_of(bench)));
    fake_link(bench->sta, true);
    fake_deliver(bench->fake);
    expect_link(bench, true, STA);
    expect_nothing(bench);
    assert_true(wlan_is_ready(wlan_of(bench)));
}

static void a_scan_takes_a_moment(void **state)
{
    struct bench *bench = *state;

    take_over(bench);
    wlan_scan(wlan_of(bench));
    assert_false(wlan_of(bench)->has_scanned);
    fake_pass_ms(bench->fake, WLAN_SCAN_MS);
    assert_string_equal(next_topic(bench)->name, "WLAN_SCAN_DONE");
    assert_true(wlan_of(bench)->has_scanned);
}

static void the_access_point_comes_up_with_its_address(void **state)
{
    struct wlan_ap_config config = { .ssid = "mine", .address.prefix_len = 24 };
    struct bench *bench = *state;

    take_over(bench);
    endpoint_set_v4(&config.address.ip, 192, 168, 4, 1);
    assert_int_equal(wlan_start_ap(wlan_of(bench), &config), 0);
    fake_deliver(bench->fake);
    expect_link(bench, true, AP);
    assert_true(endpoint_same_ip(&bench->ap_address.ip, &config.address.ip));
    assert_int_equal(wlan_of(bench)->mode, WLAN_MODE_BOTH);
    assert_true(fake_traced(bench->fake, "\"wlan.ap\""));
    assert_int_equal(wlan_stop_ap(wlan_of(bench)), 0);
    fake_deliver(bench->fake);
    expect_link(bench, false, AP);
}

static void clients_are_told_while_it_is_a_network(void **state)
{
    static const uint8_t mac[BOARD_MAC_LEN] = { 2, 0, 0, 0, 0, 9 };
    struct wlan_ap_config config = { .ssid = "mine", .address.prefix_len = 24 };
    struct bench *bench = *state;
    const struct topic *topic;

    take_over(bench);
    wlan_tell_client(wlan_of(bench), mac, true);
    expect_nothing(bench);
    assert_int_equal(wlan_start_ap(wlan_of(bench), &config), 0);
    wlan_tell_client(wlan_of(bench), mac, true);
    wlan_tell_client(wlan_of(bench), mac, false);
    topic = next_topic(bench);
    assert_string_equal(topic->name, "WLAN_AP_INC");
    assert_string_equal(topic->args[0].text, "CONNECTED");
    assert_memory_equal(topic->args[1].text, mac, sizeof(mac));
    assert_string_equal(next_topic(bench)->args[0].text, "DISCONNECTED");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_call_takes_the_radio_over),
        TEST(joining_takes_a_moment),
        TEST(an_open_network_wants_no_password),
        TEST(what_fails_is_told_and_tried_again_for_ever),
        TEST(a_station_of_that_name_is_not_any_station),
        TEST(the_hosts_network_has_any_name),
        TEST(without_a_name_the_last_one_is_joined),
        TEST(leaving_is_told_once_and_nothing_is_tried_again),
        TEST(a_network_that_goes_is_joined_again_when_it_is_back),
        TEST(a_lost_address_is_no_lost_network),
        TEST(a_scan_takes_a_moment),
        TEST(the_access_point_comes_up_with_its_address),
        TEST(clients_are_told_while_it_is_a_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
