/*
 * trace: what machines read. One JSON object a line, written at once, never buffered; the contract
 * with conformance/ and with whoever scripts the emulator.
 *
 * Every line has "t_us" (microseconds since start, on the device's clock) and "kind"; the other
 * keys depend on the kind and are listed in README.md, section Trace.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct vclock;

struct trace {
    const struct vclock *clock;
    int fd;                         /* -1: nowhere */
    int write_error;                /* errno of the first failed write, 0 when none failed */
    struct trace_watcher *watchers; /* NULL: none */
};

/* Sees every line as it is written. Must not emit, nor change what the line is about. */
struct trace_watcher {
    void (*seen)(struct trace_watcher *watcher, const json_t *line);
    struct trace_watcher *next;
};

void trace_init(struct trace *trace, const struct vclock *clock, int fd);

/* Does anybody read it? */
bool trace_is_on(const struct trace *trace);

void trace_watch(struct trace *trace, struct trace_watcher *watcher);
void trace_unwatch(struct trace *trace, struct trace_watcher *watcher);

/*
 * Write a line. @format and what follows describe the other keys as for jansson's json_pack(), an
 * object: "{s:i, s:s}". Texts that may not be UTF-8 go through trace_text().
 */
void trace_emit(struct trace *trace, const char *kind, const char *format, ...);

/*
 * A JSON string of any bytes; those that are not UTF-8 become U+FFFD. For "s:o" in a format, by which
 * trace_emit() takes it over, also when the trace is off.
 */
json_t *trace_text(const char *text, size_t len);
