/*
 * handle: numbers that stand for objects and outlive them without harm.
 *
 * A handle is what an event, a Lua light userdata or a queued message carries instead of a pointer:
 * when the object is gone, handle_get() gives NULL, also after its place has been taken by another
 * (until 4096 others have had that place). 0 is never a handle.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HANDLE_INDEX_BITS \
    20 /* about a million objects at once; the other 12 bits tell lives apart */

struct handle_slot {
    void *object; /* NULL: free, and @next_free counts */
    uint32_t life;
    uint32_t next_free;
};

struct handles {
    struct handle_slot *slots;
    uint32_t count, cap;
    uint32_t free; /* index plus one of the first free slot */
};

void handles_init(struct handles *handles);
void handles_fini(struct handles *handles);

/* 0 when there are too many. */
uint32_t handle_add(struct handles *handles, void *object);
void handle_remove(struct handles *handles, uint32_t handle);

/* NULL when @handle is not, or no longer, in use. */
void *handle_get(const struct handles *handles, uint32_t handle);
