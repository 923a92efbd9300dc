#include "emu/handle.h"

#include <assert.h>
#include <stdlib.h>

#include "emu/util.h"

#define INDEX_MASK ((1U << HANDLE_INDEX_BITS) - 1)
#define LIFE_MASK  ((1U << (32 - HANDLE_INDEX_BITS)) - 1)
#define CAP_MIN    16

void handles_init(struct handles *handles)
{
    *handles = (struct handles){ 0 };
}

void handles_fini(struct handles *handles)
{
    free(handles->slots);
    *handles = (struct handles){ 0 };
}

static struct handle_slot *slot_of(const struct handles *handles, uint32_t handle)
{
    uint32_t index = handle & INDEX_MASK;

    if (index == 0 || index > handles->count)
        return NULL;
    if (handles->slots[index - 1].life != handle >> HANDLE_INDEX_BITS)
        return NULL;
    return &handles->slots[index - 1];
}

static uint32_t take_slot(struct handles *handles)
{
    uint32_t index = handles->free;

    if (index) {
        handles->free = handles->slots[index - 1].next_free;
        return index;
    }
    if (handles->count == INDEX_MASK)
        return 0;
    if (handles->count == handles->cap) {
        handles->cap = handles->cap ? handles->cap * 2 : CAP_MIN;
        handles->slots = xrealloc(handles->slots, handles->cap * sizeof(struct handle_slot));
    }
    handles->slots[handles->count] = (struct handle_slot){ 0 };
    return ++handles->count;
}

uint32_t handle_add(struct handles *handles, void *object)
{
    uint32_t index;

    assert(object);
    index = take_slot(handles);
    if (!index)
        return 0;
    handles->slots[index - 1].object = object;
    return handles->slots[index - 1].life << HANDLE_INDEX_BITS | index;
}

void handle_remove(struct handles *handles, uint32_t handle)
{
    struct handle_slot *slot = slot_of(handles, handle);

    if (!slot || !slot->object)
        return;
    slot->object = NULL;
    slot->life = (slot->life + 1) & LIFE_MASK;
    slot->next_free = handles->free;
    handles->free = handle & INDEX_MASK;
}

void *handle_get(const struct handles *handles, uint32_t handle)
{
    const struct handle_slot *slot = slot_of(handles, handle);

    return slot ? slot->object : NULL;
}
