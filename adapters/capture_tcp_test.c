#include "adapters/capture_tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TCP_AT    34 /* in a frame, over IPv4 */
#define TCP_LEN   20
#define TEXT_MAX  4096
#define FRAME_MAX 1514

/* The frames of a connection as lines: direction, flags, sequence and acknowledgement from 0, data. */
struct story {
    struct capture_tcp tcp;
    uint32_t out_first, in_first;
    bool has_out, has_in;
    char text[TEXT_MAX];
    size_t len;
};

static uint32_t word_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_down(void *ctx, bool is_out, const uint8_t *frame, size_t len)
{
    static const char letters[] = "FSRPA";
    struct story *story = ctx;
    const uint8_t *tcp = frame + TCP_AT;
    uint32_t sequence = word_at(tcp + 4), acknow = word_at(tcp + 8);
    size_t header_len = (size_t)(tcp[12] >> 4) * 4;
    char flags[sizeof(letters)] = "";

    assert_true(len <= FRAME_MAX);
    if (is_out && !story->has_out)
        story->out_first = sequence;
    if (!is_out && !story->has_in)
        story->in_first = sequence;
    story->has_out = story->has_out || is_out;
    story->has_in = story->has_in || !is_out;
    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (tcp[13] & 1 << i)
            strncat(flags, &letters[i], 1);
    }
    story->len += (size_t)snprintf(
        story->text + story->len, sizeof(story->text) - story->len, "%c %s %u %u %zu\n",
        is_out ? '>' : '<', flags, sequence - (is_out ? story->out_first : story->in_first),
        tcp[13] & PACKET_TCP_ACK ? acknow - (is_out ? story->in_first : story->out_first) : 0,
        len - TCP_AT - header_len);
    assert_true(story->len < sizeof(story->text));
}

static void begin(struct story *story)
{
    struct capture_tcp_config config = {
        .number = 7, .mtu = 1500, .emit = write_down, .ctx = story
    };

    *story = (struct story){ 0 };
    endpoint_set_v4(&config.way.from, 192, 0, 2, 2);
    endpoint_set_v4(&config.way.to, 192, 0, 2, 9);
    config.way.from.port = 49152;
    config.way.to.port = 80;
    capture_tcp_init(&story->tcp, &config);
}

/* What was written since the last look. */
static void assert_story(struct story *story, const char *wanted)
{
    assert_string_equal(story->text, wanted);
    story->len = 0;
    *story->text = '\0';
}

static void a_client_asks_speaks_and_leaves(void **state)
{
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_ask(&story.tcp);
    assert_story(&story, "> S 0 0 0\n");
    capture_tcp_agree(&story.tcp);
    assert_story(&story, "< SA 0 1 0\n> A 1 1 0\n");
    capture_tcp_send(&story.tcp, "hello", 5);
    assert_story(&story, "> PA 1 1 5\n");
    capture_tcp_acknowledge(&story.tcp, 5);
    assert_story(&story, "< A 1 6 0\n");
    capture_tcp_receive(&story.tcp, "answer", 6);
    assert_story(&story, "< PA 1 6 6\n> A 6 7 0\n");
    capture_tcp_leave(&story.tcp);
    assert_story(&story, "> FA 6 7 0\n");
    capture_tcp_leave(&story.tcp);
    capture_tcp_send(&story.tcp, "too late", 8);
    capture_tcp_acknowledge(&story.tcp, 1);
    assert_story(&story, "");
}

static void a_server_is_asked_and_left(void **state)
{
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_come(&story.tcp);
    assert_story(&story, "< S 0 0 0\n> SA 0 1 0\n< A 1 1 0\n");
    capture_tcp_receive(&story.tcp, "question", 8);
    assert_story(&story, "< PA 1 1 8\n> A 1 9 0\n");
    capture_tcp_peer_leave(&story.tcp);
    assert_story(&story, "< FA 9 1 0\n> A 1 10 0\n");
    capture_tcp_send(&story.tcp, "bye", 3); /* half closed: our end may go on */
    assert_story(&story, "> PA 1 10 3\n");
    capture_tcp_receive(&story.tcp, "no more", 7);
    assert_story(&story, "");
    capture_tcp_leave(&story.tcp);
    assert_story(&story, "> FA 4 10 0\n");
}

/* RFC 9293 3.7.1: 1500 bytes of IP packet are 1460 of data. */
static void much_data_is_cut_into_segments(void **state)
{
    static const uint8_t data[3000];
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_ask(&story.tcp);
    capture_tcp_agree(&story.tcp);
    story.len = 0;
    capture_tcp_send(&story.tcp, data, sizeof(data));
    assert_story(&story, "> A 1 1 1460\n> A 1461 1 1460\n> PA 2921 1 80\n");
    capture_tcp_acknowledge(&story.tcp, 2000);
    capture_tcp_acknowledge(&story.tcp, 5000); /* more than was sent is not acknowledged */
    capture_tcp_acknowledge(&story.tcp, 1);
    assert_story(&story, "< A 1 2001 0\n< A 1 3001 0\n");
    capture_tcp_receive(&story.tcp, data, sizeof(data));
    assert_story(&story,
                 "< A 1 3001 1460\n< A 1461 3001 1460\n< PA 2921 3001 80\n> A 3001 3001 0\n");
}

static void a_refusal_answers_the_syn(void **state)
{
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_ask(&story.tcp);
    capture_tcp_refuse(&story.tcp);
    capture_tcp_agree(&story.tcp);
    story.in_first = 0;
    assert_non_null(strstr(story.text, "> S 0 0 0\n< RA 0 1 0\n"));
    assert_int_equal(story.len, strlen("> S 0 0 0\n< RA 0 1 0\n"));
}

static void resets_end_it_whoever_sends_them(void **state)
{
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_come(&story.tcp);
    story.len = 0;
    capture_tcp_reset(&story.tcp);
    capture_tcp_peer_reset(&story.tcp);
    capture_tcp_receive(&story.tcp, "x", 1);
    assert_story(&story, "> RA 1 1 0\n");
    begin(&story);
    capture_tcp_come(&story.tcp);
    story.len = 0;
    capture_tcp_peer_reset(&story.tcp);
    capture_tcp_send(&story.tcp, "x", 1);
    capture_tcp_peer_leave(&story.tcp);
    assert_story(&story, "< RA 1 1 0\n");
}

static void what_does_not_fit_makes_no_frames(void **state)
{
    struct story story;

    (void)state;
    begin(&story);
    capture_tcp_agree(&story.tcp);
    capture_tcp_send(&story.tcp, "x", 1);
    capture_tcp_receive(&story.tcp, "x", 1);
    capture_tcp_acknowledge(&story.tcp, 1);
    capture_tcp_leave(&story.tcp);
    capture_tcp_peer_leave(&story.tcp);
    assert_story(&story, "");
    capture_tcp_ask(&story.tcp);
    capture_tcp_ask(&story.tcp);
    capture_tcp_come(&story.tcp);
    assert_story(&story, "> S 0 0 0\n");
    capture_tcp_break(&story.tcp);
    capture_tcp_agree(&story.tcp);
    capture_tcp_reset(&story.tcp);
    assert_story(&story, "");
}

/* Two connections of the same ends, one after the other, must not look like one. */
static void every_connection_begins_elsewhere(void **state)
{
    struct story one, other;

    (void)state;
    begin(&one);
    begin(&other);
    other.tcp.config.number = 8;
    capture_tcp_init(&other.tcp, &(struct capture_tcp_config){ .way = one.tcp.config.way,
                                                               .number = 8,
                                                               .mtu = 1500,
                                                               .emit = write_down,
                                                               .ctx = &other });
    capture_tcp_ask(&one.tcp);
    capture_tcp_ask(&other.tcp);
    assert_int_not_equal(one.out_first, other.out_first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_asks_speaks_and_leaves),
        cmocka_unit_test(a_server_is_asked_and_left),
        cmocka_unit_test(much_data_is_cut_into_segments),
        cmocka_unit_test(a_refusal_answers_the_syn),
        cmocka_unit_test(resets_end_it_whoever_sends_them),
        cmocka_unit_test(what_does_not_fit_makes_no_frames),
        cmocka_unit_test(every_connection_begins_elsewhere),
    };

    return cmocka_run_group_tests_name("capture_tcp", tests, NULL, NULL);
}
