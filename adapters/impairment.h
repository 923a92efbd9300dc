/*
 * impairment: which adapters of a device have rules of impairment in force, and what carries them
 * out: a pump where there are frames (pump.h), else what shapes its sockets (emu/shaped.h). Where
 * there is no rule there is nothing.
 */
#pragma once

#include "emu/impair.h"

struct device;
struct impairment;
struct nets;

/* Freed before @nets and @device. */
struct impairment *impairment_new(struct device *device, struct nets *nets);
void impairment_free(struct impairment *impairment);

/*
 * Put @rule in force now, beside those that its adapter has. 0 or -errno, with @why for people;
 * -EINVAL: there is no such adapter, or its binding can honour nothing of the rule. Of what it
 * can't honour else, people are told.
 */
int impairment_add(struct impairment *impairment, const struct impair_rule *rule,
                   char why[IMPAIR_WHY_MAX]);

/* Take all rules of an adapter away. What is on its way arrives at once. */
void impairment_off(struct impairment *impairment, enum adapter_id id);

/* The rules of an adapter; NULL: it never had any. */
const struct impair *impairment_rules(const struct impairment *impairment, enum adapter_id id);
