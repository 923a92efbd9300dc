#include "luabind/corelib.h"

#include <string.h>

const struct corelib_file *corelib_find(const char *name)
{
    for (const struct corelib_file *file = corelib_files; file->name; file++) {
        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

bool corelib_is_chunk(const char *source)
{
    return strncmp(source, "@" CORELIB_FOLDER, sizeof("@" CORELIB_FOLDER) - 1) == 0;
}
