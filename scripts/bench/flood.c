/*
 * flood: datagrams of 1400 bytes at a steady rate, and how late each arrives.
 *
 *   flood send HOST PORT MBIT MS
 *   flood recv PORT DELAY_US   binds to every address, prints "ready", and counts until half a second
 *                              passes without a datagram. Prints "FLOOD count seconds p50_us p99_us
 *                              max_us": how far delays were from DELAY_US.
 *
 * A delay is from the send call to when the receiving kernel has stamped the datagram: it does not
 * count when the receiver was scheduled.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DATA_LEN   1400
#define BATCH      16
#define LIFE_S     60 /* whatever happens to the driver */
#define BUFFER_LEN (16 * 1024 * 1024)
#define COUNT_MAX  4000000
#define NAP_NS     50000
#define FIRST_S    10 /* so long the first may take */
#define QUIET_US   500000
#define NS_PER_S   1000000000
#define NS_PER_US  1000
#define US_PER_S   1000000

struct flood {
    int fd;
    uint8_t data[BATCH][DATA_LEN];
    char control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    struct iovec iov[BATCH];
    struct mmsghdr msgs[BATCH];
};

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int64_t to_ns(const struct timespec *ts)
{
    return (int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

/* The calendar: it is what the kernel's stamps are in. */
static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return to_ns(&ts);
}

static void open_socket(struct flood *flood)
{
    const int len = BUFFER_LEN, on = 1;

    flood->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (flood->fd < 0)
        die("socket");
    /* more than its limit takes a privilege, and is better, not needed */
    if (setsockopt(flood->fd, SOL_SOCKET, SO_RCVBUFFORCE, &len, sizeof(len)) < 0)
        (void)setsockopt(flood->fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof(len));
    if (setsockopt(flood->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
        die("SO_TIMESTAMPNS");
    for (int i = 0; i < BATCH; i++) {
        flood->iov[i] = (struct iovec){ flood->data[i], DATA_LEN };
        flood->msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &flood->iov[i], .msg_iovlen = 1 };
    }
}

/* ---- sending -------------------------------------------------------------------------------- */

static void send_batch(struct flood *flood, uint64_t *count)
{
    const int64_t stamp_ns = now_ns();
    int n;

    for (int i = 0; i < BATCH; i++)
        memcpy(flood->data[i], &stamp_ns, sizeof(stamp_ns));
    n = sendmmsg(flood->fd, flood->msgs, BATCH, 0);
    if (n < 0)
        die("sendmmsg");
    *count += (uint64_t)n;
}

static void probe_send(struct flood *flood, char **argv)
{
    const struct sockaddr_in sa = { .sin_family = AF_INET,
                                    .sin_port = htons((in_port_t)strtoul(argv[1], NULL, 10)),
                                    .sin_addr.s_addr = inet_addr(argv[0]) };
    const struct timespec nap = { .tv_nsec = NAP_NS };
    double per_ns = strtod(argv[2], NULL) * 1e6 / 8 / DATA_LEN / NS_PER_S;
    int64_t begin_ns = now_ns(), took_ns = 0, window_ns = strtoll(argv[3], NULL, 10) * 1000000;
    uint64_t count = 0;

    if (connect(flood->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        die("connect");
    for (; took_ns < window_ns; took_ns = now_ns() - begin_ns) {
        if ((double)took_ns * per_ns < (double)(count + BATCH))
            (void)nanosleep(&nap, NULL);
        else
            send_batch(flood, &count);
    }
    printf("FLOOD %" PRIu64 " %.9f\n", count, (double)took_ns / NS_PER_S);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

static int64_t stamp_of(struct msghdr *msg)
{
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
    struct timespec ts;

    if (!cmsg || cmsg->cmsg_type != SCM_TIMESTAMPNS) {
        (void)fprintf(stderr, "flood: a datagram without a stamp\n");
        exit(EXIT_FAILURE);
    }
    memcpy(&ts, CMSG_DATA(cmsg), sizeof(ts));
    return to_ns(&ts);
}

static void set_patience(const struct flood *flood, time_t s, suseconds_t us)
{
    const struct timeval patience = { .tv_sec = s, .tv_usec = us };

    if (setsockopt(flood->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        die("SO_RCVTIMEO");
}

/* What came at once, 0: nothing did. */
static int receive(struct flood *flood)
{
    int n;

    for (int i = 0; i < BATCH; i++) {
        flood->msgs[i].msg_hdr.msg_control = flood->control[i];
        flood->msgs[i].msg_hdr.msg_controllen = sizeof(flood->control[i]);
    }
    n = recvmmsg(flood->fd, flood->msgs, BATCH, MSG_WAITFORONE, NULL);
    return n > 0 ? n : 0;
}

static void probe_recv(struct flood *flood, char **argv)
{
    const struct sockaddr_in sa = { .sin_family = AF_INET,
                                    .sin_port = htons((in_port_t)strtoul(argv[0], NULL, 10)) };
    int64_t delay_ns = strtoll(argv[1], NULL, 10) * NS_PER_US, first_ns = 0, last_ns = 0;
    uint32_t *errors_us = calloc(COUNT_MAX, sizeof(*errors_us));
    size_t count = 0;
    int n;

    if (!errors_us)
        die("calloc");
    if (bind(flood->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
        die("bind");
    printf("ready\n");
    (void)fflush(stdout);
    set_patience(flood, FIRST_S, 0);
    while (count + BATCH <= COUNT_MAX && (n = receive(flood))) {
        for (int i = 0; i < n; i++) {
            int64_t sent_ns, error_ns;

            last_ns = stamp_of(&flood->msgs[i].msg_hdr);
            memcpy(&sent_ns, flood->data[i], sizeof(sent_ns));
            error_ns = llabs(last_ns - sent_ns - delay_ns);
            errors_us[count++] = (uint32_t)(error_ns / NS_PER_US);
        }
        if (!first_ns)
            set_patience(flood, 0, QUIET_US);
        first_ns = first_ns ? first_ns : last_ns;
    }
    if (!count) {
        (void)fprintf(stderr, "flood: nothing has come\n");
        exit(EXIT_FAILURE);
    }
    qsort(errors_us, count, sizeof(*errors_us), compare);
    printf("FLOOD %zu %.9f %u %u %u\n", count, (double)(last_ns - first_ns) / NS_PER_S,
           errors_us[count / 2], errors_us[count * 99 / 100], errors_us[count - 1]);
    free(errors_us);
}

int main(int argc, char **argv)
{
    static struct flood flood;

    alarm(LIFE_S);
    open_socket(&flood);
    if (argc == 6 && strcmp(argv[1], "send") == 0) {
        probe_send(&flood, argv + 2);
        return EXIT_SUCCESS;
    }
    if (argc == 4 && strcmp(argv[1], "recv") == 0) {
        probe_recv(&flood, argv + 2);
        return EXIT_SUCCESS;
    }
    (void)fprintf(stderr, "usage: flood send HOST PORT MBIT MS | flood recv PORT DELAY_US\n");
    return EXIT_FAILURE;
}
