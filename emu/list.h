/*
 * list: doubly linked and intrusive. A node that is in no list points at itself, so removing it
 * once more is harmless.
 */
#pragma once

#include <stdbool.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *node)
{
    node->next = node->prev = node;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

/* Insert @node, which is in no list, before @head: at the end of the list. */
static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_for_each(pos, head) \
    for (struct list * (pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* The current node may be removed and freed while the loop runs; no other may. */
#define list_for_each_safe(pos, head)                                                    \
    for (struct list * (pos) = (head)->next, *pos##_next = (pos)->next; (pos) != (head); \
         (pos) = pos##_next, pos##_next = (pos)->next)
