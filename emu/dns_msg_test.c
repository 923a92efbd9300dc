#include "emu/dns_msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID 0x1234

/* Messages are written as text: a string literal and its length. */
#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* The parts of an answer to "www.example.com", whose name begins at octet 12. */
#define HEADER(flags, questions, answers) "\x12\x34" flags "\0" questions "\0" answers "\0\0\0\0"
#define NAME                              "\x03www\x07\x65xample\x03\x63om\0"
#define QUESTION_A                        NAME "\0\x01\0\x01"
#define QUESTION_4A                       NAME "\0\x1c\0\x01"
#define OWN                               "\xc0\x0c" /* a pointer to the question's name */
#define TTL                               "\0\0\x0e\x10"
#define A(name, address)                  name "\0\x01\0\x01" TTL "\0\x04" address
#define AAAA(name, address)               name "\0\x1c\0\x01" TTL "\0\x10" address
#define CNAME(name, len, to)              name "\0\x05\0\x01" TTL "\0" len to
#define GOOD                              "\x81\x80"

#define ADDRESS_1 "\xc0\x00\x02\x01" /* 192.0.2.1 */
#define ADDRESS_2 "\xc0\x00\x02\x02"
#define ADDRESS_6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"

static struct dns_question ask(const char *name, enum dns_type type)
{
    struct dns_question question = { .id = ID, .type = type };

    assert_int_equal(dns_name_set(&question.name, name), 0);
    return question;
}

static int read_as(enum dns_type type, const uint8_t *message, size_t len,
                   struct dns_answer *answer)
{
    const struct dns_question question = ask("www.example.com", type);

    return dns_read_answer(&question, message, len, answer);
}

static void assert_refused(const uint8_t *message, size_t len)
{
    struct dns_answer answer;

    assert_int_equal(read_as(DNS_TYPE_A, message, len, &answer), -EBADMSG);
}

/* The last parts of the addresses, which are 192.0.2.x, each a character of @expected. */
static void assert_addresses(const uint8_t *message, size_t len, const char *expected)
{
    struct dns_answer answer;

    assert_int_equal(read_as(DNS_TYPE_A, message, len, &answer), 0);
    assert_int_equal(answer.rcode, DNS_RCODE_OK);
    assert_int_equal(answer.count, strlen(expected));
    for (int i = 0; i < answer.count; i++) {
        struct endpoint want = { 0 };

        endpoint_set_v4(&want, 192, 0, 2, (uint8_t)(expected[i] - '0'));
        assert_true(endpoint_same_ip(&answer.addrs[i], &want));
        assert_int_equal(answer.addrs[i].port, 0);
    }
}

/* ---- names and queries ------------------------------------------------------------------------ */

static void assert_name(const char *text, const char *octets, size_t len)
{
    struct dns_name name;

    assert_int_equal(dns_name_set(&name, text), 0);
    assert_int_equal(name.len, len);
    assert_memory_equal(name.octets, octets, len);
}

static void a_name_becomes_labels_in_lower_case(void **state)
{
    (void)state;
    assert_name("Example.COM", "\7example\3com", 13);
    assert_name("example.com.", "\7example\3com", 13);
    assert_name("x", "\1x", 3);
}

static void labels_and_names_have_their_greatest_lengths(void **state)
{
    struct dns_name name;
    char text[300];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[63] = '\0';
    assert_int_equal(dns_name_set(&name, text), 0);
    text[63] = 'x';
    text[64] = '\0';
    assert_int_equal(dns_name_set(&name, text), -EINVAL);
    text[63] = text[127] = text[191] = '.';
    text[64] = 'x';
    text[253] = '\0';
    assert_int_equal(dns_name_set(&name, text), 0);
    assert_int_equal(name.len, 255);
    text[253] = 'x';
    text[254] = '\0';
    assert_int_equal(dns_name_set(&name, text), -EINVAL);
}

static void what_has_an_empty_label_is_no_name(void **state)
{
    static const char *const texts[] = { "", ".", "..", ".com", "a..b", "a.." };
    struct dns_name name;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(dns_name_set(&name, texts[i]), -EINVAL);
}

static void a_query_asks_one_question_and_wants_recursion(void **state)
{
    static const char expected[] = HEADER("\x01\x00", "\x01", "\x00") QUESTION_4A;
    const struct dns_question question = ask("www.example.com", DNS_TYPE_AAAA);
    uint8_t message[DNS_MSG_MAX];

    (void)state;
    assert_int_equal(dns_write_query(&question, message), sizeof(expected) - 1);
    assert_memory_equal(message, expected, sizeof(expected) - 1);
}

/* ---- answers -------------------------------------------------------------------------------------- */

static void addresses_come_in_the_order_of_the_answer(void **state)
{
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\2") QUESTION_A A(OWN, ADDRESS_2) A(OWN, ADDRESS_1)),
                     "21");
}

static void four_addresses_are_kept_of_more(void **state)
{
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\6") QUESTION_A A(OWN, ADDRESS_1) A(OWN, ADDRESS_2)
                               A(OWN, ADDRESS_1) A(OWN, ADDRESS_2) A(OWN, ADDRESS_1)
                                   A(OWN, ADDRESS_2)),
                     "1212");
}

static void ipv6_addresses_are_those_of_their_type(void **state)
{
    struct dns_answer answer;
    char text[ENDPOINT_TEXT_MAX];

    (void)state;
    assert_int_equal(
        read_as(DNS_TYPE_AAAA,
                BYTES(HEADER(GOOD, "\1", "\2") QUESTION_4A A(OWN, ADDRESS_1) AAAA(OWN, ADDRESS_6)),
                &answer),
        0);
    assert_int_equal(answer.count, 1);
    assert_string_equal(endpoint_ip_text(&answer.addrs[0], text), "2001:db8::1");
}

static void the_question_may_come_back_in_other_case(void **state)
{
    (void)state;
    assert_addresses(
        BYTES(HEADER(GOOD, "\1", "\1") "\3WwW\7eXAMPLE\3COM\0\0\1\0\1" A(OWN, ADDRESS_1)), "1");
}

static void refusals_are_read_with_their_code(void **state)
{
    struct dns_answer answer;

    (void)state;
    assert_int_equal(read_as(DNS_TYPE_A, BYTES(HEADER("\x81\x83", "\1", "\0") QUESTION_A), &answer),
                     0);
    assert_int_equal(answer.rcode, DNS_RCODE_NXDOMAIN);
    assert_int_equal(answer.count, 0);
    assert_int_equal(read_as(DNS_TYPE_A, BYTES(HEADER("\x81\x82", "\1", "\0") QUESTION_A), &answer),
                     0);
    assert_int_equal(answer.rcode, 2);
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\0") QUESTION_A), "");
}

static void what_does_not_answer_the_question_is_refused(void **state)
{
    (void)state;
    assert_refused(BYTES("\x12\x35" GOOD "\0\1\0\1\0\0\0\0" QUESTION_A A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER("\x01\x80", "\1", "\1") QUESTION_A A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER("\x89\x80", "\1", "\1") QUESTION_A A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\0", "\1") A(NAME, ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\2", "\1") QUESTION_A QUESTION_A A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_4A A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") NAME "\0\1\0\3" A(OWN, ADDRESS_1)));
    assert_refused(
        BYTES(HEADER(GOOD, "\1", "\1") "\3wwx\7example\3com\0\0\1\0\1" A(OWN, ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") "\7example\3com\0\0\1\0\1" A(OWN, ADDRESS_1)));
}

static void records_of_other_names_types_and_classes_are_passed_over(void **state)
{
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\5") QUESTION_A A("\5other\0", ADDRESS_2)
                               AAAA(OWN, ADDRESS_6) OWN "\0\x10\0\1" TTL "\0\2\1x" /* TXT */
                           OWN "\0\1\0\3" TTL "\0\4" ADDRESS_2 /* of class CHAOS */
                               A(OWN, ADDRESS_1)),
                     "1");
}

static void an_alias_leads_to_the_addresses_of_its_name(void **state)
{
    (void)state;
    assert_addresses(
        BYTES(HEADER(GOOD, "\1", "\4")
                  QUESTION_A CNAME(OWN, "\6", "\3cdn\xc0\x10") /* cdn.example.com, at 45 */
              CNAME("\xc0\x2d", "\3", "\1x\0") A("\1x\0", ADDRESS_1) A("\5other\0", ADDRESS_2)),
        "1");
}

/* Servers that shuffle their records do so. */
static void an_alias_may_stand_behind_the_addresses(void **state)
{
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\4") QUESTION_A A("\1x\0", ADDRESS_2) CNAME(
                         "\1y\0", "\3", "\1x\0") CNAME(OWN, "\3", "\1y\0") A(OWN, ADDRESS_1)),
                     "21");
}

static void aliases_that_go_round_in_a_circle_end(void **state)
{
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\3") QUESTION_A CNAME(OWN, "\3", "\1x\0")
                               CNAME("\1x\0", "\2", OWN) CNAME(OWN, "\2", OWN)),
                     "");
}

static void a_chain_of_too_many_aliases_is_not_followed_to_its_end(void **state)
{
#define STEP(from, to) CNAME("\1" from "\0", "\3", "\1" to "\0")
    (void)state;
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\x08") QUESTION_A CNAME(OWN, "\3", "\1a\0")
                               STEP("a", "b") STEP("b", "c") STEP("c", "d") STEP("d", "e")
                                   STEP("e", "f") STEP("f", "g") A("\1g\0", ADDRESS_1)),
                     "1");
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\x09") QUESTION_A CNAME(OWN, "\3", "\1a\0") STEP(
                         "a", "b") STEP("b", "c") STEP("c", "d") STEP("d", "e") STEP("e", "f")
                               STEP("f", "g") STEP("g", "h") A("\1h\0", ADDRESS_1)),
                     "");
#undef STEP
}

static void names_that_point_at_themselves_or_forward_are_refused(void **state)
{
    (void)state;
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") "\xc0\x0c\0\1\0\1"));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\xc0\x21", ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\xc0\x30", ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\1a\xc0\x21", ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\xff\xff", ADDRESS_1)));
    /* two that point at each other: data of a TXT record, at 45, and the name behind it, at 47 */
    assert_refused(BYTES(HEADER(GOOD, "\1", "\2") QUESTION_A OWN
                         "\0\x10\0\1" TTL "\0\2\xc0\x2f" A("\xc0\x2d", ADDRESS_1)));
}

static void labels_of_unknown_kinds_are_refused(void **state)
{
    (void)state;
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\x40x\0", ADDRESS_1)));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A A("\x80x\0", ADDRESS_1)));
}

static void a_name_that_grows_too_long_by_pointers_is_refused(void **state)
{
    uint8_t message[DNS_MSG_MAX];
    static const char head[] = HEADER(GOOD, "\1", "\2") QUESTION_A;
    static const char record[] = "\0\x10\0\1" TTL "\0\0"; /* TXT, empty */
    size_t len = sizeof(head) - 1, first = len;

    (void)state;
    memcpy(message, head, len);
    for (int i = 0; i < 3; i++) { /* 192 octets... */
        message[len++] = 63;
        memset(message + len, 'x', 63);
        len += 63;
    }
    message[len++] = 0;
    memcpy(message + len, record, sizeof(record) - 1);
    len += sizeof(record) - 1;
    message[len++] = 63; /* ...and 64 before them are one too many */
    memset(message + len, 'x', 63);
    len += 63;
    message[len++] = (uint8_t)(0xc0 | first >> 8);
    message[len++] = (uint8_t)first;
    memcpy(message + len, record, sizeof(record) - 1);
    len += sizeof(record) - 1;
    assert_refused(message, len);
}

static void an_address_of_the_wrong_size_is_refused(void **state)
{
    (void)state;
    assert_refused(
        BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A OWN "\0\1\0\1" TTL "\0\5" ADDRESS_1 "\0"));
    assert_refused(BYTES(HEADER(GOOD, "\1", "\1") QUESTION_A OWN "\0\1\0\1" TTL "\0\0"));
}

static void an_alias_that_does_not_fit_its_record_is_refused(void **state)
{
    (void)state;
    assert_refused(
        BYTES(HEADER(GOOD, "\1", "\2") QUESTION_A CNAME(OWN, "\2", "\1x\0") A(OWN, ADDRESS_1)));
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    static const char whole[] =
        HEADER(GOOD, "\1", "\2") QUESTION_A CNAME(OWN, "\3", "\1x\0") A("\1x\0", ADDRESS_1);
    uint8_t exact[sizeof(whole)];

    (void)state;
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        /* at the end of its memory, so that a read beyond it shows */
        uint8_t *at = exact + sizeof(exact) - len;

        memcpy(at, whole, len);
        assert_refused(at, len);
    }
    assert_addresses(BYTES(HEADER(GOOD, "\1", "\2") QUESTION_A CNAME(OWN, "\3", "\1x\0")
                               A("\1x\0", ADDRESS_1)),
                     "1");
}

static void a_truncated_answer_gives_what_is_there(void **state)
{
    struct dns_answer answer;

    (void)state;
    assert_int_equal(
        read_as(DNS_TYPE_A,
                BYTES(HEADER("\x83\x80", "\1", "\3") QUESTION_A A(OWN, ADDRESS_1) "\xc0\x0c\0\1"),
                &answer),
        0);
    assert_true(answer.is_truncated);
    assert_int_equal(answer.count, 1);
    assert_refused(BYTES(HEADER("\x83\x80", "\1", "\3") NAME "\0\1"));
}

/* ---- the other side ---------------------------------------------------------------------------- */

static void an_answer_can_be_read_by_who_asked(void **state)
{
    const struct dns_question question = ask("www.example.com", DNS_TYPE_A);
    struct endpoint addrs[3] = { 0 };
    uint8_t message[DNS_MSG_MAX];
    struct dns_answer answer;
    struct dns_asked asked;
    size_t len;

    (void)state;
    endpoint_set_v4(&addrs[0], 192, 0, 2, 2);
    assert_true(endpoint_set_text(&addrs[1], "2001:db8::1"));
    endpoint_set_v4(&addrs[2], 192, 0, 2, 1);
    len = dns_write_query(&question, message);
    assert_int_equal(dns_read_query(message, len, &asked), 0);
    assert_int_equal(asked.rcode, DNS_RCODE_OK);
    assert_int_equal(asked.question.type, DNS_TYPE_A);
    assert_int_equal(asked.question.name.len, question.name.len);
    assert_memory_equal(asked.question.name.octets, question.name.octets, question.name.len);
    {
        uint8_t reply[DNS_MSG_MAX];

        len = dns_write_answer(&asked, DNS_RCODE_OK, addrs, 3, reply);
        assert_int_equal(dns_read_answer(&question, reply, len, &answer), 0);
    }
    assert_int_equal(answer.rcode, DNS_RCODE_OK);
    assert_int_equal(answer.count, 2);
    assert_true(endpoint_same_ip(&answer.addrs[0], &addrs[0]));
    assert_true(endpoint_same_ip(&answer.addrs[1], &addrs[2]));
}

static void a_refusal_has_no_addresses(void **state)
{
    const struct dns_question question = ask("www.example.com", DNS_TYPE_A);
    uint8_t query[DNS_MSG_MAX], reply[DNS_MSG_MAX];
    struct endpoint addr = { 0 };
    struct dns_answer answer;
    struct dns_asked asked;
    size_t len;

    (void)state;
    endpoint_set_v4(&addr, 192, 0, 2, 2);
    len = dns_write_query(&question, query);
    assert_int_equal(dns_read_query(query, len, &asked), 0);
    len = dns_write_answer(&asked, DNS_RCODE_NXDOMAIN, &addr, 1, reply);
    assert_int_equal(dns_read_answer(&question, reply, len, &answer), 0);
    assert_int_equal(answer.rcode, DNS_RCODE_NXDOMAIN);
    assert_int_equal(answer.count, 0);
}

static void assert_asked(const uint8_t *message, size_t len, enum dns_rcode rcode)
{
    struct dns_asked asked;

    assert_int_equal(dns_read_query(message, len, &asked), 0);
    assert_int_equal(asked.rcode, rcode);
}

static void a_server_says_what_is_wrong_with_a_query(void **state)
{
    struct dns_asked asked;

    (void)state;
    assert_asked(BYTES(HEADER("\1\0", "\1", "\0") QUESTION_A), DNS_RCODE_OK);
    assert_asked(BYTES(HEADER("\1\0", "\0", "\0")), DNS_RCODE_FORMERR);
    assert_asked(BYTES(HEADER("\1\0", "\2", "\0") QUESTION_A QUESTION_A), DNS_RCODE_FORMERR);
    assert_asked(BYTES(HEADER("\1\0", "\1", "\0") NAME "\0\1\0"), DNS_RCODE_FORMERR);
    assert_asked(BYTES(HEADER("\1\0", "\1", "\0") "\1a\xc0\x04\0\1\0\1"), DNS_RCODE_FORMERR);
    assert_asked(BYTES(HEADER("\1\0", "\1", "\0") NAME "\0\1\0\3"), DNS_RCODE_REFUSED);
    assert_asked(BYTES(HEADER("\x29\0", "\1", "\0") QUESTION_A), DNS_RCODE_NOTIMP);
    assert_int_equal(dns_read_query(BYTES(HEADER(GOOD, "\1", "\0") QUESTION_A), &asked), -EBADMSG);
    assert_int_equal(dns_read_query(BYTES("\x12\x34\1"), &asked), -EBADMSG);
}

static void a_name_is_shown_as_it_is_written(void **state)
{
    struct dns_name name;
    char text[DNS_NAME_MAX];

    (void)state;
    assert_int_equal(dns_name_set(&name, "www.example.com"), 0);
    assert_string_equal(dns_name_text(&name, text), "www.example.com");
    assert_int_equal(dns_name_set(&name, "a b.\xff"), 0);
    assert_string_equal(dns_name_text(&name, text), "a?b.?");
    name = (struct dns_name){ .octets = { 0 }, .len = 1 };
    assert_string_equal(dns_name_text(&name, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_becomes_labels_in_lower_case),
        cmocka_unit_test(labels_and_names_have_their_greatest_lengths),
        cmocka_unit_test(what_has_an_empty_label_is_no_name),
        cmocka_unit_test(a_query_asks_one_question_and_wants_recursion),
        cmocka_unit_test(addresses_come_in_the_order_of_the_answer),
        cmocka_unit_test(four_addresses_are_kept_of_more),
        cmocka_unit_test(ipv6_addresses_are_those_of_their_type),
        cmocka_unit_test(the_question_may_come_back_in_other_case),
        cmocka_unit_test(refusals_are_read_with_their_code),
        cmocka_unit_test(what_does_not_answer_the_question_is_refused),
        cmocka_unit_test(records_of_other_names_types_and_classes_are_passed_over),
        cmocka_unit_test(an_alias_leads_to_the_addresses_of_its_name),
        cmocka_unit_test(an_alias_may_stand_behind_the_addresses),
        cmocka_unit_test(aliases_that_go_round_in_a_circle_end),
        cmocka_unit_test(a_chain_of_too_many_aliases_is_not_followed_to_its_end),
        cmocka_unit_test(names_that_point_at_themselves_or_forward_are_refused),
        cmocka_unit_test(labels_of_unknown_kinds_are_refused),
        cmocka_unit_test(a_name_that_grows_too_long_by_pointers_is_refused),
        cmocka_unit_test(an_address_of_the_wrong_size_is_refused),
        cmocka_unit_test(an_alias_that_does_not_fit_its_record_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(a_truncated_answer_gives_what_is_there),
        cmocka_unit_test(an_answer_can_be_read_by_who_asked),
        cmocka_unit_test(a_refusal_has_no_addresses),
        cmocka_unit_test(a_server_says_what_is_wrong_with_a_query),
        cmocka_unit_test(a_name_is_shown_as_it_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
