#include "adapters/w5500/faults.h"

/* FNV-1a, 64 bits */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

/* How often it was told at this place. */
static unsigned *find_known(struct faults *faults, const char *place, const char *text)
{
    uint64_t hash = hash_text(hash_text(0xcbf29ce484222325, place), text);
    size_t next = faults->known_next;

    for (size_t i = 0; i < FAULTS_KNOWN; i++) {
        if (faults->known[i].told && faults->known[i].hash == hash)
            return &faults->known[i].told;
    }
    faults->known_next = (next + 1) % FAULTS_KNOWN;
    faults->known[next].hash = hash;
    faults->known[next].told = 0;
    return &faults->known[next].told;
}

/* How often its kind was told; NULL: there are too many. */
static unsigned *find_kind(struct faults *faults, const char *kind)
{
    for (size_t i = 0; i < FAULTS_KINDS; i++) {
        if (!faults->kinds[i].kind)
            faults->kinds[i].kind = kind;
        if (faults->kinds[i].kind == kind)
            return &faults->kinds[i].told;
    }
    return NULL;
}

bool faults_note(struct faults *faults, const char *kind, const char *place, const char *text)
{
    unsigned *of_kind = find_kind(faults, kind), *here;

    if (!of_kind || *of_kind == FAULTS_KIND_MAX)
        return false;
    here = find_known(faults, place, text);
    if (*here == FAULTS_REPEATS_MAX)
        return false;
    ++*here;
    ++*of_kind;
    return true;
}

bool faults_are_over(const struct faults *faults, const char *kind)
{
    for (size_t i = 0; i < FAULTS_KINDS; i++) {
        if (faults->kinds[i].kind == kind)
            return faults->kinds[i].told == FAULTS_KIND_MAX;
    }
    return true;
}
