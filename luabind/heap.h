/*
 * heap: the Lua VM's memory, at an address of its own.
 *
 * Lua's tables are ordered by hashes, and hashes come from addresses. Memory that lies at the same
 * place in every run, handed out in the same order, makes pairs() and tostring() repeat themselves:
 * with it a run in virtual time is the same byte for byte. It also bounds what a script can take.
 *
 * Blocks come in size classes with a free list each; there are no headers, as Lua says how large
 * the block is that it returns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_CLASSES 192

struct heap {
    uint8_t *base;
    size_t cap;             /* bytes that may be in use at once */
    size_t reserved, extra; /* addresses: for blocks, and for the caller behind them */
    size_t top;             /* of those for blocks, handed out at least once */
    size_t used, peak;
    void *free[HEAP_CLASSES];
    unsigned stress; /* 0, or: refuse every so many-th new object once (--gc-stress) */
    unsigned requests;
};

/* 0 or -errno. With @extra bytes at heap_extra() that are the caller's, at as fixed an address. */
int heap_open(struct heap *heap, size_t cap, size_t extra);
void *heap_extra(const struct heap *heap);
void heap_close(struct heap *heap);

/* lua_Alloc; @ud is the heap. */
void *heap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size);
