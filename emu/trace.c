#include "emu/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fdio.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define OWNED \
    'o' /* in a format: a value that json_pack() takes over, also when nothing is written */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD in UTF-8 */

void trace_init(struct trace *trace, const struct vclock *clock, int fd)
{
    *trace = (struct trace){ .clock = clock, .fd = fd };
}

bool trace_is_on(const struct trace *trace)
{
    return trace->fd >= 0 || trace->watchers;
}

void trace_watch(struct trace *trace, struct trace_watcher *watcher)
{
    watcher->next = trace->watchers;
    trace->watchers = watcher;
}

void trace_unwatch(struct trace *trace, struct trace_watcher *watcher)
{
    struct trace_watcher **at = &trace->watchers;

    while (*at && *at != watcher)
        at = &(*at)->next;
    if (*at)
        *at = watcher->next;
}

static void tell_watchers(const struct trace *trace, const json_t *line)
{
    for (struct trace_watcher *watcher = trace->watchers; watcher; watcher = watcher->next)
        watcher->seen(watcher, line);
}

/* Length of the UTF-8 sequence (RFC 3629) at @s, at most @left bytes; 0 when it is not one. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (!len || len > left || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0; /* overlong, a surrogate, or above U+10FFFF */
    return len;
}

json_t *trace_text(const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);
    char *clean;
    size_t out = 0;

    if (string)
        return string;
    clean = xcalloc(len, sizeof(replacement) - 1);
    for (size_t i = 0; i < len;) {
        size_t run = utf8_len((const unsigned char *)text + i, len - i);
        const char *from = run ? text + i : replacement;
        size_t from_len = run ? run : sizeof(replacement) - 1;

        memcpy(clean + out, from, from_len);
        out += from_len;
        i += run ? run : 1;
    }
    string = json_stringn(clean, out);
    free(clean);
    return string;
}

void trace_emit(struct trace *trace, const char *kind, const char *format, ...)
{
    json_t *line, *rest;
    va_list args;
    char *text;
    size_t len;

    if (!trace_is_on(trace) && !strchr(format, OWNED))
        return;
    va_start(args, format);
    rest = json_vpack_ex(NULL, 0, format, args);
    va_end(args);
    if (!trace_is_on(trace)) {
        json_decref(rest); /* and with it what was the caller's */
        return;
    }
    line = json_pack("{s:I, s:s}", "t_us", (json_int_t)trace->clock->now_us, "kind", kind);
    if (rest)
        json_object_update(line, rest);
    json_decref(rest);

    tell_watchers(trace, line);
    text = trace->fd >= 0 ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return;
    len = strlen(text);
    text[len] = '\n'; /* in place of its end: one write a line, so that lines stay whole */
    if (!fd_write_all(trace->fd, text, len + 1) && !trace->write_error)
        trace->write_error = errno;
    free(text);
}
