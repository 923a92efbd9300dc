/*
 * buf: bytes with their bounds.
 *
 * struct reader and struct writer walk over memory of somebody else and can never leave it: a read
 * or write that does not fit does nothing, returns zero and sets @failed, which stays set. Parsers
 * read on and look at @failed once. Numbers are big-endian, as on the wire.
 *
 * struct byteq is a queue of bytes that grows as needed; it keeps no memory while it is empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *data;
    size_t len, pos;
    bool failed;
};

void reader_init(struct reader *reader, const void *data, size_t len);
size_t reader_left(const struct reader *reader);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);

/* Borrow @len bytes; NULL when there are not as many. */
const uint8_t *reader_bytes(struct reader *reader, size_t len);

/* Continue at @pos, counted from the beginning. */
void reader_seek(struct reader *reader, size_t pos);

struct writer {
    uint8_t *data;
    size_t cap, len;
    bool failed;
};

void writer_init(struct writer *writer, void *data, size_t cap);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_bytes(struct writer *writer, const void *data, size_t len);

struct byteq {
    uint8_t *data;
    size_t head, len, cap;
};

void byteq_init(struct byteq *queue);
void byteq_fini(struct byteq *queue);
void byteq_append(struct byteq *queue, const void *data, size_t len);

/*
 * Room for @len bytes behind the last; byteq_grow() makes the first of them part of the queue. The
 * memory stays, also when none of it is used.
 */
uint8_t *byteq_room(struct byteq *queue, size_t len);
void byteq_grow(struct byteq *queue, size_t len);

/* The bytes at the front, @queue->len of them, in one piece; NULL when there are none. */
const uint8_t *byteq_front(const struct byteq *queue);

/* Drop @len bytes from the front; @len is at most @queue->len. */
void byteq_drop(struct byteq *queue, size_t len);
