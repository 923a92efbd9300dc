/*
 * vcd: what goes over the chip's SPI bus, bit by bit, as a Value Change Dump (IEEE 1364-2005, 18) for
 * GTKWave, PulseView and other logic analyzers.
 *
 * Wires: SCSn, SCLK, MOSI, MISO (z while SCSn is high), INTn and RSTn. SPI is mode 0, whatever mode
 * the driver thinks of: data changes with the falling edge of SCLK and is read with the rising one.
 * "access" is a string (GTKWave's extension to VCD, with \x20 for blanks): the register access whose
 * bits begin there, as regtext.h tells it.
 *
 * Time is in nanoseconds of the device's clock, at the pace of the chip's SPI clock: bits are put
 * where the clock is when they are clocked or, when the bus is still busy there, behind its last
 * ones. In fast timing, where a transfer takes no time, the trace can so run ahead of the device;
 * it never goes back. A pin that changes by what is clocked changes at the end of that piece of the
 * frame.
 *
 * Text is written whenever SCSn rises or an access is over: what ends the process loses a part of a
 * frame at most.
 */
#pragma once

struct bench_observer;
struct log;
struct vclock;
struct vcd;
struct w5500;

struct vcd_config {
    const struct w5500 *chip;   /* for its pins and its SPI clock */
    const struct vclock *clock; /* outlives it */
    struct log *log;
    int fd;          /* closed by vcd_close() */
    unsigned gap_ns; /* accurate timing: between two SPI frames */
};

struct vcd *vcd_new(const struct vcd_config *config);

/* For bench_observe(). */
struct bench_observer *vcd_observer(struct vcd *vcd);

/*
 * Write what is left, when nobody calls the observer any more. 0, or the errno of the write that
 * failed, which was said; what follows that was not written.
 */
int vcd_close(struct vcd *vcd);
