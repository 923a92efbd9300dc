#include "emu/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_read_big_endian(void **state)
{
    static const uint8_t data[] = { 1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc };
    struct reader r;

    (void)state;
    reader_init(&r, data, sizeof(data));
    assert_int_equal(reader_u8(&r), 0x01);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0xfffefdfc);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
}

static void a_read_that_does_not_fit_fails_and_stays_failed(void **state)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct reader r;

    (void)state;
    reader_init(&r, data, sizeof(data));
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0); /* although one byte is there */
    assert_null(reader_bytes(&r, 1));
    assert_int_equal(reader_left(&r), 0);
    reader_seek(&r, 0);
    assert_true(r.failed);
    assert_int_equal(reader_u16(&r), 0);
}

static void a_length_near_the_end_of_memory_does_not_fit_either(void **state)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct reader r;

    (void)state;
    reader_init(&r, data, sizeof(data));
    (void)reader_u8(&r);
    assert_null(reader_bytes(&r, SIZE_MAX));
    assert_true(r.failed);
}

static void bytes_are_borrowed_where_they_lie(void **state)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct reader r;

    (void)state;
    reader_init(&r, data, sizeof(data));
    assert_ptr_equal(reader_bytes(&r, 2), data);
    assert_ptr_equal(reader_bytes(&r, 1), data + 2);
    assert_non_null(reader_bytes(&r, 0)); /* nothing, at the end, is there */
    assert_false(r.failed);
}

static void nothing_can_be_read_from_nothing(void **state)
{
    struct reader r;

    (void)state;
    reader_init(&r, NULL, 0);
    assert_int_equal(reader_left(&r), 0);
    (void)reader_bytes(&r, 0);
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_true(r.failed);
}

static void seeking_goes_to_the_end_and_no_further(void **state)
{
    static const uint8_t data[] = { 1, 2, 3 };
    struct reader r;

    (void)state;
    reader_init(&r, data, sizeof(data));
    reader_seek(&r, 3);
    assert_false(r.failed);
    reader_seek(&r, 1);
    assert_int_equal(reader_u8(&r), 2);
    reader_seek(&r, 4);
    assert_true(r.failed);
}

static void numbers_are_written_big_endian(void **state)
{
    static const uint8_t expected[] = { 1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc, 'x', 'y' };
    uint8_t data[sizeof(expected)];
    struct writer w;

    (void)state;
    writer_init(&w, data, sizeof(data));
    writer_u8(&w, 0x01);
    writer_u16(&w, 0x0203);
    writer_u32(&w, 0xfffefdfc);
    writer_bytes(&w, "xy", 2);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof(expected));
    assert_memory_equal(data, expected, sizeof(expected));
}

static void a_write_that_does_not_fit_writes_nothing_and_stays_failed(void **state)
{
    uint8_t data[4] = { 9, 9, 9, 9 };
    struct writer w;

    (void)state;
    writer_init(&w, data, 3);
    writer_u16(&w, 0x0102);
    writer_u16(&w, 0x0304);
    assert_true(w.failed);
    assert_int_equal(w.len, 2);
    writer_u8(&w, 5);
    assert_int_equal(w.len, 2);
    assert_int_equal(data[2], 9);
    assert_int_equal(data[3], 9);
}

static void a_queue_gives_back_what_was_put_in(void **state)
{
    struct byteq queue;

    (void)state;
    byteq_init(&queue);
    byteq_append(&queue, "hello ", 6);
    byteq_append(&queue, "", 0);
    byteq_append(&queue, "world", 5);
    assert_int_equal(queue.len, 11);
    assert_memory_equal(byteq_front(&queue), "hello world", 11);
    byteq_drop(&queue, 6);
    assert_int_equal(queue.len, 5);
    assert_memory_equal(byteq_front(&queue), "world", 5);
    byteq_fini(&queue);
}

static void an_empty_queue_keeps_no_memory(void **state)
{
    struct byteq queue;

    (void)state;
    byteq_init(&queue);
    (void)byteq_front(&queue);
    byteq_append(&queue, "x", 1);
    byteq_drop(&queue, 1);
    assert_int_equal(queue.cap, 0);
    assert_null(queue.data);
    byteq_drop(&queue, 0);
}

/* Through many sizes, so that the bytes move to the front and the memory grows on the way. */
static void a_queue_keeps_the_order_of_a_long_stream(void **state)
{
    uint8_t chunk[700], written = 0, read = 0;
    struct byteq queue;

    (void)state;
    byteq_init(&queue);
    for (size_t round = 1; round < 600; round++) {
        size_t in = round % sizeof(chunk), out;

        for (size_t i = 0; i < in; i++)
            chunk[i] = written++;
        byteq_append(&queue, chunk, in);
        out = (round * 7) % (queue.len + 1);
        for (size_t i = 0; i < out; i++)
            assert_int_equal(byteq_front(&queue)[i], read++);
        byteq_drop(&queue, out);
    }
    while (queue.len) {
        assert_int_equal(byteq_front(&queue)[0], read++);
        byteq_drop(&queue, 1);
    }
    assert_int_equal(read, written);
}

static void room_that_is_not_used_stays_out_of_the_queue(void **state)
{
    struct byteq queue;

    (void)state;
    byteq_init(&queue);
    byteq_append(&queue, "ab", 2);
    memcpy(byteq_room(&queue, 1000), "cdef", 4);
    byteq_grow(&queue, 2);
    assert_int_equal(queue.len, 4);
    assert_memory_equal(byteq_front(&queue), "abcd", 4);
    (void)byteq_room(&queue, 1000);
    byteq_grow(&queue, 0);
    byteq_append(&queue, "x", 1);
    assert_int_equal(queue.len, 5);
    assert_memory_equal(byteq_front(&queue), "abcdx", 5);
    byteq_drop(&queue, 5);
    assert_null(queue.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_big_endian),
        cmocka_unit_test(a_read_that_does_not_fit_fails_and_stays_failed),
        cmocka_unit_test(a_length_near_the_end_of_memory_does_not_fit_either),
        cmocka_unit_test(bytes_are_borrowed_where_they_lie),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
        cmocka_unit_test(seeking_goes_to_the_end_and_no_further),
        cmocka_unit_test(numbers_are_written_big_endian),
        cmocka_unit_test(a_write_that_does_not_fit_writes_nothing_and_stays_failed),
        cmocka_unit_test(a_queue_gives_back_what_was_put_in),
        cmocka_unit_test(an_empty_queue_keeps_no_memory),
        cmocka_unit_test(a_queue_keeps_the_order_of_a_long_stream),
        cmocka_unit_test(room_that_is_not_used_stays_out_of_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
