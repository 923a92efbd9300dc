#include "emu/board_chip.h"

#include <stdio.h>
#include <string.h>

#include "emu/util.h"

#define SPI_MAX     5 /* HSPI_0 */
#define PIN_MAX     254
#define SCALE_MIN   1 /* percent */
#define SCALE_MAX   10000
#define GAP_US_MAX  1000000
#define NS_PER_US   1000
#define NUMBERS_MAX 32 /* of a number's text */

bool board_chip_is_on(const struct board_chip *chip, int spi)
{
    if (chip->spi == BOARD_USUAL_SPI)
        return spi == BOARD_SPI_0 || spi == BOARD_HSPI_0;
    return chip->spi == BOARD_ANY_PIN || chip->spi == spi;
}

bool board_chip_set_timing(struct board_chip *chip, const char *text)
{
    bool is_accurate = strcmp(text, "accurate") == 0;

    if (!is_accurate && strcmp(text, "fast") != 0)
        return false;
    chip->is_accurate = is_accurate;
    return true;
}

/* ---- quirks --------------------------------------------------------------------------------- */

static bool has_quirk(const struct board_chip *chip, const char *name, size_t len)
{
    for (size_t i = 0; i < chip->quirks_count; i++) {
        if (strncmp(chip->quirks[i], name, len) == 0 && !chip->quirks[i][len])
            return true;
    }
    return false;
}

static const char *add_quirk(struct board_chip *chip, const char *name, size_t len,
                             char why[BOARD_WHY_MAX])
{
    if (!len)
        return "it takes the names of quirks, with commas between them";
    if (len >= BOARD_TEXT_MAX) {
        (void)snprintf(why, BOARD_WHY_MAX, "no quirk has so long a name: %.32s...", name);
        return why;
    }
    if (has_quirk(chip, name, len))
        return NULL;
    if (chip->quirks_count == BOARD_QUIRKS_MAX)
        return "a chip has not so many quirks";
    memcpy(chip->quirks[chip->quirks_count], name, len);
    chip->quirks[chip->quirks_count++][len] = '\0';
    return NULL;
}

const char *board_chip_add_quirks(struct board_chip *chip, const char *text,
                                  char why[BOARD_WHY_MAX])
{
    const char *problem = NULL;

    while (!problem) {
        size_t len = strcspn(text, ",");

        problem = add_quirk(chip, text, len, why);
        if (!text[len])
            break;
        text += len + 1;
    }
    return problem;
}

/* ---- a board file --------------------------------------------------------------------------- */

static struct board_chip *chip_of(void *ctx)
{
    return ctx;
}

/* A number up to @max, "any", or, where @none is not NULL, that. */
static int take_place(struct yaml *yaml, int node, int max, const char *none, int *place)
{
    char text[NUMBERS_MAX];
    int64_t value;
    int rc = yaml_take_text(yaml, node, text, sizeof(text));

    if (rc < 0)
        return rc;
    if (strcmp(text, "any") == 0) {
        *place = BOARD_ANY_PIN;
        return 0;
    }
    if (none && strcmp(text, none) == 0) {
        *place = BOARD_NO_PIN;
        return 0;
    }
    if (!*text || strspn(text, "0123456789") != strlen(text)) {
        return yaml_wrong(yaml, node, "it takes a number from 0 to %d, any%s%s", max,
                          none ? " or " : "", none ? none : "");
    }
    rc = yaml_take_number(yaml, node, 0, max, &value);
    if (rc == 0)
        *place = (int)value;
    return rc;
}

static int take_spi(struct yaml *yaml, int node, void *ctx)
{
    return take_place(yaml, node, SPI_MAX, NULL, &chip_of(ctx)->spi);
}

static int take_cs(struct yaml *yaml, int node, void *ctx)
{
    return take_place(yaml, node, PIN_MAX, NULL, &chip_of(ctx)->cs);
}

static int take_irq(struct yaml *yaml, int node, void *ctx)
{
    return take_place(yaml, node, PIN_MAX, NULL, &chip_of(ctx)->irq);
}

static int take_rst(struct yaml *yaml, int node, void *ctx)
{
    return take_place(yaml, node, PIN_MAX, NULL, &chip_of(ctx)->rst);
}

static int take_link(struct yaml *yaml, int node, void *ctx)
{
    return take_place(yaml, node, PIN_MAX, "none", &chip_of(ctx)->link);
}

static int take_buffer(struct yaml *yaml, int node, void *ctx)
{
    int64_t kb;
    int rc = yaml_take_number(yaml, node, 1, BOARD_CHIP_BUFFER_KB_MAX, &kb);

    if (rc < 0)
        return rc;
    if (kb & (kb - 1)) /* W5500 datasheet, Sn_RXBUF_SIZE */
        return yaml_wrong(yaml, node, "a socket's buffers have 1, 2, 4, 8 or 16 KB");
    chip_of(ctx)->buffer_kb = (unsigned)kb;
    return 0;
}

static int take_timing(struct yaml *yaml, int node, void *ctx)
{
    char text[NUMBERS_MAX];
    int rc = yaml_take_text(yaml, node, text, sizeof(text));

    if (rc < 0)
        return rc;
    return board_chip_set_timing(chip_of(ctx), text) ? 0 : yaml_wrong(yaml, node, BOARD_TIMINGS);
}

static int take_scale(struct yaml *yaml, int node, void *ctx)
{
    int64_t percent;
    int rc = yaml_take_number(yaml, node, SCALE_MIN, SCALE_MAX, &percent);

    if (rc == 0)
        chip_of(ctx)->scale_percent = (unsigned)percent;
    return rc;
}

static int take_gap(struct yaml *yaml, int node, void *ctx)
{
    int64_t us;
    int rc = yaml_take_number(yaml, node, 0, GAP_US_MAX, &us);

    if (rc == 0)
        chip_of(ctx)->gap_ns = (unsigned)us * NS_PER_US;
    return rc;
}

static int take_quirk(struct yaml *yaml, int node, void *ctx)
{
    char text[BOARD_WHY_MAX], why[BOARD_WHY_MAX];
    int rc = yaml_take_text(yaml, node, text, sizeof(text));
    const char *problem = rc == 0 ? board_chip_add_quirks(chip_of(ctx), text, why) : NULL;

    return problem ? yaml_wrong(yaml, node, "%s", problem) : rc;
}

static int take_quirks(struct yaml *yaml, int node, void *ctx)
{
    chip_of(ctx)->quirks_count = 0;
    return yaml_kind(yaml, node) == YAML_KIND_LIST ? yaml_take_list(yaml, node, take_quirk, ctx)
                                                   : take_quirk(yaml, node, ctx);
}

int board_chip_take(struct yaml *yaml, int node, void *ctx)
{
    static const struct yaml_key keys[] = {
        { "spi", take_spi },       { "cs", take_cs },       { "irq", take_irq },
        { "rst", take_rst },       { "link", take_link },   { "buffer", take_buffer },
        { "timing", take_timing }, { "scale", take_scale }, { "gap_us", take_gap },
        { "quirks", take_quirks },
    };

    return yaml_take_map(yaml, node, keys, ARRAY_LEN(keys), ctx);
}
