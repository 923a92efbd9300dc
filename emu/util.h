/* util: what the language lacks. Nothing here knows about networks. */
#pragma once

#include <stddef.h>

#define ARRAY_LEN(array)                ((int)(sizeof(array) / sizeof((array)[0])))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/*
 * Allocation that aborts when there is no memory: for sizes of our own choosing. Bound a size that
 * a script or a peer chose first.
 */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *text);
