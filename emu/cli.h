/*
 * cli: the command line. One table of options; parsing, --help and the manual page walk it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "emu/adapter_table.h"
#include "emu/board.h"
#include "emu/impair.h"
#include "emu/limits.h"
#include "emu/log.h"
#include "emu/tier.h"
#include "emu/uplink_kind.h"
#include "emu/vclock.h"

#define CLI_IMPAIRS_MAX    64
#define CLI_TIMEOUT_MS_MAX UINT64_C(86400000) /* a day */

enum cli_sandbox { CLI_SANDBOX_OFF, CLI_SANDBOX_WHERE_POSSIBLE, CLI_SANDBOX_ON };
enum cli_color { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };

struct cli {
    const char *const *paths; /* of argv: the script, files and folders */
    int paths_count;

    struct board board;
    struct impair_rule impairs[CLI_IMPAIRS_MAX];
    size_t impairs_count;
    struct limits limits;
    enum profile profile;
    enum vclock_mode time;
    enum log_level log_level;
    enum cli_color color;
    uint64_t seed;
    bool has_seed;
    uint64_t timeout_ms;     /* 0: none */
    const char *json;        /* a descriptor's number or a file's name; NULL: none */
    const char *ctl;         /* path of a socket to be controlled by; NULL: none */
    const char *keylog;      /* a file's name; NULL: none */
    const char *capture;     /* a file's name; NULL: none */
    const char *trace_spi;   /* the same */
    const char *spi_port;    /* path of a socket for drivers from outside; NULL: none */
    bool is_chip_alone;      /* luatos-emu w5500: there is no script */
    const char *chip_option; /* of those that are for a W5500, the last one; NULL: none */
    bool hides_keys;         /* --no-keys */
    const char *scenario;    /* a file's name; NULL: none */
    bool keep_running;       /* --exit-on never */
    enum cli_sandbox sandbox;
    bool allows_tls_1_3;
    enum tier_wish net;
    enum tier net_tier; /* TIER_WISH_ONE */
    enum uplink_kind uplink;
    bool gc_stress, lab;
};

enum cli_verdict {
    CLI_VERDICT_RUN,   /* the command line asks for a run */
    CLI_VERDICT_DONE,  /* it asked for --help or the like, which was printed on stdout */
    CLI_VERDICT_WRONG, /* what is wrong was said on stderr */
};

/* What the command line asks of tiers. */
struct tier_plan cli_tier_plan(const struct cli *cli);

/* @argv is permuted, and borrowed by @cli. */
enum cli_verdict cli_parse(struct cli *cli, int argc, char *argv[]);

/* The same of `luatos-emu w5500`; @argv begins with that word. */
enum cli_verdict cli_parse_chip(struct cli *cli, int argc, char *argv[]);
