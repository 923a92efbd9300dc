/* The accesses to a chip's registers, beside its frames. capture.h says what they look like. */
#include <string.h>

#include "adapters/capture_priv.h"
#include "adapters/w5500/regtext.h"
#include "emu/device.h"
#include "emu/util.h"

/* Wireshark's exported PDUs (epan/exported_pdu.h): tag and length, two bytes each, big-endian. */
#define TAG_END       0
#define TAG_DISSECTOR 12
#define TAG_DIRECTION 35     /* 0 is sent, 1 is received */
#define TAG_SPI       0xfe00 /* none of theirs */
#define TAG_LEN       4
#define TAGS_COUNT    4
#define NUMBER_LEN    4
#define HEADER_LEN    3 /* of an SPI frame */
#define CONTROL_WRITE 0x04
#define BLOCK_SHIFT   3
#define NS_PER_US     1000

/* Of what Wireshark knows, what has text and shows it as it is. */
static const char dissector[] = { 's', 'y', 's', 'l', 'o', 'g', '\0', '\0' };

#define RECORD_MAX                                                                           \
    (TAGS_COUNT * TAG_LEN + sizeof(dissector) + NUMBER_LEN + HEADER_LEN + W5500_ACCESS_MAX + \
     REGTEXT_ACCESS_MAX)

static void put_tag(struct writer *w, uint16_t tag, size_t len)
{
    writer_u16(w, tag);
    writer_u16(w, (uint16_t)len);
}

/* As they were clocked: the bytes of a piece of a long access as if it were one of its own. */
static void put_spi(struct writer *w, const struct w5500_access *access)
{
    put_tag(w, TAG_SPI, HEADER_LEN + access->len);
    writer_u16(w, access->address);
    writer_u8(w, (uint8_t)(access->block << BLOCK_SHIFT | (access->is_write ? CONTROL_WRITE : 0)));
    writer_bytes(w, access->bytes, access->len);
}

/* Returns the length of the text that ends it. */
static size_t put_record(struct writer *w, const struct w5500_access *access)
{
    char text[REGTEXT_ACCESS_MAX];
    size_t text_len;

    regtext_access(text, access);
    text_len = strlen(text);
    put_tag(w, TAG_DISSECTOR, sizeof(dissector));
    writer_bytes(w, dissector, sizeof(dissector));
    put_tag(w, TAG_DIRECTION, NUMBER_LEN);
    writer_u32(w, !access->is_write);
    put_spi(w, access);
    put_tag(w, TAG_END, 0);
    writer_bytes(w, text, text_len);
    return text_len;
}

/* In accurate timing SPI's clock runs ahead of the loop's. */
static uint64_t time_ns_of(const struct capture *capture)
{
    uint64_t ready_ns = w5500_ready_us(capture->spi.chip) * NS_PER_US;
    uint64_t now_ns = capture_now_ns(capture);

    return ready_ns > now_ns ? ready_ns : now_ns;
}

static void on_access(struct bench_observer *observer, const struct w5500_access *access)
{
    struct capture *capture = container_of(observer, struct capture, spi.observer);
    struct device *device = capture->config.device;
    size_t text_len;
    struct writer w;

    writer_init(&w, capture_frame_room(&capture->spi.port, RECORD_MAX), RECORD_MAX);
    text_len = put_record(&w, access);
    capture_frame_done(&capture->spi.port, time_ns_of(capture), access->is_write, NULL, w.len);
    if (capture->error) /* it was not kept */
        return;
    capture->frames[capture->frames_count - 1].text_len = text_len;
    if (list_is_empty(&capture->links) && !timer_is_running(&capture->spi.flush))
        timer_start(&device->timers, &capture->spi.flush, device->clock.now_us);
}

static void on_flush(struct timer *timer)
{
    capture_flush(container_of(timer, struct capture, spi.flush));
}

void capture_spi_init(struct capture *capture)
{
    capture->spi.port = (struct capture_port){ .capture = capture, .id = -1 };
    timer_init_background(&capture->spi.flush, on_flush);
}

void capture_spi(struct capture *capture, struct bench *bench)
{
    capture->spi.chip = bench_chip(bench);
    capture->spi.observer.access = on_access;
    bench_observe(bench, &capture->spi.observer);
}

void capture_spi_put_interface(struct capture *capture)
{
    pcapng_put_interface(&capture->out, &(struct pcapng_interface){
                                            .link_type = PCAPNG_LINK_UPPER_PDU,
                                            .name = CAPTURE_SPI_NAME,
                                            .description = "accesses to the registers of the W5500",
                                        });
}
