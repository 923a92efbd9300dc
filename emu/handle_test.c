#include "emu/handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIVES (1U << (32 - HANDLE_INDEX_BITS))

static void a_handle_stands_for_its_object(void **state)
{
    struct handles handles;
    int object;
    uint32_t handle;

    (void)state;
    handles_init(&handles);
    handle = handle_add(&handles, &object);
    assert_int_not_equal(handle, 0);
    assert_ptr_equal(handle_get(&handles, handle), &object);
    handles_fini(&handles);
}

static void nothing_stands_behind_numbers_that_were_never_handed_out(void **state)
{
    struct handles handles;
    int object;
    uint32_t handle;

    (void)state;
    handles_init(&handles);
    assert_null(handle_get(&handles, 0));
    assert_null(handle_get(&handles, 1));
    handle = handle_add(&handles, &object);
    assert_null(handle_get(&handles, 0));
    assert_null(handle_get(&handles, handle + 1));
    assert_null(handle_get(&handles, UINT32_MAX));
    assert_null(handle_get(&handles, handle | 1U << HANDLE_INDEX_BITS));
    handles_fini(&handles);
}

static void a_removed_handle_is_dead_although_its_place_is_taken_again(void **state)
{
    struct handles handles;
    int first, second;
    uint32_t old, new;

    (void)state;
    handles_init(&handles);
    old = handle_add(&handles, &first);
    handle_remove(&handles, old);
    assert_null(handle_get(&handles, old));
    new = handle_add(&handles, &second);
    assert_int_equal(handles.count, 1);
    assert_int_not_equal(new, old);
    assert_null(handle_get(&handles, old));
    assert_ptr_equal(handle_get(&handles, new), &second);
    handles_fini(&handles);
}

static void removing_a_dead_handle_does_no_harm(void **state)
{
    struct handles handles;
    int first, second;
    uint32_t old, new;

    (void)state;
    handles_init(&handles);
    old = handle_add(&handles, &first);
    handle_remove(&handles, old);
    handle_remove(&handles, old);
    handle_remove(&handles, 0);
    new = handle_add(&handles, &second);
    handle_remove(&handles, old);
    assert_ptr_equal(handle_get(&handles, new), &second);
    assert_ptr_equal(handle_get(&handles, handle_add(&handles, &first)), &first);
    assert_int_equal(handles.count, 2);
    handles_fini(&handles);
}

static void handles_keep_their_objects_while_the_table_grows(void **state)
{
    struct handles handles;
    uint32_t numbers[100];
    int objects[100];

    (void)state;
    handles_init(&handles);
    for (int i = 0; i < 100; i++)
        numbers[i] = handle_add(&handles, &objects[i]);
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(handle_get(&handles, numbers[i]), &objects[i]);
    handles_fini(&handles);
}

static void a_number_comes_back_only_after_4096_lives(void **state)
{
    struct handles handles;
    int object;
    uint32_t first, handle;

    (void)state;
    handles_init(&handles);
    first = handle_add(&handles, &object);
    handle_remove(&handles, first);
    for (unsigned i = 1; i < LIVES; i++) {
        handle = handle_add(&handles, &object);
        assert_int_not_equal(handle, first);
        assert_int_not_equal(handle, 0);
        handle_remove(&handles, handle);
    }
    assert_int_equal(handle_add(&handles, &object), first);
    handles_fini(&handles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_stands_for_its_object),
        cmocka_unit_test(nothing_stands_behind_numbers_that_were_never_handed_out),
        cmocka_unit_test(a_removed_handle_is_dead_although_its_place_is_taken_again),
        cmocka_unit_test(removing_a_dead_handle_does_no_harm),
        cmocka_unit_test(handles_keep_their_objects_while_the_table_grows),
        cmocka_unit_test(a_number_comes_back_only_after_4096_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
