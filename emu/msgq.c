#include "emu/msgq.h"

#include <stdio.h>
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
    *queue = (struct msgq){ .ring = ring, .count = queue->count, .cap = cap };
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
    if (!queue->count)
        return false;
    *msg = queue->ring[queue->head];
    queue->head = (queue->head + 1) & (queue->cap - 1);
    queue->count--;
    return true;
}

static struct msg topic(const char *name, const char *text)
{
    struct msg msg = { .kind = MSG_KIND_TOPIC, .as.topic.name = name };

    if (text)
        (void)snprintf(msg.as.topic.text, sizeof(msg.as.topic.text), "%s", text);
    return msg;
}

void msgq_post_topic(struct msgq *queue, const char *name, const char *text)
{
    struct msg msg = topic(name, text);

    msgq_post(queue, &msg);
}

void msgq_post_topic_number(struct msgq *queue, const char *name, const char *text, int number)
{
    struct msg msg = topic(name, text);

    msg.as.topic.has_number = true;
    msg.as.topic.number = number;
    msgq_post(queue, &msg);
}
