/*
 * gpio: pins without a board under them. What a script puts on an output is remembered and traced;
 * an input reads what somebody outside drives it to (the control socket), else its pull.
 *
 * A change of a pin that is watched posts MSG_KIND_GPIO, after its debouncing. Numbers are
 * LuatOS's, luat_gpio.h. Pins are 0 to GPIO_PINS - 1; callers check.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/timer.h"

#define GPIO_PINS 200 /* from 100 on those of an Air8000's second chip */

struct msgq;
struct trace;
struct vclock;

enum gpio_mode {
    GPIO_MODE_CLOSED,
    GPIO_MODE_INPUT,
    GPIO_MODE_OUTPUT,
    GPIO_MODE_IRQ,     /* changes are reported */
    GPIO_MODE_COUNT,   /* changes are counted */
    GPIO_MODE_CAPTURE, /* how long the pin was at a level is reported */
};

enum gpio_pull { GPIO_PULL_DEFAULT, GPIO_PULL_UP, GPIO_PULL_DOWN };

enum gpio_edge {
    GPIO_EDGE_RISING,
    GPIO_EDGE_FALLING,
    GPIO_EDGE_BOTH,
    GPIO_EDGE_HIGH, /* the level; reported once, when it comes */
    GPIO_EDGE_LOW,
};

/* What somebody outside does with a pin. */
enum gpio_drive { GPIO_DRIVE_OPEN, GPIO_DRIVE_LOW, GPIO_DRIVE_HIGH };

enum gpio_debounce {
    GPIO_DEBOUNCE_COOL,   /* report at once, then nothing for a while */
    GPIO_DEBOUNCE_SETTLE, /* report what has stayed the same for a while */
};

struct gpio;

struct gpio_pin {
    struct gpio *gpio;
    enum gpio_mode mode;
    enum gpio_pull pull;
    enum gpio_edge edge;
    enum gpio_drive drive;
    enum gpio_debounce debounce;
    bool output;         /* level of an output; the last one, when it is none */
    bool captured_level; /* GPIO_MODE_CAPTURE: which */
    bool has_since;
    uint64_t since_us; /* of the last report, GPIO_DEBOUNCE_COOL; at the captured level */
    uint64_t debounce_us;
    struct timer settle;
    uint32_t count;
    int target_ref; /* luabind's: who is told; 0: nobody */
};

struct gpio_config {
    struct timers *timers;
    struct vclock *clock;
    struct msgq *msgs;
    struct trace *trace;
};

struct gpio {
    struct gpio_config config;
    struct gpio_pin pins[GPIO_PINS];
};

void gpio_init(struct gpio *gpio, const struct gpio_config *config);
void gpio_fini(struct gpio *gpio);

/* @edge counts for IRQ and COUNT only. An output keeps its level until gpio_set(). */
void gpio_setup(struct gpio *gpio, int pin, enum gpio_mode mode, enum gpio_pull pull,
                enum gpio_edge edge);

/* Report for how many microseconds the pin was at @level, whenever it leaves it. */
void gpio_capture(struct gpio *gpio, int pin, bool level);

/* Nobody is told any more, and its debouncing is off. */
void gpio_close(struct gpio *gpio, int pin);

void gpio_set(struct gpio *gpio, int pin, bool level);

/* The level that is there; of an output what was set. */
bool gpio_level(const struct gpio *gpio, int pin);

/* @us 0: off. */
void gpio_debounce(struct gpio *gpio, int pin, uint64_t us, enum gpio_debounce how);

/* Changes that a GPIO_MODE_COUNT pin has seen since the last call. */
uint32_t gpio_take_count(struct gpio *gpio, int pin);

/* From outside: drive the pin, or let go of it. */
void gpio_drive(struct gpio *gpio, int pin, enum gpio_drive drive);
