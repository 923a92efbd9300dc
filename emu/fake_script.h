/*
 * fake_script: a script for unit tests: it opens socket controls on a fake_device and reads what
 * they report. Everything checks itself with cmocka's assertions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/fake_device.h"
#include "emu/netc.h"

struct netc *script_tcp(struct fake_device *fake);
struct netc *script_udp(struct fake_device *fake);

enum netc_verdict script_connect(struct netc *netc, const char *name, uint16_t port);

/* A TCP control in the given state, its reports read; to example.com and 192.0.2.9, port 80. */
struct netc *script_looking_up(struct fake_device *fake);
struct netc *script_connecting(struct fake_device *fake);
struct netc *script_online(struct fake_device *fake);
struct netc *script_listening(struct fake_device *fake, bool many);

/* A UDP control that is online. */
struct netc *script_udp_online(struct fake_device *fake);

/* The network's end of the control's socket. */
struct fake_sock *script_sock(struct fake_device *fake, const struct netc *netc);

/* The network reports something about the control's socket, and it is delivered. */
void script_hears(struct fake_device *fake, const struct netc *netc, enum net_event_type type,
                  uint32_t arg);

/* The name server at the other end of @sock answers with these addresses; 0: no such name. */
void script_resolves(struct fake_device *fake, struct fake_sock *sock,
                     const char *const addresses[], int count);

/* The next report is this one, of this control. */
void script_expect(struct fake_device *fake, const struct netc *netc, enum netc_report report,
                   int param);

/* There is no report to be read. */
void script_expect_nothing(struct fake_device *fake);
