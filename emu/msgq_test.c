#include "emu/msgq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void post_timer(struct msgq *queue, uint32_t id)
{
    const struct msg msg = { .kind = MSG_KIND_TIMER, .as.timer = { .id = id, .repeat_left = -1 } };

    msgq_post(queue, &msg);
}

static uint32_t take_timer(struct msgq *queue)
{
    struct msg msg;

    assert_true(msgq_take(queue, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TIMER);
    assert_int_equal(msg.as.timer.repeat_left, -1);
    return msg.as.timer.id;
}

static void messages_come_out_as_they_went_in(void **state)
{
    struct msgq queue;
    struct msg msg;

    (void)state;
    msgq_init(&queue);
    post_timer(&queue, 7);
    post_timer(&queue, 8);
    assert_int_equal(take_timer(&queue), 7);
    assert_int_equal(take_timer(&queue), 8);
    assert_false(msgq_take(&queue, &msg));
    msgq_fini(&queue);
}

/* A module would drop what comes after the 256th. */
static void the_queue_grows_and_keeps_its_order_wherever_its_head_is(void **state)
{
    struct msgq queue;
    uint32_t posted = 0, taken = 0;

    (void)state;
    msgq_init(&queue);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 3; i++)
            post_timer(&queue, posted++);
        assert_int_equal(take_timer(&queue), taken++);
    }
    assert_int_equal(queue.count, posted - taken);
    while (taken < posted)
        assert_int_equal(take_timer(&queue), taken++);
    msgq_fini(&queue);
}

static const struct topic *take_topic(struct msgq *queue)
{
    struct msg msg;

    assert_true(msgq_take(queue, &msg));
    assert_int_equal(msg.kind, MSG_KIND_TOPIC);
    return msg.as.topic;
}

static void a_topic_carries_a_text_and_a_number(void **state)
{
    const struct topic *topic;
    struct msgq queue;

    (void)state;
    msgq_init(&queue);
    msgq_post_topic_number(&queue, "IP_READY", "192.0.2.2", 5);
    msgq_post_topic_number(&queue, "IP_LOSE", NULL, 4);
    msgq_post_topic(&queue, "NTP_ERROR", NULL);
    topic = take_topic(&queue);
    assert_string_equal(topic->name, "IP_READY");
    assert_string_equal(topic->args[0].text, "192.0.2.2");
    assert_int_equal(topic->args[1].kind, TOPIC_ARG_NUMBER);
    assert_int_equal(topic->args[1].number, 5);
    assert_int_equal(topic->args[2].kind, TOPIC_ARG_NONE);
    topic = take_topic(&queue);
    assert_int_equal(topic->args[0].kind, TOPIC_ARG_NUMBER);
    assert_int_equal(topic->args[0].number, 4);
    assert_int_equal(take_topic(&queue)->args[0].kind, TOPIC_ARG_NONE);
    msgq_fini(&queue);
}

/* As WLAN_STA_INC does: a word, a name, six bytes of which any may be 0. */
static void a_topic_carries_bytes(void **state)
{
    const uint8_t mac[] = { 2, 0, 0, 1, 0, 7 };
    const struct topic *topic;
    struct msgq queue;

    (void)state;
    msgq_init(&queue);
    msgq_publish(&queue, &(struct topic){ .name = "WLAN_STA_INC",
                                          .args = { topic_text("CONNECTED"), topic_text(""),
                                                    topic_bytes(mac, sizeof(mac)) } });
    topic = take_topic(&queue);
    assert_int_equal(topic->args[1].kind, TOPIC_ARG_TEXT);
    assert_int_equal(topic->args[1].len, 0);
    assert_int_equal(topic->args[2].len, sizeof(mac));
    assert_memory_equal(topic->args[2].text, mac, sizeof(mac));
    assert_int_equal(topic->args[3].kind, TOPIC_ARG_NONE);
    msgq_fini(&queue);
}

static void a_topic_that_nobody_took_is_freed(void **state)
{
    struct msgq queue;

    (void)state;
    msgq_init(&queue);
    for (int i = 0; i < 100; i++)
        msgq_post_topic(&queue, "TOPIC", "text");
    (void)take_topic(&queue);
    msgq_fini(&queue);
}

static void a_text_that_is_too_long_is_cut(void **state)
{
    char text[2 * TOPIC_TEXT_MAX];
    struct msgq queue;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    msgq_init(&queue);
    msgq_post_topic(&queue, "TOPIC", text);
    assert_int_equal(strlen(take_topic(&queue)->args[0].text), TOPIC_TEXT_MAX - 1);
    msgq_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(the_queue_grows_and_keeps_its_order_wherever_its_head_is),
        cmocka_unit_test(a_topic_carries_a_text_and_a_number),
        cmocka_unit_test(a_topic_carries_bytes),
        cmocka_unit_test(a_topic_that_nobody_took_is_freed),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
