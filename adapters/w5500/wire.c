/* Frames out of the cable and in. */
#include "adapters/w5500/w5500.h"
#include "adapters/w5500/w5500_priv.h"

void w5500_wire_init(struct w5500 *chip)
{
    (void)chip;
}

void w5500_wire_reset(struct w5500 *chip)
{
    (void)chip;
}

void w5500_wire_frame_over(struct w5500 *chip)
{
    (void)chip;
}

void w5500_wire_link_changed(struct w5500 *chip)
{
    (void)chip;
}

void w5500_receive(struct w5500 *chip, const uint8_t *frame, size_t len)
{
    (void)chip;
    (void)frame;
    (void)len;
}
