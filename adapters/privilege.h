/*
 * privilege: what the process that runs the script may do, and no more.
 *
 * Called once, when everything that needs privileges has been done and before the first line of
 * Lua. It is for good: no_new_privs (prctl(2)) keeps programs from giving anything back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PRIVILEGE_WHY_MAX 128

/*
 * Become the user who called sudo, where there is one, and drop every capability. Who may also empties the bounding set and leaves all supplementary groups. What is left
 * is read back from the kernel. 0 or -errno, with @why for people.
 */
int privilege_drop(char why[PRIVILEGE_WHY_MAX]);

/* May ports below 1024 be listened on, and by who runs the script, too, did that not give it up? */
bool privilege_has_ports(void);

/*
 * Of a child process that needs some: keep only the capabilities of @kept, a bit each
 * (capabilities(7)), where there are more. 0 or -errno.
 */
int privilege_limit(uint64_t kept);
