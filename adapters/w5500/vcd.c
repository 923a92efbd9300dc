/*
 * What is clocked is kept as events until it is known of which access it is a part, so that the
 * access can be named where its bits begin. Bytes are numbered for that: an access covers those that
 * follow the last one's.
 */
#include "adapters/w5500/vcd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/w5500/bench.h"
#include "adapters/w5500/regtext.h"
#include "emu/buf.h"
#include "emu/fdio.h"
#include "emu/log.h"
#include "emu/util.h"
#include "emu/vclock.h"

#define EVENTS_MAX     8192 /* more than an access and a piece of a transfer have */
#define LABELS_LEN_MAX (1024 * 1024)
#define OUT_LEN_MAX    (256 * 1024) /* before it is written */
#define HALVES_MAX     (1U << 20)   /* half periods that are counted from one time on */
#define SCSN_HIGH_NS   30           /* datasheet 5.5.4: between two frames at least */
#define HEADER_LEN     3
#define BITS           8
#define NS_PER_US      1000
#define HALF_NS_HZ     UINT64_C(500000000) /* half a second */
#define LINE_MAX       32
#define ESCAPED_MAX    4 /* bytes of "\x20" */

enum wire { WIRE_SCSN, WIRE_SCLK, WIRE_MOSI, WIRE_MISO, WIRE_INTN, WIRE_RSTN, WIRE_COUNT };

static const struct {
    const char *name;
    char id;
} wires[] = {
    [WIRE_SCSN] = { "SCSn", 'c' }, [WIRE_SCLK] = { "SCLK", 'k' }, [WIRE_MOSI] = { "MOSI", 'o' },
    [WIRE_MISO] = { "MISO", 'i' }, [WIRE_INTN] = { "INTn", 'n' }, [WIRE_RSTN] = { "RSTn", 'r' },
};
static_assert(ARRAY_LEN(wires) == WIRE_COUNT, "a wire lacks its row");

#define ACCESS_ID 'a'

enum event_kind { EVENT_BYTE, EVENT_SELECT, EVENT_PINS };

struct event {
    uint64_t at_ns;
    uint32_t hz;
    uint8_t kind; /* enum event_kind */
    union {
        struct {
            uint8_t mosi, miso;
        };
        bool is_selected;
        uint8_t levels; /* W5500_PINS_x */
    };
};

struct vcd {
    struct vcd_config config;
    struct bench_observer observer;

    /* where the bus is: half periods of @hz since @base_ns */
    uint64_t base_ns;
    unsigned halves;
    uint32_t hz;

    struct event events[EVENTS_MAX];
    size_t events_count;
    struct byteq labels;    /* accesses: number of the first byte, and a text with its end */
    uint64_t seen, covered; /* bytes: all of them, and those of accesses */
    bool expects_header;    /* of the next access */
    bool is_in_frame;
    unsigned pins; /* W5500_PINS_x, the last */

    /* as it is written */
    uint64_t emitted; /* bytes */
    uint64_t written_ns;
    char levels[WIRE_COUNT];
    bool is_named; /* "access" is not blank */
    struct byteq out;
    int error;   /* errno of the first write that failed */
    off_t whole; /* bytes, of a file that can be cut; -1: of one that can't */
};

/* ---- the file -------------------------------------------------------------------------------- */

static void fail(struct vcd *vcd, int error)
{
    vcd->error = error;
    log_say(vcd->config.log, "the trace of SPI can't be written any more: %s", strerror(error));
    if (vcd->whole >= 0)
        (void)!ftruncate(vcd->config.fd, vcd->whole);
}

static void write_out(struct vcd *vcd)
{
    struct byteq *out = &vcd->out;

    if (!vcd->error && out->len) {
        if (!fd_write_all(vcd->config.fd, byteq_front(out), out->len))
            fail(vcd, errno);
        else if (vcd->whole >= 0)
            vcd->whole += (off_t)out->len;
    }
    out->head = out->len = 0;
}

static void put(struct vcd *vcd, const char *text)
{
    byteq_append(&vcd->out, text, strlen(text));
}

/* "#5000\n", without printf(3): there are sixteen in a byte. Returns its length. */
static size_t write_time(char line[LINE_MAX], uint64_t at_ns)
{
    char digits[LINE_MAX];
    size_t at = sizeof(digits), len;

    digits[--at] = '\n';
    for (; at_ns > 9; at_ns /= 10)
        digits[--at] = (char)('0' + at_ns % 10);
    digits[--at] = (char)('0' + at_ns);
    digits[--at] = '#';
    len = sizeof(digits) - at;
    memcpy(line, digits + at, len);
    return len;
}

/* Changes from here on are of that time, or of the last one, which is later. */
static void put_time(struct vcd *vcd, uint64_t at_ns)
{
    char *line = (char *)byteq_room(&vcd->out, LINE_MAX);

    if (at_ns <= vcd->written_ns)
        return;
    vcd->written_ns = at_ns;
    byteq_grow(&vcd->out, write_time(line, at_ns));
}

static void put_level(struct vcd *vcd, uint64_t at_ns, enum wire wire, char level)
{
    const char line[] = { level, wires[wire].id, '\n' };

    if (vcd->levels[wire] == level)
        return;
    vcd->levels[wire] = level;
    put_time(vcd, at_ns);
    byteq_append(&vcd->out, line, sizeof(line));
}

/* What has a blank in it is no value. */
static void put_name(struct vcd *vcd, uint64_t at_ns, const char *text)
{
    static const char blank[] = "\\x20", end[] = { ' ', ACCESS_ID, '\n' };
    char line[REGTEXT_ACCESS_MAX * ESCAPED_MAX];
    size_t len = 0;

    vcd->is_named = strcmp(text, " ") != 0;
    put_time(vcd, at_ns);
    line[len++] = 's';
    for (; *text; text++) {
        if (*text == ' ') {
            memcpy(line + len, blank, ESCAPED_MAX);
            len += ESCAPED_MAX;
        } else {
            line[len++] = *text;
        }
    }
    byteq_append(&vcd->out, line, len);
    byteq_append(&vcd->out, end, sizeof(end));
}

static void put_header(struct vcd *vcd)
{
    char line[2 * LINE_MAX];

    put(vcd, "$version luatos-emu " LUATOS_EMU_VERSION " $end\n"
             "$comment the SPI bus of a W5500 $end\n"
             "$timescale 1 ns $end\n"
             "$scope module w5500 $end\n");
    for (int i = 0; i < WIRE_COUNT; i++) {
        (void)snprintf(line, sizeof(line), "$var wire 1 %c %s $end\n", wires[i].id, wires[i].name);
        put(vcd, line);
    }
    (void)snprintf(line, sizeof(line), "$var string 1 %c access $end\n", ACCESS_ID);
    put(vcd, line);
    put(vcd, "$upscope $end\n$enddefinitions $end\n");
}

/* ---- from events to changes ------------------------------------------------------------------- */

static char level_of(unsigned levels, unsigned bit)
{
    return levels & bit ? '1' : '0';
}

static void emit_pins(struct vcd *vcd, uint64_t at_ns, unsigned levels)
{
    put_level(vcd, at_ns, WIRE_INTN, level_of(levels, W5500_PINS_INTN));
    put_level(vcd, at_ns, WIRE_RSTN, level_of(levels, W5500_PINS_RSTN));
}

static void emit_select(struct vcd *vcd, uint64_t at_ns, bool is_selected)
{
    put_level(vcd, at_ns, WIRE_SCSN, is_selected ? '0' : '1');
    if (is_selected)
        return;
    put_level(vcd, at_ns, WIRE_MISO, 'z');
    if (vcd->is_named)
        put_name(vcd, at_ns, " ");
}

/* The access whose first byte comes now, or has come. */
static void emit_name(struct vcd *vcd, uint64_t at_ns)
{
    uint64_t first;

    while (vcd->labels.len) {
        const char *text;

        memcpy(&first, byteq_front(&vcd->labels), sizeof(first));
        if (first > vcd->emitted)
            return;
        text = (const char *)byteq_front(&vcd->labels) + sizeof(first);
        put_name(vcd, at_ns, text);
        byteq_drop(&vcd->labels, sizeof(first) + strlen(text) + 1);
    }
}

static void emit_byte(struct vcd *vcd, const struct event *event)
{
    bool is_driven = vcd->levels[WIRE_SCSN] == '0';

    emit_name(vcd, event->at_ns);
    vcd->emitted++;
    for (unsigned i = 0; i < BITS; i++) {
        uint64_t falls_ns = event->at_ns + 2 * i * HALF_NS_HZ / event->hz;
        uint64_t rises_ns = event->at_ns + (2 * i + 1) * HALF_NS_HZ / event->hz;
        unsigned bit = 0x80U >> i;

        put_level(vcd, falls_ns, WIRE_SCLK, '0');
        put_level(vcd, falls_ns, WIRE_MOSI, level_of(event->mosi, bit));
        if (is_driven)
            put_level(vcd, falls_ns, WIRE_MISO, level_of(event->miso, bit));
        put_level(vcd, rises_ns, WIRE_SCLK, '1');
    }
    put_level(vcd, event->at_ns + 2 * BITS * HALF_NS_HZ / event->hz, WIRE_SCLK, '0');
}

static void emit_event(struct vcd *vcd, const struct event *event)
{
    switch ((enum event_kind)event->kind) {
    case EVENT_BYTE:
        emit_byte(vcd, event);
        break;
    case EVENT_SELECT:
        emit_select(vcd, event->at_ns, event->is_selected);
        break;
    case EVENT_PINS:
        emit_pins(vcd, event->at_ns, event->levels);
        break;
    }
    if (vcd->out.len > OUT_LEN_MAX)
        write_out(vcd);
}

/* All that comes before byte @end. */
static void emit_until(struct vcd *vcd, uint64_t end)
{
    size_t done = 0;

    for (; done < vcd->events_count; done++) {
        const struct event *event = &vcd->events[done];

        if (event->kind == EVENT_BYTE && vcd->emitted >= end)
            break;
        emit_event(vcd, event);
    }
    vcd->events_count -= done;
    memmove(vcd->events, vcd->events + done, vcd->events_count * sizeof(*vcd->events));
}

static void emit_all(struct vcd *vcd)
{
    emit_until(vcd, UINT64_MAX);
}

/* ---- what is observed ---------------------------------------------------------------------------- */

static uint64_t bus_ns(const struct vcd *vcd)
{
    return vcd->base_ns + vcd->halves * HALF_NS_HZ / vcd->hz;
}

static void set_bus_ns(struct vcd *vcd, uint64_t at_ns)
{
    vcd->base_ns = at_ns;
    vcd->halves = 0;
}

/* Where the bus can be now, at the earliest. */
static void catch_up(struct vcd *vcd)
{
    uint64_t now_ns = vcd->config.clock->now_us * NS_PER_US;

    if (now_ns > bus_ns(vcd) || vcd->halves > HALVES_MAX)
        set_bus_ns(vcd, now_ns > bus_ns(vcd) ? now_ns : bus_ns(vcd));
}

static struct event *add_event(struct vcd *vcd, enum event_kind kind)
{
    struct event *event;

    if (vcd->events_count == EVENTS_MAX)
        emit_all(vcd);
    event = &vcd->events[vcd->events_count++];
    *event = (struct event){ .at_ns = bus_ns(vcd), .hz = vcd->hz, .kind = (uint8_t)kind };
    return event;
}

/* Where the next access begins. */
static void begin_access(struct vcd *vcd)
{
    vcd->covered = vcd->seen;
    vcd->expects_header = true;
}

static void on_select(struct bench_observer *observer, bool is_selected)
{
    struct vcd *vcd = container_of(observer, struct vcd, observer);

    if (is_selected == vcd->is_in_frame)
        return;
    vcd->is_in_frame = is_selected;
    if (is_selected) {
        set_bus_ns(vcd, bus_ns(vcd) + vcd->config.gap_ns);
        catch_up(vcd);
        begin_access(vcd);
        add_event(vcd, EVENT_SELECT)->is_selected = true;
        return;
    }
    catch_up(vcd);
    vcd->halves++;
    add_event(vcd, EVENT_SELECT)->is_selected = false;
    set_bus_ns(vcd, bus_ns(vcd) + SCSN_HIGH_NS);
    emit_all(vcd);
    put_time(vcd, bus_ns(vcd)); /* readers count a level up to the next time */
    write_out(vcd);
}

static void on_transfer(struct bench_observer *observer, const uint8_t *mosi, const uint8_t *miso,
                        size_t len)
{
    struct vcd *vcd = container_of(observer, struct vcd, observer);
    uint32_t hz = w5500_clock(vcd->config.chip);

    catch_up(vcd);
    if (hz != vcd->hz) {
        set_bus_ns(vcd, bus_ns(vcd));
        vcd->hz = hz;
    }
    for (size_t i = 0; i < len; i++) {
        struct event *event = add_event(vcd, EVENT_BYTE);

        event->mosi = mosi[i];
        event->miso = miso[i];
        vcd->halves += 2 * BITS;
    }
    vcd->seen += len;
    emit_until(vcd, vcd->is_in_frame ? vcd->covered : UINT64_MAX);
    write_out(vcd);
}

/* Comes before the last of its bytes. */
static void on_access(struct bench_observer *observer, const struct w5500_access *access)
{
    struct vcd *vcd = container_of(observer, struct vcd, observer);
    char text[REGTEXT_ACCESS_MAX];

    if (vcd->labels.len < LABELS_LEN_MAX) {
        regtext_access(text, access);
        byteq_append(&vcd->labels, &vcd->covered, sizeof(vcd->covered));
        byteq_append(&vcd->labels, text, strlen(text) + 1);
    }
    vcd->covered += access->len + (vcd->expects_header ? HEADER_LEN : 0);
    vcd->expects_header = access->len < W5500_ACCESS_MAX; /* else it goes on */
}

static void on_pins(struct bench_observer *observer, unsigned levels)
{
    struct vcd *vcd = container_of(observer, struct vcd, observer);

    catch_up(vcd);
    add_event(vcd, EVENT_PINS)->levels = (uint8_t)levels;
    if ((levels ^ vcd->pins) & W5500_PINS_RSTN)
        begin_access(vcd);
    vcd->pins = levels;
    if (vcd->is_in_frame)
        return;
    emit_all(vcd);
    write_out(vcd);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void put_first_levels(struct vcd *vcd)
{
    unsigned levels = w5500_pins(vcd->config.chip);
    char line[LINE_MAX];

    vcd->pins = levels;
    vcd->is_in_frame = !(levels & W5500_PINS_SCSN);
    vcd->written_ns = bus_ns(vcd);
    (void)snprintf(line, sizeof(line), "#%" PRIu64 "\n$dumpvars\n", vcd->written_ns);
    put(vcd, line);
    put_level(vcd, 0, WIRE_SCSN, level_of(levels, W5500_PINS_SCSN));
    put_level(vcd, 0, WIRE_SCLK, '0');
    put_level(vcd, 0, WIRE_MOSI, '0');
    put_level(vcd, 0, WIRE_MISO, 'z');
    emit_pins(vcd, 0, levels);
    put_name(vcd, 0, " ");
    put(vcd, "$end\n");
}

struct vcd *vcd_new(const struct vcd_config *config)
{
    struct vcd *vcd = xcalloc(1, sizeof(*vcd));
    struct stat st;

    vcd->config = *config;
    vcd->observer = (struct bench_observer){
        .select = on_select, .transfer = on_transfer, .access = on_access, .pins = on_pins
    };
    vcd->whole = fstat(config->fd, &st) == 0 && S_ISREG(st.st_mode) ? 0 : -1;
    vcd->hz = w5500_clock(config->chip);
    vcd->expects_header = true;
    catch_up(vcd);
    put_header(vcd);
    put_first_levels(vcd);
    write_out(vcd);
    return vcd;
}

struct bench_observer *vcd_observer(struct vcd *vcd)
{
    return &vcd->observer;
}

int vcd_close(struct vcd *vcd)
{
    int error;

    catch_up(vcd);
    emit_all(vcd);
    put_time(vcd, bus_ns(vcd));
    write_out(vcd);
    error = vcd->error;
    if (close(vcd->config.fd) < 0 && !error)
        error = errno;
    byteq_fini(&vcd->labels);
    byteq_fini(&vcd->out);
    free(vcd);
    return error;
}
