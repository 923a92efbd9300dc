/* exit_code: how a run ended, for the shell. --help and README.md list them; exit_code.c has the words. */
#pragma once

#include <stddef.h>

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_SCRIPT = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_ENVIRONMENT = 4,
    EXIT_CODE_NO_SCRIPT = 5,
    EXIT_CODE_SYNTAX = 6,
    EXIT_CODE_SCENARIO = 7,
    EXIT_CODE_TIMEOUT = 42,
    EXIT_CODE_LOG = 74,          /* sysexits.h EX_IOERR */
    EXIT_CODE_INTERRUPTED = 130, /* 128 + SIGINT, as shells say */
    EXIT_CODE_TERMINATED = 143,  /* 128 + SIGTERM */
};

struct exit_code_row {
    enum exit_code code;
    const char *what;
};

extern const struct exit_code_row exit_code_rows[];
extern const size_t exit_code_rows_count;
