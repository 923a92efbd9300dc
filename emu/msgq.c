#include "emu/msgq.h"

#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#define CAP_MIN 64

void msgq_init(struct msgq *queue)
{
    *queue = (struct msgq){ 0 };
}

void msgq_fini(struct msgq *queue)
{
    struct msg msg;

    while (msgq_take(queue, &msg))
        ;
    free(queue->taken);
    free(queue->ring);
    *queue = (struct msgq){ 0 };
}

static void grow(struct msgq *queue)
{
    size_t cap = queue->cap ? queue->cap * 2 : CAP_MIN;
    struct msg *ring = xcalloc(cap, sizeof(*ring));

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->head + i) & (queue->cap - 1)];
    free(queue->ring);
    queue->ring = ring;
    queue->cap = cap;
    queue->head = 0;
}

void msgq_post(struct msgq *queue, const struct msg *msg)
{
    if (queue->count == queue->cap)
        grow(queue);
    queue->ring[(queue->head + queue->count) & (queue->cap - 1)] = *msg;
    queue->count++;
}

bool msgq_take(struct msgq *queue, struct msg *msg)
{
    free(queue->taken);
    queue->taken = NULL;
    if (!queue->count)
        return false;
    *msg = queue->ring[queue->head];
    queue->head = (queue->head + 1) & (queue->cap - 1);
    queue->count--;
    if (msg->kind == MSG_KIND_TOPIC)
        queue->taken = msg->as.topic;
    if (msg->kind == MSG_KIND_NOTE)
        queue->taken = msg->as.note;
    return true;
}

struct topic_arg topic_number(int number)
{
    return (struct topic_arg){ .kind = TOPIC_ARG_NUMBER, .number = number };
}

struct topic_arg topic_bytes(const void *bytes, size_t len)
{
    struct topic_arg arg = { .kind = TOPIC_ARG_TEXT, .len = len };

    if (arg.len > sizeof(arg.text) - 1)
        arg.len = sizeof(arg.text) - 1;
    memcpy(arg.text, bytes, arg.len);
    return arg;
}

struct topic_arg topic_text(const char *text)
{
    return topic_bytes(text, strlen(text));
}

void msgq_publish(struct msgq *queue, const struct topic *topic)
{
    struct msg msg = { .kind = MSG_KIND_TOPIC, .as.topic = xcalloc(1, sizeof(*topic)) };

    *msg.as.topic = *topic;
    msgq_post(queue, &msg);
}

void msgq_note(struct msgq *queue, const struct sock_note *note)
{
    struct msg msg = { .kind = MSG_KIND_NOTE, .as.note = xcalloc(1, sizeof(*note)) };

    *msg.as.note = *note;
    msgq_post(queue, &msg);
}

void msgq_post_topic(struct msgq *queue, const char *name, const char *text)
{
    struct topic topic = { .name = name };

    if (text)
        topic.args[0] = topic_text(text);
    msgq_publish(queue, &topic);
}

void msgq_post_topic_number(struct msgq *queue, const char *name, const char *text, int number)
{
    struct topic topic = { .name = name };

    if (text)
        topic.args[0] = topic_text(text);
    topic.args[text ? 1 : 0] = topic_number(number);
    msgq_publish(queue, &topic);
}
