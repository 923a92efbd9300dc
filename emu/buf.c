#include "emu/buf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/util.h"

#define BYTEQ_CAP_MIN 512

void reader_init(struct reader *reader, const void *data, size_t len)
{
    *reader = (struct reader){ .data = data, .len = len };
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : reader->len - reader->pos;
}

const uint8_t *reader_bytes(struct reader *reader, size_t len)
{
    const uint8_t *bytes;

    if (len > reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    bytes = reader->pos ? reader->data + reader->pos : reader->data; /* which may be NULL */
    reader->pos += len;
    return bytes;
}

uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *b = reader_bytes(reader, 1);

    return b ? b[0] : 0;
}

uint16_t reader_u16(struct reader *reader)
{
    const uint8_t *b = reader_bytes(reader, 2);

    if (!b)
        return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t reader_u32(struct reader *reader)
{
    const uint8_t *b = reader_bytes(reader, 4);

    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

void reader_seek(struct reader *reader, size_t pos)
{
    if (pos > reader->len)
        reader->failed = true;
    else
        reader->pos = pos;
}

void writer_init(struct writer *writer, void *data, size_t cap)
{
    *writer = (struct writer){ .data = data, .cap = cap };
}

void writer_bytes(struct writer *writer, const void *data, size_t len)
{
    if (writer->failed || len > writer->cap - writer->len) {
        writer->failed = true;
        return;
    }
    if (len)
        memcpy(writer->data + writer->len, data, len);
    writer->len += len;
}

void writer_u8(struct writer *writer, uint8_t value)
{
    writer_bytes(writer, &value, 1);
}

void writer_u16(struct writer *writer, uint16_t value)
{
    const uint8_t b[] = { (uint8_t)(value >> 8), (uint8_t)value };

    writer_bytes(writer, b, sizeof(b));
}

void writer_u32(struct writer *writer, uint32_t value)
{
    writer_u16(writer, (uint16_t)(value >> 16));
    writer_u16(writer, (uint16_t)value);
}

void byteq_init(struct byteq *queue)
{
    *queue = (struct byteq){ 0 };
}

void byteq_fini(struct byteq *queue)
{
    free(queue->data);
    *queue = (struct byteq){ 0 };
}

static void make_room(struct byteq *queue, size_t len)
{
    size_t need = queue->len + len;
    size_t cap = queue->cap ? queue->cap : BYTEQ_CAP_MIN;

    if (queue->head + need <= queue->cap)
        return;
    if (queue->head) {
        memmove(queue->data, queue->data + queue->head, queue->len);
        queue->head = 0;
    }
    while (cap < need)
        cap *= 2;
    if (cap != queue->cap) {
        queue->data = xrealloc(queue->data, cap);
        queue->cap = cap;
    }
}

uint8_t *byteq_room(struct byteq *queue, size_t len)
{
    make_room(queue, len);
    return queue->data + queue->head + queue->len;
}

void byteq_grow(struct byteq *queue, size_t len)
{
    assert(len <= queue->cap - queue->head - queue->len);
    queue->len += len;
}

void byteq_append(struct byteq *queue, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(byteq_room(queue, len), data, len);
    queue->len += len;
}

const uint8_t *byteq_front(const struct byteq *queue)
{
    return queue->len ? queue->data + queue->head : NULL;
}

void byteq_drop(struct byteq *queue, size_t len)
{
    assert(len <= queue->len);
    queue->head += len;
    queue->len -= len;
    if (!queue->len)
        byteq_fini(queue);
}
