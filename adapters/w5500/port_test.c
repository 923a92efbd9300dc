#include "adapters/w5500/port.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/unix_path.h"
#include "adapters/w5500/bench.h"
#include "adapters/w5500/vspi.h"
#include "emu/log.h"
#include "emu/loop.h"
#include "emu/rng.h"
#include "emu/timer.h"
#include "emu/trace.h"
#include "emu/vclock.h"

#include <cmocka.h>

#define HEADER_LEN 8
#define FRAME      3 /* ASSERT and DEASSERT */
#define TURNS      8
#define LONG_LEN   4096

struct fixture {
    struct vclock clock;
    struct timers timers;
    struct loop loop;
    struct rng rng;
    struct trace trace;
    struct log log;
    int log_fd; /* what was said is read there */
    struct bench *bench;
    struct port *port;
    char folder[32], path[48];
};

static const uint8_t read_version[HEADER_LEN + 4] = { 1, FRAME, 0, 0, 4, 0, 0, 0, 0, 0x39, 0, 0 };

static struct port_config config_of(struct fixture *fixture)
{
    return (struct port_config){ .loop = &fixture->loop,
                                 .timers = &fixture->timers,
                                 .clock = &fixture->clock,
                                 .log = &fixture->log,
                                 .trace = &fixture->trace,
                                 .bench = fixture->bench };
}

static int setup(void **state)
{
    static struct fixture fixture;
    struct port_config config;
    int ends[2];

    fixture = (struct fixture){ .folder = "/tmp/port_test.XXXXXX" };
    assert_non_null(mkdtemp(fixture.folder));
    (void)snprintf(fixture.path, sizeof(fixture.path), "%s/spi", fixture.folder);
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    fixture.log_fd = ends[0];
    vclock_init(&fixture.clock, VCLOCK_MODE_VIRTUAL);
    timers_init(&fixture.timers);
    rng_init(&fixture.rng, 1);
    trace_init(&fixture.trace, &fixture.clock, -1);
    log_init(&fixture.log, &(struct log_config){ .clock = &fixture.clock,
                                                 .trace = &fixture.trace,
                                                 .module_fd = -1,
                                                 .voice_fd = ends[1] });
    assert_int_equal(loop_open(&fixture.loop), 0);
    fixture.bench = bench_new(&(struct bench_config){ .loop = &fixture.loop,
                                                      .timers = &fixture.timers,
                                                      .clock = &fixture.clock,
                                                      .rng = &fixture.rng,
                                                      .log = &fixture.log });
    config = config_of(&fixture);
    assert_int_equal(port_open(&fixture.port, fixture.path, &config), 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    port_close(fixture->port);
    assert_int_equal(rmdir(fixture->folder), 0); /* the socket is gone */
    bench_free(fixture->bench);
    timers_fini(&fixture->timers);
    loop_close(&fixture->loop);
    close(fixture->log_fd);
    close(fixture->log.config.voice_fd);
    return 0;
}

static void turn(struct fixture *fixture)
{
    for (int i = 0; i < TURNS; i++) {
        loop_wait(&fixture->loop, 0);
        loop_dispatch(&fixture->loop);
        (void)timers_run(&fixture->timers, fixture->clock.now_us);
    }
}

static int connect_client(const struct fixture *fixture)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un sa;

    assert_int_equal(unix_path_set(&sa, fixture->path), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void ask_version(int fd)
{
    assert_int_equal(send(fd, read_version, sizeof(read_version), 0), sizeof(read_version));
}

static void expect_version(int fd)
{
    uint8_t reply[HEADER_LEN + 4];

    assert_int_equal(recv(fd, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
    assert_int_equal(reply[0], 0x81);
    assert_int_equal(reply[HEADER_LEN + 3], 4);
}

static void expect_end(int fd)
{
    uint8_t byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void expect_said(const struct fixture *fixture, const char *words)
{
    char text[1024];
    ssize_t n = read(fixture->log_fd, text, sizeof(text) - 1);

    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, words));
}

static void a_client_is_served(void **state)
{
    int fd = connect_client(*state);

    ask_version(fd);
    turn(*state);
    expect_version(fd);
    close(fd);
}

static void a_second_client_is_refused(void **state)
{
    int first = connect_client(*state), second;

    turn(*state);
    second = connect_client(*state);
    turn(*state);
    expect_end(second);
    expect_said(*state, "a second client is refused");
    ask_version(first);
    turn(*state);
    expect_version(first);
    close(first);
}

/* Though the loop may hear of it before it hears of the end of the other. */
static void who_comes_after_another_is_served(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 10; i++) {
        int fd = connect_client(fixture);

        ask_version(fd);
        turn(fixture);
        expect_version(fd);
        close(fd);
    }
}

static void what_was_sent_before_the_end_is_answered(void **state)
{
    int fd = connect_client(*state);

    ask_version(fd);
    ask_version(fd);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    turn(*state);
    expect_version(fd);
    expect_version(fd);
    expect_end(fd);
}

static void what_was_posted_before_the_end_is_written(void **state)
{
    const uint8_t request[] = { 1, FRAME, 0, 0, 4, 0, 0, 0, 0x00, 0x18, 0x04, 0x55 };
    struct fixture *fixture = *state;
    int fd = connect_client(fixture);

    turn(fixture);
    assert_int_equal(send(fd, request, sizeof(request), 0), sizeof(request));
    close(fd);
    turn(fixture);
    assert_int_equal(w5500_peek(bench_chip(fixture->bench), W5500_BLOCK_COMMON, 0x18), 0x55);
}

static void an_end_within_a_message_releases_scsn(void **state)
{
    const uint8_t assert_it[] = { 1, 1, 0, 0, 2, 0, 0, 0, 0x00, 0x39, 1, 2, 0, 0, 9 };
    struct fixture *fixture = *state;
    int fd = connect_client(fixture);

    assert_int_equal(send(fd, assert_it, sizeof(assert_it), 0), sizeof(assert_it));
    turn(fixture);
    assert_false(bench_pins(fixture->bench) & W5500_PINS_SCSN);
    close(fd);
    turn(fixture);
    assert_true(bench_pins(fixture->bench) & W5500_PINS_SCSN);
}

static void what_is_forbidden_is_said_of_the_frame(void **state)
{
    const uint8_t write_sir[] = { 1, FRAME, 0, 0, 4, 0, 0, 0, 0x00, 0x17, 0x04, 0x55 };
    int fd = connect_client(*state);

    ask_version(fd);
    assert_int_equal(send(fd, write_sir, sizeof(write_sir), 0), sizeof(write_sir));
    turn(*state);
    expect_said(*state, "frame 2: w5500: ");
    close(fd);
}

static void a_message_that_is_too_long_ends_it(void **state)
{
    const uint8_t request[] = { 1, FRAME, 0, 0, 1, 0, 2, 0 }; /* 128 KiB + 1 */
    int fd = connect_client(*state);

    ask_version(fd);
    assert_int_equal(send(fd, request, sizeof(request), 0), sizeof(request));
    turn(*state);
    expect_version(fd);
    expect_end(fd);
    expect_said(*state, "a message of 131073 bytes");
}

/* Then the socket fills, which the client sees; and when it reads, all is there. */
static void who_does_not_read_is_not_read_from(void **state)
{
    static uint8_t request[HEADER_LEN + LONG_LEN], reply[HEADER_LEN + LONG_LEN];
    struct fixture *fixture = *state;
    int fd = connect_client(fixture), asked = 0, answered = 0;
    ssize_t n = 0;

    memcpy(request, (const uint8_t[]){ 1, FRAME, 0, 0, 0, LONG_LEN >> 8, 0, 0 }, HEADER_LEN);
    while (asked < 1000) {
        size_t sent = 0;

        for (int idle = 0; sent < sizeof(request) && idle < TURNS; idle++) {
            n = send(fd, request + sent, sizeof(request) - sent, 0);
            sent += n > 0 ? (size_t)n : 0;
            turn(fixture);
        }
        if (sent < sizeof(request))
            break;
        asked++;
    }
    assert_in_range(asked, 10, 999);
    for (;;) {
        size_t len = 0;

        for (int idle = 0; len < sizeof(reply) && idle < TURNS; idle++) {
            n = recv(fd, reply + len, sizeof(reply) - len, 0);
            len += n > 0 ? (size_t)n : 0;
            turn(fixture);
        }
        if (len < sizeof(reply))
            break;
        assert_int_equal(reply[0], 0x81);
        answered++;
    }
    assert_in_range(answered, asked, asked + 1); /* of the last one, a part was sent */
    close(fd);
    turn(fixture);
}

static void only_sockets_are_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct port_config config = config_of(fixture);
    struct port *port = NULL;
    char path[64];
    int fd;

    assert_int_equal(port_open(&port, fixture->path, &config), -EADDRINUSE);
    (void)snprintf(path, sizeof(path), "%s/file", fixture->folder);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(port_open(&port, path, &config), -ENOTSOCK);
    assert_int_equal(unlink(path), 0);
    assert_null(port);
}

static void a_socket_that_was_left_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un sa;
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/left", fixture->folder);
    assert_int_equal(unix_path_set(&sa, path), 0);
    fd = unix_path_listen(&sa);
    assert_true(fd >= 0);
    close(fd);
    fd = unix_path_listen(&sa);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_client_is_served),
        WITH(a_second_client_is_refused),
        WITH(who_comes_after_another_is_served),
        WITH(what_was_sent_before_the_end_is_answered),
        WITH(what_was_posted_before_the_end_is_written),
        WITH(an_end_within_a_message_releases_scsn),
        WITH(what_is_forbidden_is_said_of_the_frame),
        WITH(a_message_that_is_too_long_ends_it),
        WITH(who_does_not_read_is_not_read_from),
        WITH(only_sockets_are_replaced),
        WITH(a_socket_that_was_left_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
