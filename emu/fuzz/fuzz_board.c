/* A board's file, out of somebody's project. */
#include <assert.h>
#include <string.h>

#include "emu/board.h"
#include "emu/board_file.h"
#include "emu/fuzz/fuzz.h"
#include "emu/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board board;
    struct limits limits;
    char why[YAML_WHY_MAX];

    board_init(&board);
    limits_init(&limits);
    if (board_read(&board, &limits, "fuzz.yaml", (const char *)data, size, why))
        assert(strlen(why) < sizeof(why));
    assert(board.aps_count <= BOARD_APS_MAX);
    return 0;
}
