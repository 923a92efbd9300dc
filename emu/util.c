#include "emu/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *ptr, size_t size)
{
    if (!ptr && size) {
        (void)fprintf(stderr, "luatos-emu: out of memory: %zu bytes\n", size);
        abort();
    }
    return ptr;
}

void *xcalloc(size_t count, size_t size)
{
    return or_abort(calloc(count, size), count * size);
}

void *xrealloc(void *ptr, size_t size)
{
    return or_abort(realloc(ptr, size), size);
}

char *xstrdup(const char *text)
{
    return or_abort(strdup(text), strlen(text) + 1);
}
