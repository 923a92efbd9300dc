#include "adapters/impairment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/nets.h"
#include "adapters/pump.h"
#include "emu/device.h"
#include "emu/shaped.h"
#include "emu/util.h"

/* Of one adapter. */
struct impaired {
    struct impairment *owner;
    enum adapter_id id;
    bool is_known; /* it has had rules */
    struct impair rules;
    struct timer end;      /* the last rule's */
    struct pump *pump;     /* NULL: none */
    struct shaped *shaped; /* likewise; never both */
};

struct impairment {
    struct device *device;
    struct nets *nets;
    struct impaired adapters[ADAPTER_COUNT];
};

struct impairment *impairment_new(struct device *device, struct nets *nets)
{
    struct impairment *impairment = xcalloc(1, sizeof(*impairment));

    impairment->device = device;
    impairment->nets = nets;
    return impairment;
}

/* ---- on and off ----------------------------------------------------------------------------- */

static int start_pump(struct impaired *impaired)
{
    struct device *device = impaired->owner->device;
    struct pump_config config = { .loop = &device->loop,
                                  .timers = &device->timers,
                                  .clock = &device->clock,
                                  .log = &device->log,
                                  .trace = &device->trace,
                                  .id = impaired->id,
                                  .adapter = device->net.adapters[impaired->id],
                                  .impair = &impaired->rules };
    int rc = nets_divert(impaired->owner->nets, impaired->id, config.ends);

    if (rc < 0)
        return rc;
    rc = pump_open(&impaired->pump, &config);
    if (rc < 0)
        nets_rejoin(impaired->owner->nets, impaired->id);
    return rc;
}

static int start_shaping(struct impaired *impaired)
{
    struct device *device = impaired->owner->device;

    if (impaired->shaped) {
        shaped_stay(impaired->shaped); /* it was about to leave */
        return 0;
    }
    if (!device->net.adapters[impaired->id]) /* a chip that somebody else drives */
        return -EOPNOTSUPP;
    impaired->shaped = shaped_enter(device->net.adapters[impaired->id],
                                    &(struct shaped_config){ .timers = &device->timers,
                                                             .clock = &device->clock,
                                                             .limits = &device->limits,
                                                             .trace = &device->trace,
                                                             .impair = &impaired->rules,
                                                             .self = &impaired->shaped });
    return impaired->shaped ? 0 : -EOPNOTSUPP;
}

/* The adapter is as it was, or will be when its scripts have read what has arrived. */
static void stop(struct impaired *impaired)
{
    if (impaired->shaped)
        shaped_leave(impaired->shaped);
    if (!impaired->pump)
        return;
    pump_close(impaired->pump);
    impaired->pump = NULL;
    nets_rejoin(impaired->owner->nets, impaired->id);
}

static int start(struct impaired *impaired)
{
    int rc = impaired->pump ? 0 : impaired->shaped ? -EOPNOTSUPP : start_pump(impaired);

    return rc == -EOPNOTSUPP ? start_shaping(impaired) : rc;
}

/* When the last of the rules is over; UINT64_MAX: never. */
static uint64_t end_us(const struct impair *rules)
{
    uint64_t end_us = 0;

    for (size_t i = 0; i < rules->count; i++)
        end_us = rules->rules[i].until_us > end_us ? rules->rules[i].until_us : end_us;
    return end_us;
}

static void on_end(struct timer *timer)
{
    stop(container_of(timer, struct impaired, end));
}

static struct impaired *know(struct impairment *impairment, enum adapter_id id)
{
    struct impaired *impaired = &impairment->adapters[id];

    if (impaired->is_known)
        return impaired;
    *impaired = (struct impaired){ .owner = impairment, .id = id, .is_known = true };
    impair_init(&impaired->rules, impairment->device->seed + (uint64_t)id);
    timer_init(&impaired->end, on_end);
    return impaired;
}

/* "loss, duplicate" */
static void name_kinds(unsigned kinds, char text[IMPAIR_TEXT_MAX])
{
    size_t len = 0;

    *text = '\0';
    for (int kind = 0; kind < IMPAIR_KINDS; kind++) {
        if (kinds & 1U << kind)
            len += (size_t)snprintf(text + len, IMPAIR_TEXT_MAX - len, "%s%s", len ? ", " : "",
                                    impair_kind_name((enum impair_kind)kind));
    }
}

/* Say what of @rule is not honoured, and take it out. False: that is all of it. */
static bool fit_to_sockets(struct impaired *impaired, struct impair_rule *rule,
                           char why[IMPAIR_WHY_MAX])
{
    const unsigned of_udp = 1U << IMPAIR_KIND_LOSS | 1U << IMPAIR_KIND_DUPLICATE |
                            1U << IMPAIR_KIND_REORDER | 1U << IMPAIR_KIND_MTU;
    struct log *log = &impaired->owner->device->log;
    const char *name = adapter_name(impaired->id);
    char kinds[IMPAIR_TEXT_MAX];
    unsigned lacks;
    bool can = shaped_can(rule, &lacks);

    name_kinds(lacks, kinds);
    if (!can) {
        (void)snprintf(why, IMPAIR_WHY_MAX,
                       "%.120s can't be had on %s, which has sockets and no frames", kinds, name);
        return false;
    }
    if (lacks)
        log_say(log, "%s: %s is left out: %s has sockets and no frames", rule->text, kinds, name);
    rule->kinds &= ~lacks;
    if (rule->protocol != IMPAIR_PROTOCOL_ANY || !(rule->kinds & of_udp))
        return true;
    name_kinds(rule->kinds & of_udp, kinds);
    log_say(log, "%s: %s is for UDP alone: TCP's packets on %s are the kernel's", rule->text, kinds,
            name);
    return true;
}

int impairment_add(struct impairment *impairment, const struct impair_rule *rule,
                   char why[IMPAIR_WHY_MAX])
{
    struct device *device = impairment->device;
    struct impair_rule fitting = *rule;
    struct impaired *impaired;
    uint64_t end;
    int rc;

    if (!device->net.adapters[rule->adapter] &&
        impairment->nets->board->slots[rule->adapter].binding == BINDING_OFF) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "this board has no %s", adapter_name(rule->adapter));
        return -EINVAL;
    }
    impaired = know(impairment, rule->adapter);
    rc = start(impaired);
    if (rc == 0 && impaired->shaped && !fit_to_sockets(impaired, &fitting, why)) {
        if (!impaired->rules.count)
            stop(impaired);
        return -EINVAL;
    }
    if (rc == 0)
        rc = impair_add(&impaired->rules, &fitting, device->clock.now_us);
    if (rc < 0) {
        (void)snprintf(why, IMPAIR_WHY_MAX, "%s can't be impaired: %s", adapter_name(rule->adapter),
                       rc == -ENOSPC       ? "it has as many rules as an adapter can have"
                       : rc == -EOPNOTSUPP ? "rules act on the frames of a link that the emulator "
                                             "makes: --net own, or --bind ADAPTER=lab"
                                           : strerror(-rc));
        return rc;
    }
    trace_emit(&device->trace, "impair.on", "{s:s, s:s}", "adapter", adapter_name(rule->adapter),
               "rule", rule->text);
    end = end_us(&impaired->rules);
    if (end == UINT64_MAX)
        timer_stop(&device->timers, &impaired->end);
    else
        timer_start(&device->timers, &impaired->end, end);
    return 0;
}

void impairment_off(struct impairment *impairment, enum adapter_id id)
{
    struct impaired *impaired = &impairment->adapters[id];

    if (!impaired->is_known || !impaired->rules.count)
        return;
    timer_stop(&impairment->device->timers, &impaired->end);
    impair_clear(&impaired->rules);
    stop(impaired);
    trace_emit(&impairment->device->trace, "impair.off", "{s:s}", "adapter", adapter_name(id));
}

void impairment_free(struct impairment *impairment)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        impairment_off(impairment, (enum adapter_id)id);
        if (impairment->adapters[id].shaped)
            shaped_free(impairment->adapters[id].shaped);
    }
    free(impairment);
}

const struct impair *impairment_rules(const struct impairment *impairment, enum adapter_id id)
{
    const struct impaired *impaired = &impairment->adapters[id];

    return impaired->is_known ? &impaired->rules : NULL;
}
