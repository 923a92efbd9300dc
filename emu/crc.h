/*
 * crc: cyclic redundancy checks of up to 32 bits, of any model: the parameters are those of Ross
 * Williams, "A Painless Guide to CRC Error Detection Algorithms", 15.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crc_model {
    unsigned width; /* bits, 1 to 32 */
    uint32_t poly;  /* without its highest bit */
    uint32_t init;
    uint32_t xor_out;
    bool reflects_in, reflects_out;
};

uint32_t crc_compute(const struct crc_model *model, const void *data, size_t len);

/* The lowest @width bits of @value, in reverse order. */
uint32_t crc_reflect(uint32_t value, unsigned width);

/* A CRC-16 by the name that LuatOS gives it ("MODBUS"); NULL: there is none of that name. */
const struct crc_model *crc16_model(const char *name);
