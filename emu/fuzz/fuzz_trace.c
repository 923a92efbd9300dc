/* Texts of a script on their way into the trace: every line is JSON, whatever it says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "emu/fuzz/fuzz.h"
#include "emu/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *text = trace_text((const char *)data, size), *line, *again;
    char *dumped;

    assert(text);
    assert(json_string_length(text) >= size);
    line = json_pack("{s:o}", "text", text);
    dumped = json_dumps(line, JSON_COMPACT);
    assert(dumped);
    assert(!strchr(dumped, '\n'));
    again = json_loads(dumped, JSON_ALLOW_NUL, NULL);
    assert(json_equal(line, again));
    json_decref(again);
    json_decref(line);
    free(dumped);
    return 0;
}
