/* A scenario's file, out of somebody's project. */
#include <assert.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario *scenario = NULL;
    char why[YAML_WHY_MAX];

    if (scenario_read(&scenario, "fuzz.yaml", (const char *)data, size, why))
        assert(strlen(why) < sizeof(why));
    else
        scenario_free(scenario);
    return 0;
}
