/*
 * Measure a W5500's port with the client of conformance/vspi.h.
 *
 *   spi PATH frames MS   round trips of an SPI frame of 4 bytes: prints "BENCH count seconds"
 *   spi PATH bursts MS   the same of 4 KB, counted in bits
 *   spi PATH serve       the yardstick: answers each message with its own bytes, and ends with its client
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../conformance/vspi.h"

#define BURST_LEN 4096
#define BATCH     100

static unsigned long long now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

/* ---- the yardstick ------------------------------------------------------------------------------ */

static int listen_at(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof(sa.sun_path))
        return -1;
    memcpy(sa.sun_path, path, strlen(path) + 1);
    if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 1) < 0)
        return -1;
    puts("w5500 yardstick");
    fflush(stdout);
    return accept(fd, NULL, NULL);
}

static int serve(const char *path)
{
    static struct vspi peer;
    static uint8_t message[VSPI_HEADER_LEN + VSPI_LEN_MAX];

    peer.fd = listen_at(path);
    if (peer.fd < 0)
        return 1;
    while (vspi_receive(&peer, message, VSPI_HEADER_LEN) == 0) {
        size_t len = (size_t)message[4] | (size_t)message[5] << 8 | (size_t)message[6] << 16;
        int is_posted = message[0] == VSPI_XFER && (message[1] & VSPI_NOREPLY);

        if (len > VSPI_LEN_MAX || vspi_receive(&peer, message + VSPI_HEADER_LEN, len) < 0)
            return 1;
        message[0] |= VSPI_REPLY;
        message[2] = message[3] = 0;
        if (!is_posted && vspi_send(&peer, message, VSPI_HEADER_LEN + len) < 0)
            return 1;
    }
    return 0;
}

/* ---- the client --------------------------------------------------------------------------------- */

static int measure(const char *path, int is_burst, unsigned long long window_us)
{
    static struct vspi chip;
    static uint8_t data[BURST_LEN];
    unsigned long long start, count = 0;
    int rc = vspi_open(&chip, path);

    start = now_us();
    while (rc == 0 && now_us() - start < window_us) {
        for (int i = 0; i < BATCH && rc == 0; i++, count++)
            rc = is_burst ? vspi_read(&chip, 3, 0, data, sizeof(data))
                          : vspi_read(&chip, 0, 0x39, data, 1);
    }
    if (rc < 0) {
        fprintf(stderr, "spi: %s\n", strerror(-rc));
        return 1;
    }
    printf("BENCH %llu %.6f\n", is_burst ? count * 8 * BURST_LEN : count,
           (double)(now_us() - start) / 1e6);
    vspi_close(&chip);
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[2], "serve") == 0)
        return serve(argv[1]);
    if (argc != 4)
        return 2;
    return measure(argv[1], strcmp(argv[2], "bursts") == 0, strtoull(argv[3], NULL, 10) * 1000);
}
