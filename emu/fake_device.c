#include "emu/fake_device.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/util.h"

#define US_PER_MS 1000

int fake_device_setup(void **state)
{
    struct fake_device *fake = xcalloc(1, sizeof(*fake));
    struct device_config config = {
        .time = VCLOCK_MODE_VIRTUAL,
        .profile = PROFILE_DOC,
        .seed = 1,
        .has_seed = true,
    };

    fake->log_fd = memfd_create("log", MFD_CLOEXEC);
    fake->voice_fd = memfd_create("voice", MFD_CLOEXEC);
    fake->trace_fd = memfd_create("trace", MFD_CLOEXEC);
    limits_init(&config.limits);
    config.log = (struct log_config){ .module_fd = fake->log_fd,
                                      .voice_fd = fake->voice_fd,
                                      .level = LOG_LEVEL_DEBUG };
    config.trace_fd = fake->trace_fd;
    if (device_open(&fake->device, &config) < 0)
        return -1;
    fake->adapter = fake_adapter_new();
    net_register(&fake->device.net, &fake->adapter->base, ADAPTER_ETH0);
    *state = fake;
    return 0;
}

int fake_device_teardown(void **state)
{
    struct fake_device *fake = *state;

    device_close(&fake->device);
    close(fake->log_fd);
    close(fake->voice_fd);
    close(fake->trace_fd);
    free(fake);
    return 0;
}

char *fake_read_all(int fd)
{
    struct stat st = { 0 };
    char *text;
    ssize_t n;

    if (fstat(fd, &st) < 0)
        return xstrdup("");
    text = xcalloc(1, (size_t)st.st_size + 1);
    n = pread(fd, text, (size_t)st.st_size, 0);
    assert(n == st.st_size);
    return text;
}

bool fake_traced(const struct fake_device *fake, const char *part)
{
    char *text = fake_read_all(fake->trace_fd);
    bool found = strstr(text, part) != NULL;

    free(text);
    return found;
}

void fake_deliver(struct fake_device *fake)
{
    (void)net_deliver(&fake->device.net);
}

void fake_pass_ms(struct fake_device *fake, uint64_t ms)
{
    struct device *device = &fake->device;
    uint64_t until_us = device->clock.now_us + ms * US_PER_MS;

    for (;;) {
        uint64_t next_us = timers_next_us(&device->timers);
        bool is_last = next_us > until_us;

        vclock_advance(&device->clock, (is_last ? until_us : next_us) - device->clock.now_us);
        (void)timers_run(&device->timers, device->clock.now_us);
        fake_deliver(fake);
        if (is_last)
            return;
    }
}
