#include "emu/gpio.h"

#include <assert.h>

#include "emu/msgq.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

static struct gpio_pin *pin_at(struct gpio *gpio, int pin)
{
    assert(pin >= 0);
    assert(pin < GPIO_PINS);
    return &gpio->pins[pin];
}

static void post(struct gpio_pin *pin, uint32_t first, uint32_t second)
{
    const struct msg msg = {
        .kind = MSG_KIND_GPIO,
        .as.gpio = { .pin = (int)(pin - pin->gpio->pins), .first = first, .second = second },
    };

    if (pin->target_ref)
        msgq_post(pin->gpio->config.msgs, &msg);
}

static void report(struct gpio_pin *pin, bool level)
{
    post(pin, level, (uint32_t)(pin - pin->gpio->pins));
}

static bool level_of(const struct gpio_pin *pin)
{
    if (pin->mode == GPIO_MODE_OUTPUT)
        return pin->output;
    if (pin->drive != GPIO_DRIVE_OPEN)
        return pin->drive == GPIO_DRIVE_HIGH;
    return pin->pull == GPIO_PULL_UP;
}

static bool is_watched(const struct gpio_pin *pin, bool level)
{
    switch (pin->edge) {
    case GPIO_EDGE_RISING:
    case GPIO_EDGE_HIGH:
        return level;
    case GPIO_EDGE_FALLING:
    case GPIO_EDGE_LOW:
        return !level;
    case GPIO_EDGE_BOTH:
        return true;
    }
    return false;
}

/* It has been at one level for long enough. */
static void on_settle(struct timer *timer)
{
    struct gpio_pin *pin = container_of(timer, struct gpio_pin, settle);
    bool level = level_of(pin);

    if (is_watched(pin, level))
        report(pin, level);
}

void gpio_init(struct gpio *gpio, const struct gpio_config *config)
{
    *gpio = (struct gpio){ .config = *config };
    for (int i = 0; i < GPIO_PINS; i++) {
        gpio->pins[i].gpio = gpio;
        timer_init(&gpio->pins[i].settle, on_settle);
    }
}

void gpio_fini(struct gpio *gpio)
{
    for (int i = 0; i < GPIO_PINS; i++)
        timer_stop(gpio->config.timers, &gpio->pins[i].settle);
}

void gpio_setup(struct gpio *gpio, int pin, enum gpio_mode mode, enum gpio_pull pull,
                enum gpio_edge edge)
{
    struct gpio_pin *it = pin_at(gpio, pin);

    timer_stop(gpio->config.timers, &it->settle);
    it->mode = mode;
    it->pull = pull;
    it->edge = edge;
    it->has_since = false;
}

void gpio_capture(struct gpio *gpio, int pin, bool level)
{
    gpio_setup(gpio, pin, GPIO_MODE_CAPTURE, GPIO_PULL_DEFAULT, GPIO_EDGE_BOTH);
    pin_at(gpio, pin)->captured_level = level;
}

void gpio_close(struct gpio *gpio, int pin)
{
    gpio_setup(gpio, pin, GPIO_MODE_CLOSED, GPIO_PULL_DEFAULT, GPIO_EDGE_BOTH);
    pin_at(gpio, pin)->debounce_us = 0;
}

void gpio_set(struct gpio *gpio, int pin, bool level)
{
    struct gpio_pin *it = pin_at(gpio, pin);

    it->output = level;
    if (it->mode == GPIO_MODE_OUTPUT)
        trace_emit(gpio->config.trace, "gpio.set", "{s:i, s:i}", "pin", pin, "level", level);
}

bool gpio_level(const struct gpio *gpio, int pin)
{
    assert(pin >= 0);
    assert(pin < GPIO_PINS);
    return level_of(&gpio->pins[pin]);
}

void gpio_debounce(struct gpio *gpio, int pin, uint64_t us, enum gpio_debounce how)
{
    struct gpio_pin *it = pin_at(gpio, pin);

    timer_stop(gpio->config.timers, &it->settle);
    it->debounce = how;
    it->debounce_us = us;
    it->has_since = false;
}

uint32_t gpio_take_count(struct gpio *gpio, int pin)
{
    struct gpio_pin *it = pin_at(gpio, pin);
    uint32_t count = it->count;

    it->count = 0;
    return count;
}

static void on_irq(struct gpio_pin *pin, bool level)
{
    uint64_t now_us = pin->gpio->config.clock->now_us;

    if (!pin->debounce_us) {
        report(pin, level);
        return;
    }
    switch (pin->debounce) {
    case GPIO_DEBOUNCE_SETTLE:
        timer_start(pin->gpio->config.timers, &pin->settle, now_us + pin->debounce_us);
        return;
    case GPIO_DEBOUNCE_COOL:
        if (pin->has_since && now_us - pin->since_us < pin->debounce_us)
            return;
        pin->has_since = true;
        pin->since_us = now_us;
        report(pin, level);
    }
}

static void on_capture(struct gpio_pin *pin, bool level)
{
    uint64_t now_us = pin->gpio->config.clock->now_us;

    if (level != pin->captured_level && pin->has_since)
        post(pin, (uint32_t)(now_us - pin->since_us), 0);
    pin->has_since = level == pin->captured_level;
    pin->since_us = now_us;
}

static void on_change(struct gpio_pin *pin, bool level)
{
    switch (pin->mode) {
    case GPIO_MODE_IRQ:
        /* what waits to settle is disturbed by the other edge too */
        if (is_watched(pin, level) || timer_is_running(&pin->settle))
            on_irq(pin, level);
        break;
    case GPIO_MODE_COUNT:
        pin->count += is_watched(pin, level);
        break;
    case GPIO_MODE_CAPTURE:
        on_capture(pin, level);
        break;
    case GPIO_MODE_CLOSED:
    case GPIO_MODE_INPUT:
    case GPIO_MODE_OUTPUT:
        break;
    }
}

void gpio_drive(struct gpio *gpio, int pin, enum gpio_drive drive)
{
    struct gpio_pin *it = pin_at(gpio, pin);
    bool before = level_of(it);

    it->drive = drive;
    if (level_of(it) != before)
        on_change(it, !before);
}
