#include "emu/exit_code.h"

const struct exit_code_row exit_code_rows[] = {
    { EXIT_CODE_OK, "ended well: os.exit(0), or nothing was left to do, or it sleeps" },
    { EXIT_CODE_SCRIPT,
      "the script failed: an uncaught error, main.lua returned, an unfed watchdog" },
    { EXIT_CODE_USAGE, "the command line is wrong" },
    { EXIT_CODE_ENVIRONMENT, "this machine does not allow what was asked for" },
    { EXIT_CODE_NO_SCRIPT, "the script, a file or a folder can't be read" },
    { EXIT_CODE_SYNTAX, "the script is not Lua: a syntax error" },
    { EXIT_CODE_SCENARIO, "the scenario failed" },
    { EXIT_CODE_TIMEOUT, "--timeout was over" },
    { EXIT_CODE_LOG, "the log, a trace or the capture could not be written" },
    { EXIT_CODE_INTERRUPTED, "interrupted (Ctrl-C)" },
    { EXIT_CODE_TERMINATED, "terminated (SIGTERM)" },
};
const size_t exit_code_rows_count = sizeof(exit_code_rows) / sizeof(exit_code_rows[0]);
