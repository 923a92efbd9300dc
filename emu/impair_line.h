/*
 * impair_line: packets on their way. Each leaves at its time, those of one time in the order in
 * which they came; one that is late leaves right after the next that is not, or, where none comes,
 * IMPAIR_LATE_US after its time. What is embedded in whose memory it is stays the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPAIR_LATE_US 50000

/* Embed. */
struct impair_item {
    uint64_t at_us, seq;
    struct impair_item *next;
};

struct impair_line {
    struct impair_item *first, *last; /* in order: most come so */
    struct impair_item **heap;        /* the others */
    size_t heap_count, cap;           /* of those */
    size_t count;                     /* of all but the late one */
    uint64_t seq;
    struct impair_item *late; /* NULL: none is held back; in neither */
};

void impair_line_init(struct impair_line *line);

/* Items that are left are the caller's: take them first. */
void impair_line_fini(struct impair_line *line);

/* @item, which is in no line, leaves at @at_us. A second one that is late is not, but the next. */
void impair_line_put(struct impair_line *line, struct impair_item *item, uint64_t at_us,
                     bool is_late);

/* The next that leaves at @now_us at the latest; NULL: none does. */
struct impair_item *impair_line_take(struct impair_line *line, uint64_t now_us);

/* When the next leaves; UINT64_MAX: there is none. */
uint64_t impair_line_next_us(const struct impair_line *line);
