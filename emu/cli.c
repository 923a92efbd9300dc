#include "emu/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/board_chip.h"
#include "emu/board_file.h"
#include "emu/exit_code.h"
#include "emu/util.h"

#define PROGRAM     "luatos-emu"
#define OPTIONS_MAX 64
#define WHY_MAX     YAML_WHY_MAX
#define HELP_COLUMN 26
#define VALUE_BASE  256                     /* of getopt_long's results: above every letter */
#define PRINTED     ((const char *)printed) /* an apply function's "this ends the program well" */

static const char printed[] = "";

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *arg; /* NULL: takes none */
    const char *what;
    /* NULL, PRINTED, or what is wrong with @value; may use @why. */
    const char *(*apply)(struct cli *cli, const char *value, char why[WHY_MAX]);
};

struct choice {
    const char *name;
    int value;
};

/* The options of a command. */
struct option_table {
    const struct option_row *rows;
    int count;
};

/* They stand below what they point to. */
static struct option_table table_of(bool is_chip_alone);

static const char *choose(const struct choice choices[], int count, const char *value, int *out,
                          char why[WHY_MAX])
{
    size_t len = 0;

    for (int i = 0; i < count; i++) {
        if (strcmp(choices[i].name, value) == 0) {
            *out = choices[i].value;
            return NULL;
        }
    }
    len += (size_t)snprintf(why, WHY_MAX, "it takes");
    for (int i = 0; i < count; i++) {
        len += (size_t)snprintf(why + len, WHY_MAX - len, "%s %s",
                                i == 0           ? ""
                                : i == count - 1 ? " or"
                                                 : ",",
                                choices[i].name);
    }
    return why;
}

static const char *take_number(const char *value, uint64_t min, uint64_t max, uint64_t *out,
                               char why[WHY_MAX])
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(value, &end, 0);
    if (!*value || *end || errno || strchr(value, '-') || number < min || number > max) {
        (void)snprintf(why, WHY_MAX, "it takes a number from %" PRIu64 " to %" PRIu64, min, max);
        return why;
    }
    *out = number;
    return NULL;
}

/* ---- one function an option ----------------------------------------------------------------- */

/* NOLINTBEGIN(readability-non-const-parameter): they are of one type, and some write @why */

static const char *set_board(struct cli *cli, const char *value, char why[WHY_MAX])
{
    if (strcmp(value, "list") != 0)
        return board_load(&cli->board, &cli->limits, value, why);
    for (size_t i = 0; i < board_builtins_count; i++)
        puts(board_builtins[i].name);
    return PRINTED;
}

static const char *set_bind(struct cli *cli, const char *value, char why[WHY_MAX])
{
    return board_bind(&cli->board, value, why);
}

static const char *set_capture(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->capture = value;
    return *value ? NULL : "it takes a file's name";
}

static const char *set_trace_spi(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->trace_spi = value;
    return *value ? NULL : "it takes a file's name";
}

static const char *set_spi(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->spi_port = value;
    return *value ? NULL : "it takes the path of a socket to make";
}

static const char *set_spi_port(struct cli *cli, const char *value, char why[WHY_MAX])
{
    cli->chip_option = "spi-port";
    return set_spi(cli, value, why);
}

/* "veth:NAME" is short for "veth,peer=NAME". */
static const char *set_chip_bind(struct cli *cli, const char *value, char why[WHY_MAX])
{
    bool has_peer = strncmp(value, "veth:", 5) == 0;
    char text[WHY_MAX];
    int len = snprintf(text, sizeof(text), "%s=%s%s", adapter_name(ADAPTER_ETH0),
                       has_peer ? "veth,peer=" : "", has_peer ? value + 5 : value);

    return len < WHY_MAX ? board_bind(&cli->board, text, why) : "it is too long";
}

static const char *set_timing(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->chip_option = "timing";
    return board_chip_set_timing(&cli->board.chip, value) ? NULL : BOARD_TIMINGS;
}

static const char *set_quirk(struct cli *cli, const char *value, char why[WHY_MAX])
{
    cli->chip_option = "quirk";
    return board_chip_add_quirks(&cli->board.chip, value, why);
}

static const char *set_color(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "auto", CLI_COLOR_AUTO },
                                             { "always", CLI_COLOR_ALWAYS },
                                             { "never", CLI_COLOR_NEVER } };
    int color = cli->color;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &color, why);

    cli->color = (enum cli_color)color;
    return wrong;
}

static const char *set_ctl(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->ctl = value;
    return *value ? NULL : "it takes the path of a socket to make";
}

static const char *set_exit_on(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "idle", 0 }, { "never", 1 } };
    int keep = cli->keep_running;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &keep, why);

    cli->keep_running = keep;
    return wrong;
}

static const char *set_gc_stress(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    cli->gc_stress = true;
    return NULL;
}

static const char *set_impair(struct cli *cli, const char *value, char why[WHY_MAX])
{
    const char *wrong;

    if (cli->impairs_count == CLI_IMPAIRS_MAX)
        return "there are too many";
    wrong = impair_parse(&cli->impairs[cli->impairs_count], value, why);
    cli->impairs_count += !wrong;
    return wrong;
}

static const char *set_json(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->json = value;
    return *value ? NULL : "it takes a descriptor's number or a file's name";
}

static const char *set_keylog(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->keylog = value;
    return *value ? NULL : "it takes a file's name";
}

static const char *set_lab(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    cli->lab = true;
    return NULL;
}

static const char *set_log_level(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "debug", LOG_LEVEL_DEBUG },
                                             { "info", LOG_LEVEL_INFO },
                                             { "warn", LOG_LEVEL_WARN },
                                             { "error", LOG_LEVEL_ERROR },
                                             { "silent", LOG_LEVEL_SILENT } };
    int level = (int)cli->log_level;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &level, why);

    cli->log_level = (enum log_level)level;
    return wrong;
}

static const char *set_net(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "auto", TIER_WISH_AUTO }, { "own", TIER_WISH_OWN },
                                             { "T1", TIER_WISH_ONE },    { "T2", TIER_WISH_ONE },
                                             { "T3", TIER_WISH_ONE },    { "T4", TIER_WISH_ONE },
                                             { "T5", TIER_WISH_ONE } };
    int tier = tier_by_name(value), wish = TIER_WISH_ONE;
    const char *wrong = tier < 0 ? choose(choices, ARRAY_LEN(choices), value, &wish, why) : NULL;

    cli->net = (enum tier_wish)wish;
    cli->net_tier = tier < 0 ? TIER_COUNT : (enum tier)tier;
    return wrong;
}

static const char *set_no_keys(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    cli->hides_keys = true;
    return NULL;
}

static const char *set_profile(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "doc", PROFILE_DOC },
                                             { "current", PROFILE_CURRENT } };
    int profile = (int)cli->profile;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &profile, why);

    cli->profile = (enum profile)profile;
    return wrong;
}

static const char *set_sandbox(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    cli->sandbox = CLI_SANDBOX_ON;
    return NULL;
}

static const char *set_no_sandbox(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    cli->sandbox = CLI_SANDBOX_OFF;
    return NULL;
}

static const char *set_scenario(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    cli->scenario = value;
    return *value ? NULL : "it takes a file's name";
}

static const char *set_seed(struct cli *cli, const char *value, char why[WHY_MAX])
{
    cli->has_seed = true;
    return take_number(value, 0, UINT64_MAX, &cli->seed, why);
}

static void print_limits(void)
{
    puts("--set KEY=VALUE changes what a module has little of:\n");
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *row = &limit_rows[i];

        printf("  %-16s %s\n  %-16s default %" PRIu64 ", from %" PRIu64 " to %" PRIu64 " %s; %s\n",
               row->key, row->what, "", row->value, row->min, row->max, row->unit, row->source);
    }
}

static const char *set_limit(struct cli *cli, const char *value, char why[WHY_MAX])
{
    if (strcmp(value, "help") == 0) {
        print_limits();
        return PRINTED;
    }
    return limits_set(&cli->limits, value, why, WHY_MAX);
}

static const char *set_time(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "real", VCLOCK_MODE_REAL },
                                             { "virtual", VCLOCK_MODE_VIRTUAL } };
    int mode = (int)cli->time;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &mode, why);

    cli->time = (enum vclock_mode)mode;
    return wrong;
}

static const char *set_tls_max(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "1.2", 0 }, { "1.3", 1 } };
    int allows = cli->allows_tls_1_3;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &allows, why);

    cli->allows_tls_1_3 = allows;
    return wrong;
}

static const char *set_uart(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)why;
    return board_wire(&cli->board, value);
}

static const char *set_timeout(struct cli *cli, const char *value, char why[WHY_MAX])
{
    return take_number(value, 1, CLI_TIMEOUT_MS_MAX, &cli->timeout_ms, why);
}

/* ---- what is printed ---------------------------------------------------------------------- */

static const char usage[] = PROGRAM " [options] script.lua [more files or folders]";
static const char usage_ctl[] = PROGRAM " ctl PATH COMMAND...";
static const char usage_lab[] = PROGRAM " lab";
static const char usage_doctor[] = PROGRAM " doctor [--json|--fix]";
static const char usage_chip[] = PROGRAM " w5500 --spi PATH [options]";

static const char about[] =
    "Runs a LuatOS script on this machine's network. The files and folders named are the\n"
    "module's file system, /luadb/NAME; of a folder, main.lua is the script. require() finds\n"
    "them, the files beside the script, and the built-in sys, sysplus, libnet, udpsrv, exnetif,\n"
    "dnsproxy, dhcpsrv and httpdns.\n"
    "The module's log goes to stdout, what the emulator itself has to say to stderr.";

static const char about_chip[] =
    "Runs a W5500 alone, without a script: a program of your own drives it over the socket at\n"
    "PATH, by SPI frames and pins (VSPI/1, conformance/vspi.md), and its Ethernet frames go over\n"
    "a link. When it listens it prints a line to stdout, \"w5500 spi=PATH bind=KIND\" and what a\n"
    "driver may write into the chip there: address=, gateway=, dns=, mac=. It runs until SIGINT,\n"
    "SIGTERM or --timeout.";

static const char *spelled(const struct option_row *row, char text[WHY_MAX])
{
    char letter[] = "    ";

    if (row->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    (void)snprintf(text, WHY_MAX, "%s--%s%s%s", letter, row->name, row->arg ? " " : "",
                   row->arg ? row->arg : "");
    return text;
}

/* @text, whose lines after the first begin at column HELP_COLUMN. */
static void print_indented(const char *text)
{
    for (; *text; text++) {
        putchar(*text);
        if (*text == '\n')
            printf("%*s", HELP_COLUMN, "");
    }
    putchar('\n');
}

static void print_options(struct option_table table)
{
    char text[WHY_MAX];

    for (int i = 0; i < table.count; i++) {
        const struct option_row *row = &table.rows[i];
        const char *spelling = spelled(row, text);

        if (strlen(spelling) + 4 > HELP_COLUMN) {
            printf("  %s\n%*s", spelling, HELP_COLUMN, "");
        } else {
            printf("  %-*s", HELP_COLUMN - 2, spelling);
        }
        print_indented(row->what);
    }
}

static const char *print_chip_help(void)
{
    printf("Usage: %s\n\n%s\n\nOptions:\n", usage_chip, about_chip);
    print_options(table_of(true));
    printf("\nExit codes:\n"
           "  %-4d a trace, capture or other file could not be written\n"
           "  %-4d the command line is wrong\n"
           "  %-4d the link or the socket can't be had; why was said\n"
           "  %-4d --timeout was over\n"
           "  %-4d ended by SIGINT, %d by SIGTERM or SIGHUP\n\n",
           EXIT_CODE_LOG, EXIT_CODE_USAGE, EXIT_CODE_ENVIRONMENT, EXIT_CODE_TIMEOUT,
           EXIT_CODE_INTERRUPTED, EXIT_CODE_TERMINATED);
    puts("Examples:\n"
         "  " PROGRAM " w5500 --spi /tmp/spi --lab           among the lab's servers, no root\n"
         "  " PROGRAM " w5500 --spi /tmp/spi --bind veth:w0  w0 is its cable's end, for root\n"
         "  " PROGRAM " w5500 --spi /tmp/spi --bind netns:test,dev=eth0");
    return PRINTED;
}

static const char *print_help(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)value;
    (void)why;
    if (cli->is_chip_alone)
        return print_chip_help();
    printf("Usage: %s\n       %s\n       %s\n       %s\n       %s\n\n%s\n\nOptions:\n", usage,
           usage_ctl, usage_lab, usage_doctor, usage_chip, about);
    print_options(table_of(false));
    puts("\nExit codes:");
    for (size_t i = 0; i < exit_code_rows_count; i++)
        printf("  %-4d %s\n", (int)exit_code_rows[i].code, exit_code_rows[i].what);
    puts("  os.exit(n) gives n.\n\n"
         "Environment: NO_COLOR, when set, means --color never; SSLKEYLOGFILE, see --keylog;\n"
         "CI, see --sandbox.\n\n"
         "Examples:\n"
         "  " PROGRAM " main.lua                      run a script on this machine's network\n"
         "  " PROGRAM " project/ ca.pem               run project/main.lua, with /luadb/ca.pem\n"
         "  " PROGRAM " --lab main.lua                with echo servers and a DNS of its own\n"
         "  " PROGRAM " --time virtual --seed 1 main.lua   the same output on every run");
    return PRINTED;
}

static const char *print_version(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)cli;
    (void)value;
    (void)why;
    puts(PROGRAM " " LUATOS_EMU_VERSION);
    return PRINTED;
}

/* @text in troff: "-" is a hyphen there, and a line must not begin with a dot or a quote. */
static void print_troff(const char *text)
{
    bool at_start = true;

    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-') {
            fputs("\\-", stdout);
        } else if (*text == '\\') {
            fputs("\\e", stdout);
        } else {
            putchar(*text);
        }
        at_start = *text == '\n';
    }
    putchar('\n');
}

static void print_man_options(struct option_table table)
{
    char text[WHY_MAX];

    for (int i = 0; i < table.count; i++) {
        const char *spelling = spelled(&table.rows[i], text);

        puts(".TP");
        print_troff(spelling + strspn(spelling, " "));
        print_troff(table.rows[i].what);
    }
}

static const char *print_man(struct cli *cli, const char *value, char why[WHY_MAX])
{
    (void)cli;
    (void)value;
    (void)why;
    puts(".TH LUATOS\\-EMU 1 \"\" \"" PROGRAM " " LUATOS_EMU_VERSION "\" \"User Commands\"\n"
         ".SH NAME\nluatos\\-emu \\- run LuatOS scripts on this machine's network\n"
         ".SH SYNOPSIS");
    print_troff(usage);
    puts(".br");
    print_troff(usage_ctl);
    puts(".br");
    print_troff(usage_lab);
    puts(".br");
    print_troff(usage_doctor);
    puts(".br");
    print_troff(usage_chip);
    puts(".SH DESCRIPTION");
    print_troff(about);
    puts(".SH OPTIONS");
    print_man_options(table_of(false));
    puts(".SH LUATOS\\-EMU W5500");
    print_troff(about_chip);
    print_man_options(table_of(true));
    puts(".SH EXIT STATUS");
    for (size_t i = 0; i < exit_code_rows_count; i++) {
        printf(".TP\n%d\n", (int)exit_code_rows[i].code);
        print_troff(exit_code_rows[i].what);
    }
    puts(".PP\nos.exit(n) gives n.\n"
         ".SH ENVIRONMENT\n.TP\nNO_COLOR\nwhen set, means \\-\\-color never.\n"
         ".TP\nSSLKEYLOGFILE\nwhat \\-\\-keylog appends to when it is not given.");
    puts(".SH LIMITS\nOf \\-\\-set KEY=VALUE:");
    for (size_t i = 0; i < limit_rows_count; i++) {
        const struct limit_row *limit = &limit_rows[i];

        puts(".TP");
        print_troff(limit->key);
        print_troff(limit->what);
        printf("Default %" PRIu64 ", from %" PRIu64 " to %" PRIu64 " %s;\n", limit->value,
               limit->min, limit->max, limit->unit);
        print_troff(limit->source);
    }
    return PRINTED;
}

static const char *set_uplink(struct cli *cli, const char *value, char why[WHY_MAX])
{
    static const struct choice choices[] = { { "auto", UPLINK_AUTO },
                                             { "pasta", UPLINK_PASTA },
                                             { "slirp4netns", UPLINK_SLIRP4NETNS },
                                             { "relay", UPLINK_RELAY },
                                             { "off", UPLINK_OFF } };
    int kind = cli->uplink;
    const char *wrong = choose(choices, ARRAY_LEN(choices), value, &kind, why);

    cli->uplink = (enum uplink_kind)kind;
    return wrong;
}

/* NOLINTEND(readability-non-const-parameter) */

/* ---- the table ---------------------------------------------------------------------------- */

static const struct option_row rows[] = {
    { 0, "bind", "ADAPTER=KIND",
      "put an adapter on the network KIND: off, host, lab (see\n"
      "--net), netns:NAME (or a namespace's path), veth (a cable\n"
      "from a namespace of its own into this machine's network;\n"
      ",peer=NAME names that end, ,bridge=NAME joins it to a\n"
      "bridge), tap:NAME (the same over a TAP device) or nat (ETH0:\n"
      "a W5500 over this machine's sockets, no rights). Options\n"
      "follow after commas: dev=IFACE (host, netns), ip=A.B.C.D/LEN\n"
      "or ip= and mask=, gw=, ip6=ADDRESS/LEN, gw6=, or dhcp (not\n"
      "host), mac=, mtu= (lab, veth, tap), dns=IP (up to four),\n"
      "down (the cable is out at first). ETH0 on a link is a W5500;\n"
      "chip=none: the kernel's stack, as all others. May be repeated.\n"
      "Default:\n"
      "LWIP_GP, LWIP_STA, LWIP_AP, LWIP_ETH, ETH0 and USB are on\n"
      "the host's",
      set_bind },
    { 0, "board", "NAME|FILE",
      "the module: its adapters and their limits, IMEI, Wi-Fi\n"
      "networks and so on, from a YAML file or a board that is\n"
      "built in (list prints those); other options change it",
      set_board },
    { 0, "capture", "FILE",
      "write what goes over the adapters to a pcapng file, for\n"
      "Wireshark: an interface for each, with what the script was\n"
      "told as comments and with the TLS secrets to decrypt it.\n"
      "Frames of the host's network are made up from its sockets",
      set_capture },
    { 0, "color", "auto|always|never", "colours in the log; auto: on a terminal", set_color },
    { 0, "ctl", "PATH",
      "make a socket there by which the run can be controlled:\n"
      "luatos-emu ctl PATH link LWIP_ETH down",
      set_ctl },
    { 0, "exit-on", "idle|never",
      "idle (default): end when no timer is set, no socket open\n"
      "and so nothing can happen any more; never: wait on",
      set_exit_on },
    { 0, "gc-stress", NULL, "collect garbage at every chance, to find what depends on it",
      set_gc_stress },
    { 'h', "help", NULL, "print this and exit", print_help },
    { 0, "impair", "RULE",
      "let an adapter's network be bad, as ADAPTER[:up|:down] and\n"
      "delay=TIME jitter=TIME loss=P% duplicate=P% reorder=P%\n"
      "corrupt=P% rate=BITRATE queue=SIZE mtu=BYTES icmp=off\n"
      "blackhole reset=SIZE dns=timeout|servfail|nxdomain|IP\n"
      "match=[tcp|udp|icmp][:PORT][@IP[/BITS]] from=TIME\n"
      "until=TIME for=TIME, with commas between them: LWIP_GP:down,\n"
      "delay=80ms,jitter=20ms,loss=1%,rate=10mbit. May be repeated;\n"
      "with --seed the same packets are hit on every run",
      set_impair },
    { 0, "json", "FD|FILE",
      "write every log line and every event as one JSON object a\n"
      "line; to 1 it takes the log's place on stdout",
      set_json },
    { 0, "keylog", "FILE",
      "append TLS secrets in NSS key log format, for Wireshark to\n"
      "decrypt with; default: what SSLKEYLOGFILE names",
      set_keylog },
    { 0, "lab", NULL,
      "start servers of the emulator's own, on the network that it\n"
      "makes or on a loopback address: DNS, NTP, echo and many\n"
      "more, with the names that scripts use; needs no internet.\n"
      "luatos-emu lab prints what is where",
      set_lab },
    { 0, "log-level", "LEVEL", "debug (default), info, warn, error or silent", set_log_level },
    { 0, "man", NULL, "print the manual page, in troff, and exit", print_man },
    { 0, "net", "auto|own|T1..T5",
      "how adapters that are bound nowhere get a network. own: in one\n"
      "that the emulator makes, a namespace with an interface for each\n"
      "adapter, on one bridge, where --lab is too; by T1 (or root: as\n"
      "root), T2 (userns: in a user namespace) or T3 (reexec: by the\n"
      "installed luatos-emu, rootlesskit or podman). T4 (given): where\n"
      "--bind has them, nothing is made. T5 (host): on this machine's.\n"
      "auto (default): with --lab the first of T1, T2, T3, T5 that can\n"
      "be had, which is said; without it T5. Exit code 4 where what is\n"
      "asked for can't be had: luatos-emu doctor tells why",
      set_net },
    { 0, "no-keys", NULL, "leave the TLS secrets out of --capture", set_no_keys },
    { 0, "no-sandbox", NULL, "no --sandbox, not even when CI=true is set", set_no_sandbox },
    { 0, "profile", "doc|current",
      "whose numbers: the document's (default; ETH0 is 5, USB 6)\n"
      "or today's firmware's (ETH0 is 17, USB 16)",
      set_profile },
    { 0, "quirk", "NAME[,NAME]",
      "let the W5500 behind ETH0 differ from the one that is sold;\n"
      "README.md, section ETH0, lists the names. May be repeated",
      set_quirk },
    { 0, "sandbox", NULL,
      "let the kernel (Landlock) refuse the script's process every\n"
      "file that the command line does not name; exit code 4 where\n"
      "it can't. Default when CI=true is set, where it can",
      set_sandbox },
    { 0, "scenario", "FILE",
      "what happens around the script, from a YAML file: cables\n"
      "pulled, lines that must come; exit code 7 when it fails",
      set_scenario },
    { 0, "seed", "N", "make everything random repeat itself", set_seed },
    { 0, "set", "KEY=VALUE", "change a limit of the module; --set help lists them", set_limit },
    { 0, "spi-port", "PATH",
      "make a socket there by which a program of your own drives the\n"
      "W5500 behind ETH0, by SPI frames and pins (VSPI/1, see\n"
      "conformance/vspi.md), in the place of the module's firmware:\n"
      "scripts have no ETH0 then",
      set_spi_port },
    { 0, "time", "real|virtual",
      "virtual: time stands still while the script works and jumps\n"
      "to the next timer when it waits. For scripts that use no\n"
      "network; with --seed every run is the same byte for byte",
      set_time },
    { 0, "timeout", "MS", "end with exit code 42 after so many milliseconds", set_timeout },
    { 0, "timing", "fast|accurate",
      "the W5500 behind ETH0: fast (default), in no time, or\n"
      "accurate, at the pace of its SPI clock and its wire",
      set_timing },
    { 0, "tls-max", "1.2|1.3",
      "the newest TLS that is spoken: 1.2, as modules do\n"
      "(default), or 1.3",
      set_tls_max },
    { 0, "trace-spi", "FILE",
      "write what goes over the W5500's SPI bus to a VCD file, for\n"
      "GTKWave or PulseView: its wires bit by bit, and the accesses\n"
      "to registers by name",
      set_trace_spi },
    { 0, "uart", "PORT=WIRING",
      "wire a serial port (0, 1, 2, 3 or usb) to pty, stdio, or a\n"
      "terminal or pipe with a / in its path, or off: there is none.\n"
      "May be repeated. Default: pty, made when the script sets the\n"
      "port up; its name is said",
      set_uart },
    { 0, "uplink", "auto|pasta|slirp4netns|relay|off",
      "the way out of a network that the emulator makes, to the one\n"
      "outside: by that program, or by a process of the emulator's\n"
      "(relay); none takes root. auto: the first that can be had, which\n"
      "is said. Then the lab's DNS asks outside for names that it\n"
      "does not know. Default: off",
      set_uplink },
    { 0, "version", NULL, "print the version and exit", print_version },
};
static_assert(sizeof(rows) / sizeof(rows[0]) < OPTIONS_MAX, "getopt_long's table is too small");

/* Of luatos-emu w5500; those of the same name do the same. */
static const struct option_row chip_rows[] = {
    { 0, "bind", "KIND",
      "the chip's link: lab (default; a network that the emulator\n"
      "makes, see --net), veth or veth:NAME (a cable into this\n"
      "machine's network; NAME is its end there), tap:NAME (the same\n"
      "over a TAP device), netns:NAME,dev=IFACE (an interface of a\n"
      "namespace), or nat (sockets of this machine; no link, no\n"
      "rights). Options of luatos-emu --bind follow after commas;\n"
      "ip=, gw=, mac= are only printed, as the chip is told by its\n"
      "driver",
      set_chip_bind },
    { 0, "capture", "FILE",
      "write what goes over the link to a pcapng file, and the\n"
      "accesses to registers as an interface of their own",
      set_capture },
    { 0, "color", "auto|always|never", "colours in the log; auto: on a terminal", set_color },
    { 0, "ctl", "PATH",
      "make a socket there by which the run can be controlled:\n"
      "luatos-emu ctl PATH w5500 regs",
      set_ctl },
    { 'h', "help", NULL, "print this and exit", print_help },
    { 0, "impair", "RULE",
      "let the link be bad: ETH0:down,delay=80ms,loss=1%; see\n"
      "luatos-emu --help. May be repeated",
      set_impair },
    { 0, "json", "FD|FILE", "write every event as one JSON object a line", set_json },
    { 0, "lab", NULL,
      "start servers on the network that the emulator makes: DNS,\n"
      "DHCP, NTP, echo and more; luatos-emu lab prints what is where",
      set_lab },
    { 0, "net", "auto|own|T1..T5", "how that network is made; see luatos-emu --help", set_net },
    { 0, "no-sandbox", NULL, "no --sandbox, not even when CI=true is set", set_no_sandbox },
    { 0, "quirk", "NAME[,NAME]",
      "let the chip differ from the one that is sold; README.md,\n"
      "section ETH0, lists the names. May be repeated",
      set_quirk },
    { 0, "sandbox", NULL,
      "let the kernel (Landlock) refuse this process every file;\n"
      "exit code 4 where it can't",
      set_sandbox },
    { 0, "seed", "N", "make everything random repeat itself", set_seed },
    { 0, "spi", "PATH", "make the socket there. It is removed at the end", set_spi },
    { 0, "timeout", "MS", "end with exit code 42 after so many milliseconds", set_timeout },
    { 0, "timing", "fast|accurate",
      "fast (default): bytes take no time; accurate: as long as the\n"
      "SPI clock says, and the wire",
      set_timing },
    { 0, "trace-spi", "FILE", "write the SPI bus to a VCD file, for GTKWave or PulseView",
      set_trace_spi },
    { 0, "uplink", "auto|pasta|slirp4netns|relay|off",
      "the way out of the network that the emulator makes; default:\n"
      "off; see luatos-emu --help",
      set_uplink },
};
static_assert(sizeof(chip_rows) / sizeof(chip_rows[0]) < OPTIONS_MAX, "the same");

static struct option_table table_of(bool is_chip_alone)
{
    return is_chip_alone ? (struct option_table){ chip_rows, ARRAY_LEN(chip_rows) }
                         : (struct option_table){ rows, ARRAY_LEN(rows) };
}

/* ---- parsing ---------------------------------------------------------------------------------- */

static enum cli_verdict wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static enum cli_verdict wrong(const char *format, ...)
{
    va_list args;

    (void)fputs(PROGRAM ": ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs(" (" PROGRAM " --help says more)\n", stderr);
    return CLI_VERDICT_WRONG;
}

/* "--ti", "--foo=1": unknown, or the beginning of several names. */
static enum cli_verdict wrong_long_option(struct option_table table, const char *text)
{
    const char *name = text + strspn(text, "-");
    size_t len = strcspn(name, "=");
    const char *first = NULL;

    for (int i = 0; i < table.count; i++) {
        if (strncmp(table.rows[i].name, name, len) != 0)
            continue;
        if (first)
            return wrong("--%.*s: is it --%s or --%s?", (int)len, name, first, table.rows[i].name);
        first = table.rows[i].name;
    }
    return wrong("there is no option --%.*s", (int)len, name);
}

static void fill_getopt(struct option_table table, struct option options[OPTIONS_MAX],
                        char letters[OPTIONS_MAX])
{
    *letters++ = ':'; /* a missing value is told from an unknown option */
    for (int i = 0; i < table.count; i++) {
        options[i] =
            (struct option){ .name = table.rows[i].name,
                             .has_arg = table.rows[i].arg ? required_argument : no_argument,
                             .val = VALUE_BASE + i };
        if (table.rows[i].letter)
            *letters++ = table.rows[i].letter;
    }
    options[table.count] = (struct option){ 0 };
    *letters = '\0';
}

static const struct option_row *row_of(struct option_table table, int result)
{
    if (result >= VALUE_BASE)
        return &table.rows[result - VALUE_BASE];
    for (int i = 0; i < table.count; i++) {
        if (table.rows[i].letter && table.rows[i].letter == result)
            return &table.rows[i];
    }
    return NULL;
}

struct tier_plan cli_tier_plan(const struct cli *cli)
{
    const struct board *board = &cli->board;
    bool has_far_links = board_binds(board, BINDING_VETH) || board_binds(board, BINDING_TAP);

    return (struct tier_plan){ .wish = cli->net,
                               .wanted = cli->net_tier,
                               .wants_lab = cli->lab,
                               .makes_links = has_far_links || board_binds(board, BINDING_LAB),
                               .has_far_links = has_far_links,
                               .has_given = board_binds(board, BINDING_NETNS) };
}

/* NULL, or what of --bind makes no sense with the tier that --net asks for. */
static const char *check_tier(const struct cli *cli)
{
    const struct tier_plan plan = cli_tier_plan(cli);

    if (plan.wish != TIER_WISH_ONE)
        return NULL;
    if (plan.wanted == TIER_HOST && (plan.makes_links || plan.has_given))
        return "--net T5 and --bind: T5 is this machine's network and no other";
    if (plan.wanted == TIER_GIVEN && plan.makes_links)
        return "--net T4 and --bind: T4 makes no links; lab, veth and tap do";
    if (plan.wanted == TIER_REEXEC && plan.has_far_links)
        return "--net T3 and --bind: veth and tap have no way out of another program's network";
    return NULL;
}

/* Links are made so that rules of impairment can be carried out, where there may be any. */
static void expect_rules(struct cli *cli)
{
    for (int id = 0; id < ADAPTER_COUNT; id++)
        cli->board.slots[id].expects_rules = cli->ctl || cli->scenario;
    for (size_t i = 0; i < cli->board.impairs_count; i++)
        cli->board.slots[cli->board.impairs[i].adapter].expects_rules = true;
    for (size_t i = 0; i < cli->impairs_count; i++)
        cli->board.slots[cli->impairs[i].adapter].expects_rules = true;
}

static enum cli_verdict check_chip(const struct cli *cli)
{
    if (cli->paths_count)
        return wrong("w5500 takes no script: \"%s\"; luatos-emu --spi-port PATH %s has both",
                     cli->paths[0], cli->paths[0]);
    if (!cli->spi_port)
        return wrong("which socket? Usage: %s", usage_chip);
    if (!board_has_chip(&cli->board.slots[ADAPTER_ETH0], ADAPTER_ETH0))
        return wrong("--bind: a chip takes a link: lab, veth, tap:NAME, netns:NAME,dev=IFACE or "
                     "nat");
    return CLI_VERDICT_RUN;
}

static enum cli_verdict check(const struct cli *cli)
{
    char why[BOARD_WHY_MAX];
    const char *problem = board_check(&cli->board, why);

    if (problem)
        return wrong("--bind: %s", problem);
    if (cli->is_chip_alone && check_chip(cli) != CLI_VERDICT_RUN)
        return CLI_VERDICT_WRONG;
    if (!cli->is_chip_alone && !cli->paths_count)
        return wrong("which script? Usage: %s", usage);
    problem = check_tier(cli);
    if (problem)
        return wrong("%s", problem);
    if (cli->lab && cli->time == VCLOCK_MODE_VIRTUAL)
        return wrong("--lab and --time virtual: the lab is a real network, in real time");
    if (cli->spi_port && cli->time == VCLOCK_MODE_VIRTUAL)
        return wrong("--spi-port and --time virtual: who drives the chip does it in real time");
    if (cli->time == VCLOCK_MODE_VIRTUAL && board_has_wires(&cli->board))
        return wrong("--uart and --time virtual: a terminal is real, in real time");
    if (board_has_stdio(&cli->board) && cli->json && strcmp(cli->json, "1") == 0)
        return wrong("--json 1 and --uart stdio: both want the standard output");
    return CLI_VERDICT_RUN;
}

/* What getopt_long() works on. */
struct line {
    int argc;
    char **argv;
    struct option_table table;
    struct option options[OPTIONS_MAX];
    char letters[OPTIONS_MAX];
};

/*
 * The board comes first, wherever it stands, for the other options change what it says. CLI_VERDICT_RUN:
 * they were taken.
 */
static enum cli_verdict apply_options(struct cli *cli, struct line *line, bool is_board)
{
    char why[WHY_MAX];
    int result;

    opterr = 0;
    optind = 0; /* begin anew: GNU's getopt(3) */
    while ((result = getopt_long(line->argc, line->argv, line->letters, line->options, NULL)) !=
           -1) {
        const struct option_row *row = row_of(line->table, result);
        const char *problem;

        if (is_board && !(row && row->apply == set_board))
            continue;
        if (!is_board && row && row->apply == set_board)
            continue;
        if (result == ':')
            return wrong("%s needs a value", line->argv[optind - 1]);
        if (!row && optopt >= VALUE_BASE)
            return wrong("%s takes no value", line->argv[optind - 1]);
        if (!row && optopt)
            return wrong("there is no option -%c", optopt);
        if (!row)
            return wrong_long_option(line->table, line->argv[optind - 1]);
        problem = row->apply(cli, optarg, why);
        if (problem == PRINTED)
            return CLI_VERDICT_DONE;
        if (problem)
            return wrong("--%s %s: %s", row->name, optarg ? optarg : "", problem);
    }
    return CLI_VERDICT_RUN;
}

/* GitHub, GitLab and most others set it. */
static bool is_ci(void)
{
    const char *ci = getenv("CI");

    return ci && strcmp(ci, "true") == 0;
}

static enum cli_verdict parse(struct cli *cli, int argc, char *argv[])
{
    struct line line = { .argc = argc, .argv = argv, .table = table_of(cli->is_chip_alone) };
    enum cli_verdict verdict;

    fill_getopt(line.table, line.options, line.letters);
    verdict = apply_options(cli, &line, true);
    if (verdict == CLI_VERDICT_RUN)
        verdict = apply_options(cli, &line, false);
    if (verdict != CLI_VERDICT_RUN)
        return verdict;
    cli->paths = (const char *const *)(argv + optind);
    cli->paths_count = argc - optind;
    expect_rules(cli);
    return check(cli);
}

static void init(struct cli *cli)
{
    *cli = (struct cli){ .profile = PROFILE_DOC,
                         .time = VCLOCK_MODE_REAL,
                         .log_level = LOG_LEVEL_DEBUG,
                         .uplink = UPLINK_OFF,
                         .sandbox = is_ci() ? CLI_SANDBOX_WHERE_POSSIBLE : CLI_SANDBOX_OFF };
    board_init(&cli->board);
    limits_init(&cli->limits);
}

enum cli_verdict cli_parse(struct cli *cli, int argc, char *argv[])
{
    init(cli);
    return parse(cli, argc, argv);
}

enum cli_verdict cli_parse_chip(struct cli *cli, int argc, char *argv[])
{
    init(cli);
    cli->is_chip_alone = true;
    for (int id = 0; id < ADAPTER_COUNT; id++)
        cli->board.slots[id] = (struct board_slot){ .binding = BINDING_OFF };
    cli->board.slots[ADAPTER_ETH0].binding = BINDING_LAB;
    return parse(cli, argc, argv);
}
