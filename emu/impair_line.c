#include "emu/impair_line.h"

#include <stdlib.h>

#include "emu/util.h"

#define CAP_MIN 64

void impair_line_init(struct impair_line *line)
{
    *line = (struct impair_line){ 0 };
}

void impair_line_fini(struct impair_line *line)
{
    free(line->heap);
    impair_line_init(line);
}

static bool is_before(const struct impair_item *a, const struct impair_item *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->seq < b->seq);
}

static void push_heap(struct impair_line *line, struct impair_item *item)
{
    size_t at = line->heap_count++;

    if (line->heap_count > line->cap) {
        line->cap = line->cap ? line->cap * 2 : CAP_MIN;
        line->heap = xrealloc(line->heap, line->cap * sizeof(struct impair_item *));
    }
    for (; at && is_before(item, line->heap[(at - 1) / 2]); at = (at - 1) / 2)
        line->heap[at] = line->heap[(at - 1) / 2];
    line->heap[at] = item;
}

static struct impair_item *pop_heap(struct impair_line *line)
{
    struct impair_item *first = line->heap[0], *last = line->heap[--line->heap_count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < line->heap_count) {
        if (child + 1 < line->heap_count && is_before(line->heap[child + 1], line->heap[child]))
            child++;
        if (!is_before(line->heap[child], last))
            break;
        line->heap[at] = line->heap[child];
        at = child;
    }
    line->heap[at] = last;
    return first;
}

/* A constant delay keeps the order: then nothing is sorted. */
static void push(struct impair_line *line, struct impair_item *item)
{
    line->count++;
    item->seq = line->seq++;
    item->next = NULL;
    if (line->last && item->at_us < line->last->at_us) {
        push_heap(line, item);
        return;
    }
    if (line->last)
        line->last->next = item;
    else
        line->first = item;
    line->last = item;
}

/* NULL: none is there. */
static struct impair_item *front(const struct impair_line *line)
{
    if (!line->heap_count)
        return line->first;
    return line->first && is_before(line->first, line->heap[0]) ? line->first : line->heap[0];
}

static struct impair_item *pop(struct impair_line *line)
{
    struct impair_item *first = line->first;

    line->count--;
    if (front(line) != first)
        return pop_heap(line);
    line->first = first->next;
    if (!line->first)
        line->last = NULL;
    return first;
}

/* The one that is late leaves at @at_us, if that is not before its own time. */
static void release_late(struct impair_line *line, uint64_t at_us)
{
    struct impair_item *late = line->late;

    line->late = NULL;
    late->at_us = at_us > late->at_us ? at_us : late->at_us;
    push(line, late);
}

void impair_line_put(struct impair_line *line, struct impair_item *item, uint64_t at_us,
                     bool is_late)
{
    item->at_us = at_us;
    if (is_late && !line->late) {
        line->late = item;
        return;
    }
    push(line, item);
    if (line->late)
        release_late(line, at_us);
}

static uint64_t late_us(const struct impair_line *line)
{
    return line->late ? line->late->at_us + IMPAIR_LATE_US : UINT64_MAX;
}

struct impair_item *impair_line_take(struct impair_line *line, uint64_t now_us)
{
    const struct impair_item *first;

    if (late_us(line) <= now_us)
        release_late(line, late_us(line));
    first = front(line);
    return first && first->at_us <= now_us ? pop(line) : NULL;
}

uint64_t impair_line_next_us(const struct impair_line *line)
{
    const struct impair_item *first = front(line);
    uint64_t next_us = first ? first->at_us : UINT64_MAX;

    return next_us < late_us(line) ? next_us : late_us(line);
}
