#include "luabind/heap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Far from where the kernel puts programs, libraries, stacks, and the sanitizers' shadows. */
#define HEAP_BASE  ((uintptr_t)0x200000000000)
#define HEAP_STEP  ((uintptr_t)1 << 40) /* the next VM's, when there are several */
#define HEAP_TRIES 64

/* Freed blocks serve their own size only, so addresses run out before memory does. */
#define HEAP_RESERVE 8

#define GRAIN          16  /* sizes up to SMALL_MAX go by this */
#define SMALL_MAX      512 /* above, four classes to each power of two */
#define SMALL_CLASSES  (SMALL_MAX / GRAIN)
#define STEPS          4
#define PAGE           ((size_t)4096)
#define FIRST_USED     (24 * PAGE) /* by the libraries: mapped at once, not by a fault a page */
#define RELEASE_MIN    (16 * PAGE) /* freed blocks of this size give their memory back */
#define SMALL_MAX_LOG2 9

static size_t whole_pages(size_t size)
{
    return (size + PAGE - 1) & ~(PAGE - 1);
}

int heap_open(struct heap *heap, size_t cap, size_t extra)
{
    void *at = MAP_FAILED;

    *heap = (struct heap){ .cap = whole_pages(cap), .extra = whole_pages(extra) };
    heap->reserved = HEAP_RESERVE * heap->cap;
    for (uintptr_t i = 0; i < HEAP_TRIES && at == MAP_FAILED; i++) {
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the address is the point */
        void *want = (void *)(HEAP_BASE + i * HEAP_STEP);

        at = mmap(want, heap->reserved + heap->extra, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    }
    if (at == MAP_FAILED)
        return -errno;
    heap->base = at;
    (void)madvise(at, FIRST_USED < heap->cap ? FIRST_USED : heap->cap, MADV_POPULATE_WRITE);
    return 0;
}

void *heap_extra(const struct heap *heap)
{
    return heap->base + heap->reserved;
}

void heap_close(struct heap *heap)
{
    (void)munmap(heap->base, heap->reserved + heap->extra);
}

/* Class of blocks for @size, and what a block of it holds. */
static unsigned class_of(size_t size, size_t *block)
{
    unsigned log2;
    size_t step;

    if (size <= SMALL_MAX) {
        *block = (size + GRAIN - 1) & ~(size_t)(GRAIN - 1);
        return (unsigned)(*block / GRAIN - 1);
    }
    log2 = (unsigned)(sizeof(unsigned long long) * 8 - 1) -
           (unsigned)__builtin_clzll(size - 1); /* 2^log2 < size <= 2^(log2+1) */
    step = ((size_t)1 << log2) / STEPS;
    *block = (size + step - 1) & ~(step - 1);
    return SMALL_CLASSES + (log2 - SMALL_MAX_LOG2) * STEPS +
           (unsigned)((*block - ((size_t)1 << log2)) / step) - 1;
}

static void *take(struct heap *heap, size_t size)
{
    size_t block;
    unsigned class = class_of(size, &block);
    void *ptr;

    if (class >= HEAP_CLASSES || block > heap->cap - heap->used)
        return NULL;
    ptr = heap->free[class];
    if (ptr) {
        memcpy(&heap->free[class], ptr, sizeof(ptr));
    } else {
        if (block > heap->reserved - heap->top)
            return NULL;
        ptr = heap->base + heap->top;
        heap->top += block;
    }
    heap->used += block;
    if (heap->used > heap->peak)
        heap->peak = heap->used;
    return ptr;
}

static void give(struct heap *heap, void *ptr, size_t size)
{
    size_t block;
    unsigned class = class_of(size, &block);

    if (block >= RELEASE_MIN) { /* whole pages inside the block, but for its link */
        uintptr_t from = ((uintptr_t)ptr + sizeof(ptr) + PAGE - 1) & ~(PAGE - 1);
        uintptr_t to = ((uintptr_t)ptr + block) & ~(PAGE - 1);

        /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    memcpy(ptr, &heap->free[class], sizeof(ptr));
    heap->free[class] = ptr;
    heap->used -= block;
}

/*
 * --gc-stress: a refused request makes Lua collect everything and ask again. Only its core does:
 * new objects, which it marks by the kind in place of the old size. The buffers of lauxlib.c would
 * fail.
 */
static bool refuses(struct heap *heap, size_t kind)
{
    return heap->stress && kind && ++heap->requests % heap->stress == 0;
}

void *heap_alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
    struct heap *heap = ud;
    size_t old_block, new_block;
    void *to;

    if (!ptr)
        return new_size && !refuses(heap, old_size) ? take(heap, new_size) : NULL;
    if (!new_size) {
        give(heap, ptr, old_size);
        return NULL;
    }
    (void)class_of(old_size, &old_block);
    (void)class_of(new_size, &new_block);
    if (old_block == new_block)
        return ptr;
    to = take(heap, new_size);
    if (!to && new_size > old_size)
        return NULL;
    if (!to) { /* shrinking must not fail: the block stays, and counts as a small one from now on */
        heap->used -= old_block - new_block;
        return ptr;
    }
    memcpy(to, ptr, old_size < new_size ? old_size : new_size);
    give(heap, ptr, old_size);
    return to;
}
