/*
 * log: what people read. Two voices that never mix:
 *
 *   the module's log, on stdout, as a module prints it and its tools show it:
 *       [2026-01-01 08:00:00.520][000000000.520] I/user.main hello
 *   the emulator's own voice, on stderr: what a module cannot say
 *       luatos-emu: warning: main.lua:12: socket.tx on a released socket: ...
 *
 * A line is one write(2), made when the line is logged: nothing is held back, so nothing is lost
 * whatever ends the process. Every line goes to the trace too.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace;
struct vclock;

/* LuatOS's numbers (log.LOG_DEBUG and friends). */
enum log_level {
    LOG_LEVEL_DEBUG = 1,
    LOG_LEVEL_INFO = 2,
    LOG_LEVEL_WARN = 3,
    LOG_LEVEL_ERROR = 4,
    LOG_LEVEL_SILENT = 7,
};

struct log_config {
    const struct vclock *clock;
    struct trace *trace;
    int module_fd;        /* where the module's log goes; -1: to the trace only */
    int voice_fd;         /* where the emulator speaks */
    enum log_level level; /* of the module's log; the script's own log.setLevel() comes before it */
    bool module_color, voice_color;
};

#define LOG_WARN_REPEATS_MAX 3
#define LOG_WARN_KINDS_MAX   256 /* different warnings that are counted; the oldest is forgotten */

struct log_warned {
    uint64_t hash; /* of place and text */
    unsigned count;
};

struct log {
    struct log_config config;
    int write_error; /* errno of the first failed write to module_fd, 0 when none failed */
    struct log_warned warned[LOG_WARN_KINDS_MAX];
    size_t warned_next;
};

void log_init(struct log *log, const struct log_config *config);

/*
 * A line of the script: "<L>/<tag> <text>"; without a tag (print), the text alone. The text's own
 * line ends stay as they are.
 */
void log_script(struct log *log, enum log_level level, const char *tag, const char *text,
                size_t len);
void log_print(struct log *log, const char *text, size_t len);

/* A line of the firmware: "D/socket connect to 192.0.2.1,80". */
void log_firmware(struct log *log, enum log_level level, const char *tag, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The emulator speaks: "luatos-emu: ...". */
void log_say(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * What a real module would not forgive. @where is "main.lua:12: " or empty; the same warning from
 * the same place is printed LOG_WARN_REPEATS_MAX times at the most.
 */
void log_warn(struct log *log, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

char log_level_letter(enum log_level level);
