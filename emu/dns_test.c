#include "emu/dns.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "emu/fake_device.h"
#include "emu/util.h"

#include <cmocka.h>

#define SERVER_1 "192.0.2.53:53"
#define SERVER_2 "192.0.2.54:53"

/* Who wants to know an address. Stays where it is while its lookup runs. */
struct asker {
    struct sock_owner owner;
    struct dns_request request;
    unsigned told;
};

static void on_done(struct sock_owner *owner, const struct net_event *event)
{
    assert_int_equal(event->type, NET_EVENT_DNS_DONE);
    container_of(owner, struct asker, owner)->told++;
}

static int start(struct fake_device *fake, struct asker *asker, const char *name, bool want_ipv6)
{
    *asker = (struct asker){ .owner = { on_done } };
    asker->request.tag = net_tag_add(&fake->device.net, &asker->owner);
    return dns_start(&fake->adapter->base, name, want_ipv6, &asker->request);
}

static void begin(struct fake_device *fake, struct asker *asker, const char *name)
{
    assert_int_equal(start(fake, asker, name, false), 0);
}

static void set_server(struct endpoint *slot, const char *ip)
{
    *slot = (struct endpoint){ .port = DNS_PORT };
    assert_true(endpoint_set_text(slot, ip));
}

/* The network names two servers. */
static int setup(void **state)
{
    struct fake_device *fake;

    if (fake_device_setup(state) < 0)
        return -1;
    fake = *state;
    set_server(&fake->adapter->info.dns[0], "192.0.2.53");
    set_server(&fake->adapter->info.dns[1], "192.0.2.54");
    fake->adapter->info.dns_count = 2;
    return 0;
}

/* The socket on which @server is being asked now. */
static struct fake_sock *asking(struct fake_device *fake, const char *server)
{
    struct fake_sock *sock = fake_newest(fake->adapter);
    char text[ENDPOINT_TEXT_MAX];

    assert_non_null(sock);
    assert_true(sock->is_open);
    assert_int_equal(sock->spec.type, SOCK_TYPE_UDP);
    assert_string_equal(endpoint_text(&sock->remote, text), server);
    return sock;
}

/* What was asked there; every try asks the same. */
static struct dns_asked read_query(const struct fake_sock *sock)
{
    size_t len = sock->sends ? sock->sent_len / sock->sends : 0;
    struct dns_asked query;

    assert_int_equal(dns_read_query(sock->sent, len, &query), 0);
    assert_int_equal(query.rcode, DNS_RCODE_OK);
    return query;
}

/* @addresses are separated by spaces. */
static int parse_addresses(const char *addresses, struct endpoint addrs[DNS_ADDRS_MAX])
{
    char text[128], *save = NULL;
    int count = 0;

    assert_true(strlen(addresses) < sizeof(text));
    (void)snprintf(text, sizeof(text), "%s", addresses);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(count < DNS_ADDRS_MAX);
        addrs[count] = (struct endpoint){ 0 };
        assert_true(endpoint_set_text(&addrs[count++], word));
    }
    return count;
}

/* The server at the other end of @sock answers. */
static void answer(struct fake_device *fake, struct fake_sock *sock, enum dns_rcode rcode,
                   const char *addresses)
{
    const struct dns_asked query = read_query(sock);
    struct endpoint addrs[DNS_ADDRS_MAX];
    int count = parse_addresses(addresses, addrs);
    uint8_t message[DNS_MSG_MAX];
    size_t len = dns_write_answer(&query, rcode, addrs, count, message);

    fake_datagram(fake->adapter, sock, message, len, &sock->remote);
    fake_deliver(fake);
}

/* The asker has been told, once; @addresses as for answer(), "" when the lookup failed. */
static void assert_told(struct fake_device *fake, struct asker *asker, const char *addresses)
{
    struct endpoint addrs[DNS_ADDRS_MAX];
    int count = parse_addresses(addresses, addrs);

    fake_deliver(fake);
    assert_int_equal(asker->told, 1);
    assert_null(asker->request.query);
    assert_int_equal(asker->request.count, count);
    for (int i = 0; i < count; i++)
        assert_true(endpoint_same_ip(&asker->request.addrs[i], &addrs[i]));
}

static void assert_all_is_over(struct fake_device *fake)
{
    assert_int_equal(fake_open_count(fake->adapter), 0);
    assert_int_equal(net_active(&fake->device.net), 0);
    assert_int_equal(timers_next_us(&fake->device.timers), UINT64_MAX);
}

/* ---- one question ---------------------------------------------------------------------------- */

static void a_name_is_asked_of_the_first_server_and_its_answer_told(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;
    struct dns_asked query;
    char text[DNS_NAME_MAX];

    begin(fake, &asker, "Example.com");
    query = read_query(asking(fake, SERVER_1));
    assert_int_equal(query.question.type, DNS_TYPE_A);
    assert_string_equal(dns_name_text(&query.question.name, text), "example.com");
    assert_int_equal(net_active(&fake->device.net), 2); /* the lookup and its socket */
    assert_int_equal(asker.told, 0);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9 192.0.2.7");
    assert_told(fake, &asker, "192.0.2.9 192.0.2.7");
    assert_all_is_over(fake);
}

static void nothing_is_remembered_for_the_next_lookup(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    for (int i = 1; i <= 2; i++) {
        begin(fake, &asker, "example.com");
        answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
        assert_told(fake, &asker, "192.0.2.9");
        assert_int_equal(fake->adapter->socks_count, i);
    }
}

static void a_name_that_does_not_exist_fails_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_NXDOMAIN, "");
    assert_told(fake, &asker, "");
    assert_all_is_over(fake);
}

static void a_name_without_an_address_fails_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "2001:db8::1"); /* none of its type */
    assert_told(fake, &asker, "");
    assert_all_is_over(fake);
}

static void what_is_no_name_is_refused_and_leaves_nothing(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "", false), -EINVAL);
    assert_int_equal(start(fake, &asker, "a..b", false), -EINVAL);
    fake_deliver(fake);
    assert_int_equal(asker.told, 0);
    assert_all_is_over(fake);
}

static void a_name_of_any_bytes_is_asked_for_and_traced(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "\xff.com");
    assert_true(fake_traced(fake, "\"kind\":\"dns.query\",\"name\":\"\xef\xbf\xbd.com\","
                                  "\"type\":\"A\",\"server\":\"" SERVER_1 "\""));
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
    assert_true(fake_traced(fake, "\"kind\":\"dns.done\",\"name\":\"\xef\xbf\xbd.com\","
                                  "\"addresses\":1"));
}

static void localhost_is_answered_without_asking(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "LocalHost");
    assert_told(fake, &asker, "127.0.0.1");
    assert_int_equal(start(fake, &asker, "localhost", true), 0);
    assert_told(fake, &asker, "::1 127.0.0.1");
    assert_int_equal(fake->adapter->socks_count, 0);
}

/* ---- when and whom ------------------------------------------------------------------------------ */

static void a_silent_server_is_asked_at_0_1_and_3_s_and_left_at_6(void **state)
{
    struct fake_device *fake = *state;
    struct fake_sock *sock;
    struct asker asker;

    begin(fake, &asker, "example.com");
    sock = asking(fake, SERVER_1);
    assert_int_equal(sock->sends, 1);
    fake_pass_ms(fake, 999);
    assert_int_equal(sock->sends, 1);
    fake_pass_ms(fake, 1);
    assert_int_equal(sock->sends, 2);
    fake_pass_ms(fake, 1999);
    assert_int_equal(sock->sends, 2);
    fake_pass_ms(fake, 1);
    assert_int_equal(sock->sends, 3);
    fake_pass_ms(fake, 2999);
    assert_ptr_equal(asking(fake, SERVER_1), sock);
    assert_int_equal(sock->sends, 3);
    fake_pass_ms(fake, 1);
    assert_int_equal(asking(fake, SERVER_2)->sends, 1);
    assert_false(sock->is_open);
    dns_cancel(&asker.request);
}

static void when_all_servers_are_silent_the_lookup_fails(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    fake_pass_ms(fake, 11999);
    assert_int_equal(asker.told, 0);
    fake_pass_ms(fake, 1);
    assert_told(fake, &asker, "");
    assert_int_equal(fake->adapter->socks_count, 2);
    assert_all_is_over(fake);
}

static void the_answer_to_an_earlier_try_counts(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    fake_pass_ms(fake, 3500);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

static void a_server_that_refuses_is_left_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_REFUSED, "");
    answer(fake, asking(fake, SERVER_2), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
    assert_int_equal(fake->device.clock.now_us, 0);
}

static void when_all_servers_refuse_the_lookup_fails(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_REFUSED, "");
    answer(fake, asking(fake, SERVER_2), DNS_RCODE_FORMERR, "");
    assert_told(fake, &asker, "");
    assert_all_is_over(fake);
}

static void a_server_to_which_no_way_leads_is_left_at_once(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    begin(fake, &asker, "example.com");
    fake_report(fake->adapter, asking(fake, SERVER_1), NET_EVENT_ERROR, EHOSTUNREACH);
    fake_deliver(fake);
    answer(fake, asking(fake, SERVER_2), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

static void a_socket_that_cannot_be_opened_costs_only_its_server(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    fake->adapter->connect_rc = -ENOBUFS;
    fake->adapter->connects_to_fail = 1;
    begin(fake, &asker, "example.com");
    (void)asking(fake, SERVER_2);
    dns_cancel(&asker.request);
    fake->adapter->connects_to_fail = 2;
    begin(fake, &asker, "example.com"); /* fails, but is told later */
    assert_int_equal(asker.told, 0);
    assert_told(fake, &asker, "");
    assert_all_is_over(fake);
}

static void what_a_left_server_still_says_comes_to_nothing(void **state)
{
    struct fake_device *fake = *state;
    struct fake_sock *left;
    struct asker asker;

    begin(fake, &asker, "example.com");
    left = asking(fake, SERVER_1);
    fake_pass_ms(fake, 6000);
    (void)asking(fake, SERVER_2);
    answer(fake, left, DNS_RCODE_OK, "192.0.2.66");
    assert_int_equal(asker.told, 0);
    answer(fake, asking(fake, SERVER_2), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

static void what_answers_something_else_is_passed_over(void **state)
{
    struct fake_device *fake = *state;
    struct fake_sock *sock;
    struct dns_asked query;
    struct endpoint liar;
    uint8_t message[DNS_MSG_MAX];
    struct asker asker;
    size_t len;

    begin(fake, &asker, "example.com");
    sock = asking(fake, SERVER_1);
    query = read_query(sock);
    set_server(&liar, "192.0.2.66");
    query.question.id ^= 1;
    len = dns_write_answer(&query, DNS_RCODE_OK, &liar, 1, message);
    fake_datagram(fake->adapter, sock, message, len, &sock->remote);
    fake_datagram(fake->adapter, sock, "", 0, &sock->remote);
    fake_datagram(fake->adapter, sock, sock->sent, sock->sent_len, &sock->remote); /* an echo */
    fake_deliver(fake);
    assert_int_equal(asker.told, 0);
    assert_true(fake_traced(fake, "\"kind\":\"dns.bad\",\"name\":\"example.com\""));
    answer(fake, sock, DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

/* A W5500's sockets hear everyone. */
static void only_the_server_that_was_asked_is_believed(void **state)
{
    struct fake_device *fake = *state;
    struct dns_asked query;
    struct endpoint liar, elsewhere;
    uint8_t message[DNS_MSG_MAX];
    struct fake_sock *sock;
    struct asker asker;
    size_t len;

    begin(fake, &asker, "example.com");
    sock = asking(fake, SERVER_1);
    query = read_query(sock);
    set_server(&liar, "192.0.2.66");
    elsewhere = sock->remote;
    elsewhere.port++;
    len = dns_write_answer(&query, DNS_RCODE_OK, &liar, 1, message);
    fake_datagram(fake->adapter, sock, message, len, &liar);
    fake_datagram(fake->adapter, sock, message, len, &elsewhere);
    fake_deliver(fake);
    assert_int_equal(asker.told, 0);
    answer(fake, sock, DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

/* ---- which servers --------------------------------------------------------------------------------- */

/* Let every server refuse; the servers in the order in which they were asked, with spaces between. */
static void assert_servers(struct fake_device *fake, const char *expected)
{
    char asked[256] = "", text[ENDPOINT_TEXT_MAX];
    struct asker asker;
    int len = 0;

    begin(fake, &asker, "example.com");
    while (!asker.told) {
        struct fake_sock *sock = fake_newest(fake->adapter);

        assert_int_equal(sock->remote.port, DNS_PORT);
        len += snprintf(asked + len, sizeof(asked) - (size_t)len, "%s%s", len ? " " : "",
                        endpoint_ip_text(&sock->remote, text));
        assert_true(len < (int)sizeof(asked));
        answer(fake, sock, DNS_RCODE_REFUSED, "");
        fake_deliver(fake);
    }
    assert_string_equal(asked, expected);
}

/* LuatOS net_lwip2.c:1036-1083 */
static void slots_of_the_script_come_before_those_of_the_network(void **state)
{
    struct fake_device *fake = *state;
    struct endpoint *slots = fake->adapter->base.dns_static;

    assert_servers(fake, "192.0.2.53 192.0.2.54");
    set_server(&slots[1], "198.51.100.2");
    assert_servers(fake, "192.0.2.53 198.51.100.2");
    set_server(&slots[2], "198.51.100.3");
    set_server(&slots[3], "198.51.100.4");
    assert_servers(fake, "192.0.2.53 198.51.100.2 198.51.100.3 198.51.100.4");
    set_server(&slots[0], "198.51.100.1");
    assert_servers(fake, "198.51.100.1 198.51.100.2 198.51.100.3 198.51.100.4");
}

static void the_gateway_and_114_stand_in_for_servers_that_are_not_named(void **state)
{
    struct fake_device *fake = *state;
    struct endpoint *slots = fake->adapter->base.dns_static;

    fake->adapter->info.dns_count = 1;
    assert_servers(fake, "192.0.2.53 114.114.114.114");
    fake->adapter->info.dns_count = 0;
    assert_servers(fake, "192.0.2.1 114.114.114.114");
    set_server(&slots[1], "198.51.100.2");
    assert_servers(fake, "198.51.100.2 192.0.2.1");
    set_server(&slots[2], "198.51.100.3");
    assert_servers(fake, "198.51.100.2 198.51.100.3");
    slots[1] = slots[2] = (struct endpoint){ 0 };
    set_server(&slots[0], "198.51.100.1");
    assert_servers(fake, "198.51.100.1 114.114.114.114");
    slots[0] = (struct endpoint){ 0 };
    endpoint_set_v4(&fake->adapter->info.gateway, 0, 0, 0, 0);
    assert_servers(fake, "114.114.114.114");
}

/* ---- IPv6 ---------------------------------------------------------------------------------------------- */

static void with_ipv6_wanted_aaaa_is_asked_and_then_a(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "example.com", true), 0);
    assert_int_equal(read_query(asking(fake, SERVER_1)).question.type, DNS_TYPE_AAAA);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "2001:db8::1 2001:db8::2");
    assert_int_equal(asker.told, 0);
    assert_int_equal(read_query(asking(fake, SERVER_1)).question.type, DNS_TYPE_A);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9 192.0.2.8 192.0.2.7");
    assert_told(fake, &asker, "2001:db8::1 2001:db8::2 192.0.2.9 192.0.2.8");
    assert_all_is_over(fake);
}

static void a_name_without_ipv6_addresses_gives_the_others(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "example.com", true), 0);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "192.0.2.9");
}

/* Each question has its own way through the servers. */
static void the_second_question_begins_at_the_first_server_again(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "example.com", true), 0);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_REFUSED, "");
    answer(fake, asking(fake, SERVER_2), DNS_RCODE_OK, "2001:db8::1");
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &asker, "2001:db8::1 192.0.2.9");
}

static void ipv6_addresses_stay_when_the_second_question_fails(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "example.com", true), 0);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "2001:db8::1");
    fake_pass_ms(fake, 12000);
    assert_told(fake, &asker, "2001:db8::1");
}

static void a_name_that_does_not_exist_is_not_asked_for_twice(void **state)
{
    struct fake_device *fake = *state;
    struct asker asker;

    assert_int_equal(start(fake, &asker, "example.com", true), 0);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_NXDOMAIN, "");
    assert_told(fake, &asker, "");
    assert_int_equal(fake->adapter->socks_count, 1);
}

/* ---- several who ask --------------------------------------------------------------------------------------- */

static void lookups_of_one_name_at_one_time_share_a_query(void **state)
{
    struct fake_device *fake = *state;
    struct asker first, second;

    begin(fake, &first, "example.com");
    fake_pass_ms(fake, 500);
    begin(fake, &second, "EXAMPLE.com.");
    assert_int_equal(fake->adapter->socks_count, 1);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &first, "192.0.2.9");
    assert_told(fake, &second, "192.0.2.9");
}

static void different_names_are_asked_for_side_by_side(void **state)
{
    struct fake_device *fake = *state;
    struct asker first, second, third;
    struct fake_sock *sock;

    begin(fake, &first, "a.example");
    sock = asking(fake, SERVER_1);
    begin(fake, &second, "b.example");
    assert_int_equal(start(fake, &third, "a.example", true), 0);
    assert_int_equal(fake_open_count(fake->adapter), 3);
    answer(fake, sock, DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &first, "192.0.2.9");
    assert_int_equal(second.told + third.told, 0);
    dns_cancel(&second.request);
    dns_cancel(&third.request);
    assert_all_is_over(fake);
}

static void who_cancels_is_not_told_and_the_others_are(void **state)
{
    struct fake_device *fake = *state;
    struct asker first, second;

    begin(fake, &first, "example.com");
    begin(fake, &second, "example.com");
    dns_cancel(&first.request);
    dns_cancel(&first.request);
    answer(fake, asking(fake, SERVER_1), DNS_RCODE_OK, "192.0.2.9");
    assert_told(fake, &second, "192.0.2.9");
    assert_int_equal(first.told, 0);
    dns_cancel(&second.request); /* long done */
}

static void with_the_last_who_asked_the_query_ends(void **state)
{
    struct fake_device *fake = *state;
    struct asker first, second;

    begin(fake, &first, "example.com");
    begin(fake, &second, "example.com");
    dns_cancel(&second.request);
    assert_int_equal(fake_open_count(fake->adapter), 1);
    dns_cancel(&first.request);
    assert_all_is_over(fake);
    fake_pass_ms(fake, 20000);
    assert_int_equal(first.told + second.told, 0);
}

#define ON_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, fake_device_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DEVICE(a_name_is_asked_of_the_first_server_and_its_answer_told),
        ON_DEVICE(nothing_is_remembered_for_the_next_lookup),
        ON_DEVICE(a_name_that_does_not_exist_fails_at_once),
        ON_DEVICE(a_name_without_an_address_fails_at_once),
        ON_DEVICE(what_is_no_name_is_refused_and_leaves_nothing),
        ON_DEVICE(a_name_of_any_bytes_is_asked_for_and_traced),
        ON_DEVICE(localhost_is_answered_without_asking),
        ON_DEVICE(a_silent_server_is_asked_at_0_1_and_3_s_and_left_at_6),
        ON_DEVICE(when_all_servers_are_silent_the_lookup_fails),
        ON_DEVICE(the_answer_to_an_earlier_try_counts),
        ON_DEVICE(a_server_that_refuses_is_left_at_once),
        ON_DEVICE(when_all_servers_refuse_the_lookup_fails),
        ON_DEVICE(a_server_to_which_no_way_leads_is_left_at_once),
        ON_DEVICE(a_socket_that_cannot_be_opened_costs_only_its_server),
        ON_DEVICE(what_a_left_server_still_says_comes_to_nothing),
        ON_DEVICE(what_answers_something_else_is_passed_over),
        ON_DEVICE(only_the_server_that_was_asked_is_believed),
        ON_DEVICE(slots_of_the_script_come_before_those_of_the_network),
        ON_DEVICE(the_gateway_and_114_stand_in_for_servers_that_are_not_named),
        ON_DEVICE(with_ipv6_wanted_aaaa_is_asked_and_then_a),
        ON_DEVICE(a_name_without_ipv6_addresses_gives_the_others),
        ON_DEVICE(the_second_question_begins_at_the_first_server_again),
        ON_DEVICE(ipv6_addresses_stay_when_the_second_question_fails),
        ON_DEVICE(a_name_that_does_not_exist_is_not_asked_for_twice),
        ON_DEVICE(lookups_of_one_name_at_one_time_share_a_query),
        ON_DEVICE(different_names_are_asked_for_side_by_side),
        ON_DEVICE(who_cancels_is_not_told_and_the_others_are),
        ON_DEVICE(with_the_last_who_asked_the_query_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
