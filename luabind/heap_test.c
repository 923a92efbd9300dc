#include "luabind/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "emu/rng.h"

#include <cmocka.h>

#define KIB       ((size_t)1024)
#define CAP       (1024 * KIB)
#define KIND      5 /* of a new object, as Lua gives it in place of the old size: LUA_TTABLE */
#define BLOCKS    64
#define STEPS_MAX 4000

static int setup(void **state)
{
    static struct heap heap;

    *state = &heap;
    return heap_open(&heap, CAP, 0);
}

static int teardown(void **state)
{
    heap_close(*state);
    return 0;
}

static void *grow_from_nothing(struct heap *heap, size_t size)
{
    return heap_alloc(heap, NULL, KIND, size);
}

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
    struct heap *heap = *state;
    uint8_t *blocks[BLOCKS];
    size_t sizes[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = 1 + i * i * 7;
        blocks[i] = grow_from_nothing(heap, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(blocks[i][at], i);
    }
}

static void a_block_keeps_its_bytes_when_it_grows_and_shrinks(void **state)
{
    struct heap *heap = *state;
    size_t size = 100;
    char *block = grow_from_nothing(heap, size);

    memcpy(block, "what was written", sizeof("what was written"));
    for (size_t next = 1000; next < 500000; next *= 3) {
        block = heap_alloc(heap, block, size, next);
        assert_non_null(block);
        assert_string_equal(block, "what was written");
        size = next;
    }
    block = heap_alloc(heap, block, size, 20);
    assert_string_equal(block, "what was written");
    heap_alloc(heap, block, 20, 0);
    assert_int_equal(heap->used, 0);
}

static void a_freed_block_is_handed_out_again(void **state)
{
    struct heap *heap = *state;
    void *first = grow_from_nothing(heap, 100), *second = grow_from_nothing(heap, 100);

    heap_alloc(heap, first, 100, 0);
    heap_alloc(heap, second, 100, 0);
    assert_ptr_equal(grow_from_nothing(heap, 97), second); /* of the same class */
    assert_ptr_equal(grow_from_nothing(heap, 100), first);
}

/* Sizes at the edges of the classes: no block is smaller than what was asked for. */
static void every_size_has_room_for_itself(void **state)
{
    struct heap *heap = *state;

    for (size_t edge = 16; edge <= CAP / 2; edge *= 2) {
        for (size_t size = edge - 1; size <= edge + 1; size++) {
            uint8_t *block = grow_from_nothing(heap, size);

            assert_non_null(block);
            assert_true(heap->used >= size);
            assert_true(heap->used <= size + size / 4 + 16); /* and hardly more is taken */
            memset(block, 0xff, size);
            heap_alloc(heap, block, size, 0);
            assert_int_equal(heap->used, 0);
        }
    }
}

static void more_than_the_heap_holds_is_refused(void **state)
{
    struct heap *heap = *state;
    void *block;

    assert_null(grow_from_nothing(heap, CAP + 1));
    assert_null(grow_from_nothing(heap, SIZE_MAX));
    assert_null(grow_from_nothing(heap, SIZE_MAX / 2 + 2));
    block = grow_from_nothing(heap, CAP / 2);
    assert_non_null(block);
    assert_null(grow_from_nothing(heap, CAP / 2 + 1));
    assert_null(heap_alloc(heap, block, CAP / 2, CAP));
    memset(block, 1, CAP / 2); /* it is still there */
    assert_non_null(grow_from_nothing(heap, CAP / 4));
}

/* Lua relies on it; what the block gives up counts as free. */
static void shrinking_works_in_a_full_heap(void **state)
{
    struct heap *heap = *state;
    uint8_t *large = grow_from_nothing(heap, CAP / 2), *block;
    size_t used;

    assert_non_null(large);
    large[0] = 7;
    while (grow_from_nothing(heap, 16))
        ;
    used = heap->used;
    block = heap_alloc(heap, large, CAP / 2, 16);
    assert_non_null(block);
    assert_int_equal(block[0], 7);
    assert_int_equal(used - heap->used, CAP / 2 - 16);
    heap_alloc(heap, block, 16, 0);
    assert_int_equal(used - heap->used, CAP / 2);
}

static void use_and_its_peak_are_counted(void **state)
{
    struct heap *heap = *state;
    void *block = grow_from_nothing(heap, 4096);

    assert_int_equal(heap->used, 4096);
    block = heap_alloc(heap, block, 4096, 1024);
    assert_int_equal(heap->used, 1024);
    assert_true(heap->peak >= 4096);
    heap_alloc(heap, block, 1024, 0);
    assert_int_equal(heap->used, 0);
}

/* What pairs() and tostring() show depends on it. */
static void equal_requests_get_equal_addresses(void **state)
{
    static void *seen[2][STEPS_MAX];
    struct heap heap;

    (void)state;
    for (int run = 0; run < 2; run++) {
        void *blocks[BLOCKS] = { 0 };
        size_t sizes[BLOCKS] = { 0 };
        struct rng rng;

        rng_init(&rng, 1);
        assert_int_equal(heap_open(&heap, CAP, 0), 0);
        for (int step = 0; step < STEPS_MAX; step++) {
            uint32_t i = rng_below(&rng, BLOCKS);
            size_t size = rng_below(&rng, 3000);
            void *block = heap_alloc(&heap, blocks[i], blocks[i] ? sizes[i] : KIND, size);

            if (block || !size) {
                blocks[i] = block;
                sizes[i] = size;
            }
            seen[run][step] = blocks[i];
        }
        heap_close(&heap);
    }
    assert_memory_equal(seen[0], seen[1], sizeof(seen[0]));
}

/* --gc-stress */
static void under_stress_every_nth_new_object_is_refused_once(void **state)
{
    struct heap *heap = *state;
    unsigned refused = 0;

    heap->stress = 3;
    for (int i = 0; i < 9; i++)
        refused += !grow_from_nothing(heap, 16);
    assert_int_equal(refused, 3);
    assert_non_null(heap_alloc(heap, NULL, 0, 16)); /* a buffer of lauxlib.c: never */
    assert_non_null(heap_alloc(heap, NULL, 0, 16));
    assert_non_null(heap_alloc(heap, NULL, 0, 16));
}

static void heaps_lie_side_by_side(void **state)
{
    struct heap second;
    void *block;

    assert_int_equal(heap_open(&second, CAP, 100), 0);
    block = grow_from_nothing(&second, 16);
    assert_non_null(block);
    memset(heap_extra(&second), 1, 100);
    assert_ptr_not_equal(second.base, ((struct heap *)*state)->base);
    heap_close(&second);
}

#define ON_HEAP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_HEAP(blocks_are_aligned_and_do_not_overlap),
        ON_HEAP(a_block_keeps_its_bytes_when_it_grows_and_shrinks),
        ON_HEAP(a_freed_block_is_handed_out_again),
        ON_HEAP(every_size_has_room_for_itself),
        ON_HEAP(more_than_the_heap_holds_is_refused),
        ON_HEAP(shrinking_works_in_a_full_heap),
        ON_HEAP(use_and_its_peak_are_counted),
        cmocka_unit_test(equal_requests_get_equal_addresses),
        ON_HEAP(under_stress_every_nth_new_object_is_refused_once),
        ON_HEAP(heaps_lie_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
