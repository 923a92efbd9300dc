/*
 * project: what was named on the command line, as a script and its file system.
 *
 * The first path is the script, or a folder whose main.lua is. Where a first folder has none (a
 * folder of libraries), the first main.lua among the other paths is taken.
 */
#pragma once

#include <stddef.h>

#define PROJECT_PATH_MAX 4096

struct vfs;

/*
 * Fill @vfs from @paths, of which there is at least one, and find the script. NULL, or what is
 * wrong, for people; static or in @why.
 */
const char *project_open(struct vfs *vfs, const char *const paths[], int count,
                         char script[PROJECT_PATH_MAX], char why[], size_t why_cap);
