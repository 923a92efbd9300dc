#include "emu/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu/util.h"

#include <cmocka.h>

#define LARGE (1024 * 1024) /* more than a pipe holds */

struct sink {
    int fd;
    size_t len;
    bool is_equal; /* every byte was 'x' */
};

/* Read until the end, and only then is there room for more. */
static void *drain(void *arg)
{
    struct sink *sink = arg;
    char chunk[4096];
    ssize_t n;

    sink->is_equal = true;
    while ((n = read(sink->fd, chunk, sizeof(chunk))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sink->is_equal = sink->is_equal && chunk[i] == 'x';
        sink->len += (size_t)n;
    }
    return NULL;
}

static void assert_all_goes_through(int flags)
{
    struct sink sink = { 0 };
    char *data = xcalloc(1, LARGE);
    pthread_t thread;
    int ends[2];

    memset(data, 'x', LARGE);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
    sink.fd = ends[0];
    assert_int_equal(pthread_create(&thread, NULL, drain, &sink), 0);
    assert_true(fd_write_all(ends[1], data, LARGE));
    close(ends[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sink.len, LARGE);
    assert_true(sink.is_equal);
    close(ends[0]);
    free(data);
}

static void more_than_a_pipe_holds_goes_through(void **state)
{
    (void)state;
    assert_all_goes_through(0);
}

static void a_pipe_that_does_not_block_is_waited_for(void **state)
{
    (void)state;
    assert_all_goes_through(O_NONBLOCK);
}

static void writing_nothing_succeeds(void **state)
{
    (void)state;
    assert_true(fd_write_all(-1, "", 0));
}

static void what_cannot_be_written_is_false_with_its_reason(void **state)
{
    int ends[2];

    (void)state;
    assert_false(fd_write_all(-1, "x", 1));
    assert_int_equal(errno, EBADF);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    assert_false(fd_write_all(ends[1], "x", 1));
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_a_pipe_holds_goes_through),
        cmocka_unit_test(a_pipe_that_does_not_block_is_waited_for),
        cmocka_unit_test(writing_nothing_succeeds),
        cmocka_unit_test(what_cannot_be_written_is_false_with_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
