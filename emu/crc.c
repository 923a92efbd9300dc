#include "emu/crc.h"

#include <assert.h>
#include <string.h>

#include "emu/util.h"

#define BITS_A_BYTE 8

uint32_t crc_reflect(uint32_t value, unsigned width)
{
    uint32_t reflected = 0;

    for (unsigned i = 0; i < width; i++)
        reflected |= (value >> i & 1) << (width - 1 - i);
    return reflected;
}

uint32_t crc_compute(const struct crc_model *model, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint32_t top = UINT32_C(1) << (model->width - 1);
    uint32_t mask = top | (top - 1);
    uint32_t crc = model->init & mask;

    assert(model->width >= 1);
    assert(model->width <= 32);
    for (size_t i = 0; i < len; i++) {
        uint32_t byte = model->reflects_in ? crc_reflect(bytes[i], BITS_A_BYTE) : bytes[i];

        for (int bit = BITS_A_BYTE - 1; bit >= 0; bit--) {
            bool is_set = !!(crc & top) != (byte >> bit & 1);

            crc = (crc << 1 ^ (is_set ? model->poly : 0)) & mask;
        }
    }
    if (model->reflects_out)
        crc = crc_reflect(crc, model->width);
    return (crc ^ model->xor_out) & mask;
}

/* Names and parameters are LuatOS's, crc.c. */
const struct crc_model *crc16_model(const char *name)
{
    static const struct {
        const char *name;
        struct crc_model model;
    } rows[] = {
        { "IBM", { 16, 0x8005, 0x0000, 0x0000, true, true } },
        { "MAXIM", { 16, 0x8005, 0x0000, 0xffff, true, true } },
        { "USB", { 16, 0x8005, 0xffff, 0xffff, true, true } },
        { "MODBUS", { 16, 0x8005, 0xffff, 0x0000, true, true } },
        { "CCITT", { 16, 0x1021, 0x0000, 0x0000, true, true } },
        { "CCITT-FALSE", { 16, 0x1021, 0xffff, 0x0000, false, false } },
        { "X25", { 16, 0x1021, 0xffff, 0xffff, true, true } },
        { "XMODEM", { 16, 0x1021, 0x0000, 0x0000, false, false } },
        { "DNP", { 16, 0x3d65, 0x0000, 0xffff, true, true } },
    };

    for (int i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i].model;
    }
    return NULL;
}
