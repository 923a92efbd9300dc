#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/impair.h"
#include "emu/util.h"

#include <cmocka.h>

#define UP   (1U << IMPAIR_DIRECTION_UP)
#define DOWN (1U << IMPAIR_DIRECTION_DOWN)

static struct impair_rule parsed(const char *text)
{
    char why[IMPAIR_WHY_MAX];
    struct impair_rule rule;

    assert_null(impair_parse(&rule, text, why));
    assert_string_equal(rule.text, text);
    return rule;
}

static void a_rule_with_everything_is_read(void **state)
{
    struct impair_rule rule = parsed("LWIP_ETH:down,delay=20ms,jitter=5ms,loss=1%,duplicate=0.5%,"
                                     "reorder=100%,corrupt=0.0001%,rate=10mbit,queue=64kb,mtu=1400,"
                                     "icmp=off,blackhole,reset=1mb,match=tcp:443@10.1.0.0/16,"
                                     "from=2s,for=1.5s");

    (void)state;
    assert_int_equal(rule.adapter, ADAPTER_ETH);
    assert_int_equal(rule.directions, DOWN);
    assert_int_equal(rule.kinds, (1U << IMPAIR_KINDS) - 1 - (1U << IMPAIR_KIND_DNS));
    assert_true(rule.delay_us == 20000 && rule.jitter_us == 5000);
    assert_true(rule.loss_ppm == 10000 && rule.duplicate_ppm == 5000);
    assert_true(rule.reorder_ppm == 1000000 && rule.corrupt_ppm == 1);
    assert_true(rule.rate_bps == 10000000 && rule.queue_len == 65536);
    assert_true(rule.mtu == 1400 && rule.is_silent && rule.reset_at == 1048576);
    assert_true(rule.from_us == 2000000 && rule.until_us == 3500000);
    assert_int_equal(rule.protocol, IMPAIR_PROTOCOL_TCP);
    assert_int_equal(rule.port, 443);
    assert_int_equal(rule.ip.family, IP_FAMILY_V4);
    assert_int_equal(rule.ip_bits, 16);
}

static void without_a_direction_a_rule_is_for_both(void **state)
{
    struct impair_rule rule = parsed("LWIP_GP,blackhole");

    (void)state;
    assert_int_equal(rule.directions, UP | DOWN);
    assert_true(rule.from_us == 0 && rule.until_us == UINT64_MAX);
    assert_int_equal(parsed("LWIP_GP:up,blackhole").directions, UP);
}

static void matches_are_read_in_part(void **state)
{
    struct impair_rule rule = parsed("USB,loss=1%,match=@2001:db8::/32");

    (void)state;
    assert_true(rule.protocol == IMPAIR_PROTOCOL_ANY && rule.port == 0 && rule.ip_bits == 32);
    assert_int_equal(rule.ip.family, IP_FAMILY_V6);
    rule = parsed("USB,loss=1%,match=:80");
    assert_true(rule.port == 80 && rule.ip.family == IP_FAMILY_NONE);
    rule = parsed("USB,loss=1%,match=icmp@192.0.2.1");
    assert_true(rule.protocol == IMPAIR_PROTOCOL_ICMP && rule.ip_bits == 32);
}

static void dns_failures_are_read(void **state)
{
    (void)state;
    assert_int_equal(parsed("LWIP_GP,dns=timeout").dns, IMPAIR_DNS_TIMEOUT);
    assert_int_equal(parsed("LWIP_GP,dns=servfail").dns, IMPAIR_DNS_SERVFAIL);
    assert_int_equal(parsed("LWIP_GP,dns=nxdomain").dns, IMPAIR_DNS_NXDOMAIN);
    assert_int_equal(parsed("LWIP_GP:up,dns=192.0.2.66,match=udp").dns, IMPAIR_DNS_ADDRESS);
    assert_int_equal(parsed("LWIP_GP,dns=2001:db8::1").dns_ip.family, IP_FAMILY_V6);
}

/* 100 ms of the rate, and ten packets at least. */
static void a_rate_has_a_queue(void **state)
{
    (void)state;
    assert_true(parsed("LWIP_GP,rate=10mbit").queue_len == 125000);
    assert_true(parsed("LWIP_GP,rate=9600bit").queue_len == 15000);
    assert_true(parsed("LWIP_GP,rate=0.5kbit,queue=0").queue_len == 0);
}

static void what_is_wrong_is_said_with_its_key(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "ADAPTER,KEY=VALUE" },
        { "LWIP_GP", "nothing that goes wrong" },
        { "LWIP_GP,", "there is no key \"\"" },
        { "LWIP_GP,match=udp", "nothing that goes wrong" },
        { "ETH9,loss=1%", "no adapter \"ETH9\"" },
        { ",loss=1%", "no adapter \"\"" },
        { "LWIP_GP:left,loss=1%", ":up or :down" },
        { "LWIP_GP:up:down,loss=1%", ":up or :down" },
        { "LWIP_GP,lost=1%", "no key \"lost\"; there are delay," },
        { "LWIP_GP,loss", "loss= takes" },
        { "LWIP_GP,loss=", "loss= takes" },
        { "LWIP_GP,loss=1", "loss= takes" },
        { "LWIP_GP,loss=101%", "loss= takes" },
        { "LWIP_GP,loss=-1%", "loss= takes" },
        { "LWIP_GP,loss=1%%", "loss= takes" },
        { "LWIP_GP,loss=1.0000001%", "loss= takes" },
        { "LWIP_GP,loss=1%,loss=2%", "loss= is there twice" },
        { "LWIP_GP,delay=20", "delay= takes" },
        { "LWIP_GP,delay=.ms", "delay= takes" },
        { "LWIP_GP,delay=1.2.3ms", "delay= takes" },
        { "LWIP_GP,delay=2e3ms", "delay= takes" },
        { "LWIP_GP,delay=86401s", "delay= takes" },
        { "LWIP_GP,delay=99999999999999999999ms", "delay= takes" },
        { "LWIP_GP,delay=1ms,jitter=2ms", "jitter= is more" },
        { "LWIP_GP,jitter=2ms,loss=1%", "jitter= is more" },
        { "LWIP_GP,rate=1mb", "rate= takes" },
        { "LWIP_GP,rate=99bit", "rate= takes" },
        { "LWIP_GP,rate=101gbit", "rate= takes" },
        { "LWIP_GP,rate=1mbit,queue=65mb", "queue= takes" },
        { "LWIP_GP,loss=1%,queue=1kb", "queue= needs rate=" },
        { "LWIP_GP,mtu=67", "mtu= takes" },
        { "LWIP_GP,mtu=1400.5", "mtu= takes" },
        { "LWIP_GP,mtu=1400,icmp=no", "icmp= takes" },
        { "LWIP_GP,loss=1%,icmp=off", "icmp= needs mtu=" },
        { "LWIP_GP,blackhole=1", "blackhole takes no value" },
        { "LWIP_GP,reset=x", "reset= takes" },
        { "LWIP_GP,reset=1,match=udp", "reset= acts on TCP" },
        { "LWIP_GP,dns=never", "dns= takes" },
        { "LWIP_GP,dns=timeout,match=tcp", "dns= acts on UDP" },
        { "LWIP_GP:down,dns=timeout", "queries, which go up" },
        { "LWIP_GP,loss=1%,match=", "match= takes" },
        { "LWIP_GP,loss=1%,match=sctp", "match= takes" },
        { "LWIP_GP,loss=1%,match=tcp:0", "match= takes" },
        { "LWIP_GP,loss=1%,match=tcp:65536", "match= takes" },
        { "LWIP_GP,loss=1%,match=tcp:80@", "match= takes" },
        { "LWIP_GP,loss=1%,match=@1.2.3.4/33", "match= takes" },
        { "LWIP_GP,loss=1%,match=@1.2.3.4/", "match= takes" },
        { "LWIP_GP,loss=1%,from=2s,until=2s", "until= is not after from=" },
        { "LWIP_GP,loss=1%,for=0s", "for= is no time" },
        { "LWIP_GP,loss=1%,until=2s,for=1s", "until= and for=" },
    };

    (void)state;
    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        char why[IMPAIR_WHY_MAX];
        struct impair_rule rule;
        const char *wrong = impair_parse(&rule, rows[i].text, why);

        if (!wrong || !strstr(wrong, rows[i].says))
            fail_msg("\"%s\": %s", rows[i].text, wrong ? wrong : "was taken");
    }
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    char text[IMPAIR_TEXT_MAX + 1] = "LWIP_GP,loss=1%", why[IMPAIR_WHY_MAX];
    size_t len = strlen(text);
    struct impair_rule rule;

    (void)state;
    memset(text + len, '0', sizeof(text) - 1 - len);
    text[sizeof(text) - 1] = '\0';
    assert_string_equal(impair_parse(&rule, text, why), "it is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_with_everything_is_read),
        cmocka_unit_test(without_a_direction_a_rule_is_for_both),
        cmocka_unit_test(matches_are_read_in_part),
        cmocka_unit_test(dns_failures_are_read),
        cmocka_unit_test(a_rate_has_a_queue),
        cmocka_unit_test(what_is_wrong_is_said_with_its_key),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
