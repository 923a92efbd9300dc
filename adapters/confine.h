/*
 * confine: what of the host's files a run can still open once its script begins.
 *
 *   read    the files and folders of the command line, and the files beside the script: not the
 *           folders beside it, and not what links lead to out of there
 *   write   terminals and pipes that serial ports are wired to; /dev/ptmx and /dev/pts where ports
 *           are wired to pseudo-terminals, which are made when the script sets them up
 *   remove  files in the folders of the control socket and of the W5500's: they are removed at the
 *           end
 *
 * The log, the trace, the key log and the like are open by then. Name servers and routes have been
 * read, and sockets are no files.
 */
#pragma once

#include "adapters/sandbox.h"

struct board;

struct confinement {
    const char *const *paths; /* of the command line */
    int paths_count;
    const char *script;   /* its path; NULL: there is none */
    const char *ctl;      /* path of the control socket; NULL: none */
    const char *spi_port; /* the same of the socket for drivers of a W5500 */
    const struct board *board;
};

/* As sandbox_enter(). */
int confine(const struct confinement *confinement, char why[SANDBOX_WHY_MAX]);
