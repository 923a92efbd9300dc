#include "emu/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu/fdio.h"
#include "emu/trace.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define US_PER_MS         1000
#define US_PER_S          1000000
#define LOCAL_OFFSET_S    (8 * 3600) /* a module's local time is UTC+8 */
#define STAMP_MAX         64
#define LINE_ON_STACK_MAX 1024
#define FORMATTED_MAX     4096 /* as a module cuts its firmware's lines */

static const char color_off[] = "\033[0m";

void log_init(struct log *log, const struct log_config *config)
{
    *log = (struct log){ .config = *config };
}

char log_level_letter(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return 'D';
    case LOG_LEVEL_INFO:
        return 'I';
    case LOG_LEVEL_WARN:
        return 'W';
    case LOG_LEVEL_ERROR:
        return 'E';
    case LOG_LEVEL_SILENT:
        break;
    }
    return '?';
}

static const char *color_of(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "\033[2m";
    case LOG_LEVEL_WARN:
        return "\033[33m";
    case LOG_LEVEL_ERROR:
        return "\033[31m";
    case LOG_LEVEL_INFO:
    case LOG_LEVEL_SILENT:
        break;
    }
    return "";
}

/* "[2026-01-01 08:00:00.520][000000000.520] " */
static size_t put_stamp(const struct vclock *clock, char stamp[STAMP_MAX])
{
    int64_t wall_us = vclock_wall_us(clock);
    time_t seconds = (time_t)(wall_us / US_PER_S) + LOCAL_OFFSET_S;
    unsigned uptime_ms = (unsigned)(clock->now_us / US_PER_MS % 1000);
    struct tm tm = { 0 };
    int len;

    (void)gmtime_r(&seconds, &tm);
    len = snprintf(stamp, STAMP_MAX, "[%04d-%02d-%02d %02d:%02d:%02d.%03d][%09llu.%03u] ",
                   tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (int)(wall_us / US_PER_MS % 1000),
                   (unsigned long long)(clock->now_us / US_PER_S), uptime_ms);
    return (size_t)len < STAMP_MAX ? (size_t)len : STAMP_MAX - 1;
}

static void trace_line(struct log *log, enum log_level level, const char *tag, const char *text,
                       size_t len)
{
    const char letter[] = { log_level_letter(level), '\0' };

    if (!trace_is_on(log->config.trace))
        return;
    if (tag) {
        trace_emit(log->config.trace, "log", "{s:s, s:o, s:o}", "level", letter, "tag",
                   trace_text(tag, strlen(tag)), "text", trace_text(text, len));
    } else {
        trace_emit(log->config.trace, "log", "{s:o}", "text", trace_text(text, len));
    }
}

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}

static void write_module(struct log *log, enum log_level level, const char *tag, const char *text,
                         size_t len)
{
    const char *color = log->config.module_color && tag ? color_of(level) : "";
    size_t tag_len = tag ? strlen(tag) : 0;
    size_t max = STAMP_MAX + 2 * sizeof(color_off) + tag_len + len + sizeof("X/ \n");
    char small[LINE_ON_STACK_MAX];
    char *line = max <= sizeof(small) ? small : xcalloc(1, max);
    char *at = line + put_stamp(log->config.clock, line);

    at = put(at, color, strlen(color));
    if (tag) {
        *at++ = log_level_letter(level);
        *at++ = '/';
        at = put(at, tag, tag_len);
        if (len)
            *at++ = ' ';
    }
    at = put(at, text, len);
    if (*color)
        at = put(at, color_off, sizeof(color_off) - 1);
    *at++ = '\n';
    if (!fd_write_all(log->config.module_fd, line, (size_t)(at - line)) && !log->write_error) {
        log->write_error = errno;
        log_say(log, "the log can't be written any more: %s", strerror(log->write_error));
    }
    if (line != small)
        free(line);
}

static void write_line(struct log *log, enum log_level level, const char *tag, const char *text,
                       size_t len)
{
    if (level < log->config.level)
        return;
    trace_line(log, level, tag, text, len);
    if (log->config.module_fd >= 0)
        write_module(log, level, tag, text, len);
}

void log_script(struct log *log, enum log_level level, const char *tag, const char *text,
                size_t len)
{
    write_line(log, level, tag, text, len);
}

void log_print(struct log *log, const char *text, size_t len)
{
    write_line(log, LOG_LEVEL_ERROR, NULL, text,
               len); /* print has no level: only SILENT stops it */
}

void log_firmware(struct log *log, enum log_level level, const char *tag, const char *format, ...)
{
    char text[FORMATTED_MAX];
    va_list args;

    if (level < log->config.level)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(log, level, tag, text, strlen(text));
}

static void write_voice(struct log *log, const char *prefix, const char *where, const char *text)
{
    static const char name[] = "luatos-emu: ";
    const char *on = log->config.voice_color && *prefix ? "\033[33m" : "";
    const char *off = *on ? color_off : "";
    char line[FORMATTED_MAX + 256];
    int len = snprintf(line, sizeof(line), "%s%s%s%s%s%s\n", name, on, prefix, off, where, text);

    if ((size_t)len >= sizeof(line)) {
        len = sizeof(line) - 1;
        line[len - 1] = '\n';
    }
    (void)fd_write_all(log->config.voice_fd, line, (size_t)len);
}

void log_say(struct log *log, const char *format, ...)
{
    char text[FORMATTED_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (trace_is_on(log->config.trace)) /* else nobody would free the texts */
        trace_emit(log->config.trace, "say", "{s:o}", "text", trace_text(text, strlen(text)));
    write_voice(log, "", "", text);
}

/* FNV-1a, 64 bits */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

/* How often this warning came before. */
static unsigned count_warning(struct log *log, const char *where, const char *text)
{
    uint64_t hash = hash_text(hash_text(0xcbf29ce484222325, where), text);
    struct log_warned *warned;

    for (size_t i = 0; i < LOG_WARN_KINDS_MAX; i++) {
        warned = &log->warned[i];
        if (warned->count && warned->hash == hash)
            return warned->count < UINT32_MAX ? warned->count++ : warned->count;
    }
    warned = &log->warned[log->warned_next];
    log->warned_next = (log->warned_next + 1) % LOG_WARN_KINDS_MAX;
    *warned = (struct log_warned){ .hash = hash, .count = 1 };
    return 0;
}

void log_warn(struct log *log, const char *where, const char *format, ...)
{
    char text[FORMATTED_MAX];
    unsigned before;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (trace_is_on(log->config.trace)) {
        trace_emit(log->config.trace, "warn", "{s:o, s:o}", "where",
                   trace_text(where, strlen(where)), "text", trace_text(text, strlen(text)));
    }
    before = count_warning(log, where, text);
    if (before >= LOG_WARN_REPEATS_MAX)
        return;
    write_voice(log, "warning: ", where, text);
    if (before == LOG_WARN_REPEATS_MAX - 1)
        write_voice(log, "warning: ", where, "(the same again: not shown any more)");
}
