#include "emu/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "emu/util.h"

#include <cmocka.h>

#define MANY (LOOP_BATCH_MAX + 6)

/* A pipe whose reading end the loop watches. */
struct probe {
    struct loop_fd source;
    int write_fd;
    unsigned calls;
    uint32_t events;
    struct loop *loop;
    struct probe *removes; /* when called, this one is taken out of the loop */
};

static void on_ready(struct loop_fd *source, uint32_t events)
{
    struct probe *probe = container_of(source, struct probe, source);

    probe->calls++;
    probe->events = events;
    if (probe->removes)
        loop_remove(probe->loop, &probe->removes->source);
}

static void probe_open(struct probe *probe, struct loop *loop)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    *probe = (struct probe){ .source = { ends[0], on_ready }, .write_fd = ends[1], .loop = loop };
    assert_int_equal(loop_add(loop, &probe->source, EPOLLIN), 0);
}

static void probe_close(struct probe *probe)
{
    loop_remove(probe->loop, &probe->source);
    close(probe->source.fd);
    close(probe->write_fd);
}

static void poke(const struct probe *probe)
{
    assert_int_equal(write(probe->write_fd, "x", 1), 1);
}

static void turn(struct loop *loop)
{
    loop_wait(loop, 0);
    loop_dispatch(loop);
}

static void an_owner_is_told_once_about_a_change(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    probe_open(&probe, &loop);
    turn(&loop);
    assert_int_equal(probe.calls, 0);
    poke(&probe);
    turn(&loop);
    assert_int_equal(probe.calls, 1);
    assert_true(probe.events & EPOLLIN);
    turn(&loop); /* still unread, but nothing new */
    assert_int_equal(probe.calls, 1);
    poke(&probe);
    turn(&loop);
    assert_int_equal(probe.calls, 2);
    probe_close(&probe);
    loop_close(&loop);
}

static void the_end_of_the_other_side_is_reported(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    probe_open(&probe, &loop);
    close(probe.write_fd);
    turn(&loop);
    assert_int_equal(probe.calls, 1);
    assert_true(probe.events & EPOLLHUP);
    loop_remove(&loop, &probe.source);
    close(probe.source.fd);
    loop_close(&loop);
}

static void what_was_removed_is_not_called_in_the_same_turn(void **state)
{
    struct probe probes[2];
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    for (int i = 0; i < 2; i++)
        probe_open(&probes[i], &loop);
    probes[0].removes = &probes[1];
    probes[1].removes = &probes[0];
    poke(&probes[0]);
    poke(&probes[1]);
    turn(&loop);
    assert_int_equal(probes[0].calls + probes[1].calls, 1);
    for (int i = 0; i < 2; i++)
        probe_close(&probes[i]);
    loop_close(&loop);
}

static void more_owners_than_a_batch_holds_are_all_served(void **state)
{
    struct probe probes[MANY];
    struct loop loop;
    unsigned calls = 0;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    for (int i = 0; i < MANY; i++)
        probe_open(&probes[i], &loop);
    for (int i = 0; i < MANY; i++)
        poke(&probes[i]);
    turn(&loop);
    turn(&loop);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(probes[i].calls, 1);
        calls += probes[i].calls;
    }
    assert_int_equal(calls, MANY);
    for (int i = 0; i < MANY; i++)
        probe_close(&probes[i]);
    loop_close(&loop);
}

/* It would wait for ever otherwise. */
static void a_wake_before_the_wait_ends_the_wait(void **state)
{
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    loop_wake(&loop);
    loop_wake(&loop);
    loop_wait(&loop, UINT64_MAX);
    assert_int_equal(loop.batch_len, 1);
    loop_dispatch(&loop);
    loop_wait(&loop, 0);
    assert_int_equal(loop.batch_len, 0); /* both wakes are gone */
    loop_wake(&loop);
    loop_wait(&loop, UINT64_MAX);
    assert_int_equal(loop.batch_len, 1);
    loop_close(&loop);
}

static bool look(struct loop *loop)
{
    loop_expect(loop);
    return loop_look(loop);
}

static void looking_finds_what_is_ready(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    probe_open(&probe, &loop);
    poke(&probe);
    assert_false(loop_look(&loop)); /* nothing is expected */
    assert_true(look(&loop));
    loop_dispatch(&loop);
    assert_int_equal(probe.calls, 1);
    probe_close(&probe);
    loop_close(&loop);
}

static void looking_in_vain_makes_looking_rarer(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    probe_open(&probe, &loop);
    assert_false(look(&loop));
    poke(&probe);
    assert_false(look(&loop)); /* it would have found something */
    assert_true(look(&loop));
    loop_dispatch(&loop);
    assert_false(look(&loop)); /* one skip, not three: the last look was worth while */
    poke(&probe);
    assert_false(look(&loop));
    assert_true(look(&loop));
    probe_close(&probe);
    loop_close(&loop);
}

/* How often looking is not tried, although there is something to be found. */
static unsigned count_skips(struct loop *loop, const struct probe *probe)
{
    unsigned skips = 0;

    poke(probe);
    while (!look(loop))
        skips++;
    loop_dispatch(loop);
    return skips;
}

static void looks_that_are_disturbed_become_rare(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    probe_open(&probe, &loop);
    assert_int_equal(count_skips(&loop, &probe), 0);
    loop_look_rarely(&loop);
    assert_int_equal(count_skips(&loop, &probe), 1023);
    assert_int_equal(count_skips(&loop, &probe), 0);
    loop_look_rarely(&loop);
    assert_int_equal(count_skips(&loop, &probe), 2047);
    for (int i = 0; i < 10; i++)
        loop_look_rarely(&loop);
    assert_int_equal(count_skips(&loop, &probe), 16383);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(count_skips(&loop, &probe), 0);
    loop_look_rarely(&loop);
    assert_int_equal(count_skips(&loop, &probe), 1023); /* that was long ago */
    probe_close(&probe);
    loop_close(&loop);
}

static void an_old_kernel_waits_in_milliseconds(void **state)
{
    struct probe probe;
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    loop.lacks_pwait2 = true;
    probe_open(&probe, &loop);
    loop_wait(&loop, 1);
    assert_int_equal(loop.batch_len, 0);
    poke(&probe);
    loop_wait(&loop, UINT64_MAX);
    assert_int_equal(loop.batch_len, 1);
    loop_dispatch(&loop);
    poke(&probe);
    loop_wait(&loop, UINT64_MAX - 1); /* longer than an int of milliseconds */
    assert_int_equal(loop.batch_len, 1);
    probe_close(&probe);
    loop_close(&loop);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    struct loop_fd closed = { .fd = -1, .ready = on_ready };
    struct loop loop;

    (void)state;
    assert_int_equal(loop_open(&loop), 0);
    assert_int_equal(loop_add(&loop, &closed, EPOLLIN), -EBADF);
    loop_remove(&loop, &closed);
    loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_is_told_once_about_a_change),
        cmocka_unit_test(the_end_of_the_other_side_is_reported),
        cmocka_unit_test(what_was_removed_is_not_called_in_the_same_turn),
        cmocka_unit_test(more_owners_than_a_batch_holds_are_all_served),
        cmocka_unit_test(a_wake_before_the_wait_ends_the_wait),
        cmocka_unit_test(looking_finds_what_is_ready),
        cmocka_unit_test(looking_in_vain_makes_looking_rarer),
        cmocka_unit_test(looks_that_are_disturbed_become_rare),
        cmocka_unit_test(an_old_kernel_waits_in_milliseconds),
        cmocka_unit_test(what_cannot_be_watched_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
