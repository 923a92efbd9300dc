/* The composition root: options -> clock, loop, adapters, Lua -> run -> exit code. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "adapters/capture.h"
#include "adapters/command.h"
#include "adapters/confine.h"
#include "adapters/ctl.h"
#include "adapters/doctor.h"
#include "adapters/hostinfo.h"
#include "adapters/impairment.h"
#include "adapters/lab/lab.h"
#include "adapters/nets.h"
#include "adapters/privilege.h"
#include "adapters/reexec.h"
#include "adapters/terminal.h"
#include "adapters/tiers.h"
#include "adapters/uplink.h"
#include "adapters/w5500/alone.h"
#include "adapters/w5500/bench.h"
#include "adapters/w5500/port.h"
#include "adapters/w5500/vcd.h"
#include "emu/cli.h"
#include "emu/device.h"
#include "emu/exit_code.h"
#include "emu/outputs.h"
#include "emu/project.h"
#include "emu/scenario.h"
#include "emu/vfs.h"
#include "luabind/vm.h"

#define WHY_MAX         (PROJECT_PATH_MAX + 256)
#define LAB_WHERE_MAX   64
#define GRACE_S         2 /* after the time limit, for a script that sits in a C function */
#define VIRTUAL_WORK_MS 10000
#define MS_PER_S        1000
#define US_PER_MS       1000
#define US_PER_S        1000000

/* What a signal handler can reach, and nothing else does: the VM to be stopped. */
static struct vm *volatile signalled_vm;

/* In a signal handler: the script does not come back, so nobody else can say why it ends. */
static void tell_stuck(const struct vm *vm, int number)
{
    static const char timeout[] = "luatos-emu: --timeout is over; ";
    static const char scenario[] = "luatos-emu: the scenario's limit is over; ";
    static const char where[] = "the script sits in a C function or in a finalizer\n";
    int fd = vm->config.device->log.config.voice_fd;

    if (number == SIGALRM)
        (void)!write(fd, timeout, sizeof(timeout) - 1);
    else
        (void)!write(fd, scenario, sizeof(scenario) - 1);
    (void)!write(fd, where, sizeof(where) - 1);
}

/* The first signal asks the script to end; a second one does not ask. */
static void on_signal(int number)
{
    int code = number == SIGINT      ? EXIT_CODE_INTERRUPTED
               : number == SIGALRM   ? EXIT_CODE_TIMEOUT
               : number == SIGPROF   ? EXIT_CODE_SCRIPT
               : number == SIGVTALRM ? EXIT_CODE_SCENARIO
                                     : EXIT_CODE_TERMINATED;
    struct vm *vm = signalled_vm;

    if (!vm || vm->is_stopping) {
        if (vm && (number == SIGALRM || number == SIGVTALRM))
            tell_stuck(vm, number);
        _exit(code);
    }
    vm_interrupt(vm, code);
}

static void catch_signals(struct vm *vm, uint64_t timeout_ms)
{
    const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPROF, SIGVTALRM };
    const struct sigaction end = { .sa_handler = on_signal };
    const struct itimerval limit = {
        .it_value = { (time_t)(timeout_ms / MS_PER_S),
                      (suseconds_t)(timeout_ms % MS_PER_S * US_PER_MS) },
        .it_interval = { GRACE_S, 0 },
    };

    signalled_vm = vm;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        (void)sigaction(ends[i], &end, NULL);
    if (timeout_ms)
        (void)setitimer(ITIMER_REAL, &limit, NULL);
}

/* 0: no more. */
static void limit_work(__itimer_which_t which, uint64_t us)
{
    const struct itimerval limit = {
        .it_value = { (time_t)(us / US_PER_S), (suseconds_t)(us % US_PER_S) },
        .it_interval = { GRACE_S, 0 },
    };

    (void)setitimer(which, &limit, NULL);
}

/* Of a script that has fed the watchdog. Waiting costs no CPU time: the watchdog's own timer sees it. */
static void limit_cpu(uint64_t us)
{
    limit_work(ITIMER_PROF, us);
}

/*
 * A write to a pipe that nobody reads any more fails, and is told about, like any other; and one to
 * a file that has reached RLIMIT_FSIZE.
 */
static void let_writes_fail(void)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}

/* Sockets and the flash's files take a descriptor each; 1024, as many shells give, are soon used. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Nothing that is opened later may land where the log or the voice is written. */
static void hold_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static bool is_colored(enum cli_color color, int fd)
{
    if (color != CLI_COLOR_AUTO)
        return color == CLI_COLOR_ALWAYS;
    return isatty(fd) && !getenv("NO_COLOR");
}

static struct device_config device_config_of(const struct cli *cli, int trace_fd)
{
    /* a serial port on the standard output has it for itself */
    int module_fd = board_has_stdio(&cli->board) ? STDERR_FILENO : STDOUT_FILENO;

    return (struct device_config){
        .time = cli->time,
        .profile = cli->profile,
        .seed = cli->seed,
        .has_seed = cli->has_seed,
        .limits = cli->limits,
        .trace_fd = trace_fd,
        .board = &cli->board,
        .log = { .module_fd = trace_fd == module_fd ? -1 : module_fd,
                 .voice_fd = trace_fd == STDERR_FILENO ? -1 : STDERR_FILENO,
                 .level = cli->log_level,
                 .module_color = is_colored(cli->color, module_fd),
                 .voice_color = is_colored(cli->color, STDERR_FILENO) },
    };
}

/* Where it is; and, where a time server can't have its port, that of its own. */
static void say_lab(struct log *log, const struct nets *nets, const struct lab *lab)
{
    char ip[ENDPOINT_TEXT_MAX], where[LAB_WHERE_MAX] = "";

    if (!nets_lab(nets))
        (void)snprintf(where, sizeof(where), " with high ports only, socket.sntp_port(%d);",
                       LAB_NTP_PORT);
    log_say(log, "lab: netlab.luatos.com is %s%s luatos-emu lab tells what is where",
            endpoint_ip_text(lab_dns(lab), ip), nets_lab(nets) ? ";" : where);
}

/* False: a file has no room, which was said. */
static bool give_files(struct device *device, const struct lab *lab, struct vfs *vfs)
{
    const struct lab_file *file;
    int rc = 0;

    for (size_t i = 0; rc == 0 && (file = lab_file(lab, i)); i++)
        rc = vfs_add_text(vfs, file->name, file->text, strlen(file->text));
    if (rc < 0)
        log_say(&device->log, "--lab: its certificates can't be put into /luadb: %s",
                strerror(-rc));
    return rc == 0;
}

/* Who knows the names that the lab does not; IP_FAMILY_NONE: there is no way to them. */
static struct endpoint upstream_of(const struct uplink *uplink, const struct adapter_info *host)
{
    struct endpoint dns = { 0 };

    if (uplink->kind == UPLINK_HOST && host->dns_count)
        dns = host->dns[0];
    else if (uplink->kind != UPLINK_HOST && uplink->kind != UPLINK_OFF)
        uplink_dns(&dns);
    return dns;
}

static int start_lab(struct device *device, const struct nets *nets,
                     const struct endpoint *upstream, struct lab **lab, struct adapter_info *info)
{
    int rc = lab_open(lab, &(struct lab_config){ .loop = &device->loop,
                                                 .timers = &device->timers,
                                                 .clock = &device->clock,
                                                 .rng = &device->rng,
                                                 .keeper = nets_lab(nets),
                                                 .ip = nets->own_ip,
                                                 .upstream = *upstream,
                                                 .keylog_fd = device->net.tls.keylog_fd,
                                                 .log = &device->log,
                                                 .trace = &device->trace });

    if (rc < 0) {
        log_say(&device->log, "--lab: the built-in network can't be started: %s", strerror(-rc));
        return rc;
    }
    memset(info->dns, 0, sizeof(info->dns));
    info->dns[0] = *lab_dns(*lab);
    info->dns_count = 1;
    say_lab(&device->log, nets, *lab);
    return 0;
}

/*
 * In virtual time the limit is virtual too: how fast this machine is must make no difference. But
 * that time stands still while the script works, and one that never waits has to end as well.
 */
static uint64_t real_limit_ms(const struct cli *cli)
{
    if (cli->time == VCLOCK_MODE_REAL || !cli->timeout_ms)
        return cli->timeout_ms;
    return cli->timeout_ms > VIRTUAL_WORK_MS ? cli->timeout_ms : VIRTUAL_WORK_MS;
}

/* False: a line that a serial port is wired to can't be had, which was said. */
static bool wire(struct device *device, const struct board *board, struct terminals **terminals)
{
    char why[TERMINALS_WHY_MAX];

    for (int port = 0; port < UART_PORTS; port++) {
        if (board->uarts[port].wiring == WIRING_OFF)
            device->uart.has_line &= ~(1U << port);
    }
    if (device->clock.mode == VCLOCK_MODE_VIRTUAL) /* and nothing at all at their ends */
        return true;
    if (terminals_open(terminals, device, board, why) == 0)
        return true;
    log_say(&device->log, "%s", why);
    return false;
}

/* What surrounds the VM while it runs. */
struct surroundings {
    struct commander commander;
    struct scenario *scenario; /* NULL: none */
    struct nets nets;
    struct tier_choice choice; /* which tier they are of */
    struct uplink uplink;
    struct lab *lab; /* NULL: none */
    struct impairment *impairment;
    struct capture *capture;     /* NULL: none */
    struct vcd *vcd;             /* NULL: none */
    struct ctl *ctl;             /* NULL: none */
    struct port *port;           /* NULL: none */
    struct terminals *terminals; /* NULL: none */
};

/* An enum exit_code; what is wrong was said, of what @who gave. */
static int add_rule(struct device *device, struct impairment *impairment,
                    const struct impair_rule *rule, const char *who)
{
    char why[IMPAIR_WHY_MAX];
    int rc = impairment_add(impairment, rule, why);

    if (rc == 0)
        return EXIT_CODE_OK;
    log_say(&device->log, "%s %s: %s", who, rule->text, why);
    return rc == -EINVAL ? EXIT_CODE_USAGE : EXIT_CODE_ENVIRONMENT;
}

/* The same. Rules of a board whose adapter --bind has taken away are left out. */
static int impair(const struct cli *cli, struct device *device, struct surroundings *around)
{
    const struct board *board = &cli->board;
    int code = EXIT_CODE_OK;

    around->impairment = impairment_new(device, &around->nets);
    for (size_t i = 0; i < board->impairs_count && code == EXIT_CODE_OK; i++) {
        if (board->slots[board->impairs[i].adapter].binding != BINDING_OFF)
            code = add_rule(device, around->impairment, &board->impairs[i], "the board's impair");
    }
    for (size_t i = 0; i < cli->impairs_count && code == EXIT_CODE_OK; i++)
        code = add_rule(device, around->impairment, &cli->impairs[i], "--impair");
    return code;
}

/* Of links with frames, before anything is sent over them. */
static void prepare_capture(const struct cli *cli, struct device *device, int fd,
                            struct surroundings *around)
{
    around->capture = capture_new(
        &(struct capture_config){ .device = device, .fd = fd, .has_keys = !cli->hides_keys });
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        int rc = capture_frames(around->capture, (enum adapter_id)id, &cli->board.slots[id],
                                &around->nets);

        if (rc < 0 && rc != -EOPNOTSUPP)
            log_say(&device->log,
                    "%s: its frames can't be captured, and are made up from its sockets: %s",
                    adapter_name((enum adapter_id)id), strerror(-rc));
    }
}

static void start_capture(const struct cli *cli, const struct device *device,
                          struct capture *capture, struct bench *bench)
{
    for (int id = 0; id < ADAPTER_COUNT; id++) {
        if (device->net.adapters[id] && !capture_has_frames(capture, (enum adapter_id)id))
            capture_sockets(capture, (enum adapter_id)id, &cli->board.slots[id]);
    }
    if (bench)
        capture_spi(capture, bench);
    capture_start(capture);
}

/* NULL: the board has none. */
static const struct w5500 *w5500_of(const struct nets *nets)
{
    const struct bench *bench = nets_bench(nets);

    return bench ? bench_chip(bench) : NULL;
}

/* An enum exit_code: an option has no chip to be for, which was said. */
static int check_chip_option(const struct cli *cli, struct device *device, const struct nets *nets)
{
    if (!cli->chip_option || nets_bench(nets))
        return EXIT_CODE_OK;
    log_say(&device->log, "--%s: this board has no W5500; --bind ETH0=lab has one",
            cli->chip_option);
    return EXIT_CODE_USAGE;
}

/* An enum exit_code: there is nothing to trace, which was said. */
static int trace_spi(const struct cli *cli, struct device *device, int fd,
                     struct surroundings *around)
{
    struct bench *bench = nets_bench(&around->nets);

    if (!bench) {
        log_say(&device->log, "--trace-spi: this board has no W5500");
        return EXIT_CODE_USAGE;
    }
    around->vcd = vcd_new(&(struct vcd_config){ .chip = bench_chip(bench),
                                                .clock = &device->clock,
                                                .log = &device->log,
                                                .fd = fd,
                                                .gap_ns = cli->board.chip.gap_ns });
    bench_observe(bench, vcd_observer(around->vcd));
    return EXIT_CODE_OK;
}

/* For drivers from outside; the same. */
static int open_port(const struct cli *cli, struct device *device, struct surroundings *around)
{
    const struct port_config config = { .loop = &device->loop,
                                        .timers = &device->timers,
                                        .clock = &device->clock,
                                        .log = &device->log,
                                        .trace = &device->trace,
                                        .bench = nets_bench(&around->nets) };
    int rc = port_open(&around->port, cli->spi_port, &config);

    if (rc < 0) {
        log_say(&device->log, "%s %s: %s", cli->is_chip_alone ? "--spi" : "--spi-port",
                cli->spi_port, strerror(-rc));
        return EXIT_CODE_ENVIRONMENT;
    }
    if (!cli->is_chip_alone)
        log_say(&device->log, "--spi-port: the W5500 is driven at %s, and the script has no ETH0",
                cli->spi_port);
    return EXIT_CODE_OK;
}

/* An enum exit_code: something can't be had, which was said. */
static int surround(const struct cli *cli, struct device *device, struct vfs *vfs,
                    const struct outputs *outputs, struct surroundings *around)
{
    const struct tier_plan plan = cli_tier_plan(cli);
    struct adapter_info info;
    struct endpoint upstream;
    char why[NETS_WHY_MAX];
    int code, rc;

    tiers_tell(&around->choice, &plan, device);
    uplink_tell(&around->uplink, device);
    rc = uplink_watch(&around->uplink, device);
    if (rc < 0) {
        log_say(&device->log, "--uplink: it can't be watched: %s", strerror(-rc));
        return EXIT_CODE_ENVIRONMENT;
    }
    if (cli->time == VCLOCK_MODE_REAL) {
        hostinfo_read(&info);
    } else {
        hostinfo_loopback(&info); /* what a script reads must not depend on the machine */
    }
    if (!wire(device, &cli->board, &around->terminals))
        return EXIT_CODE_ENVIRONMENT;
    upstream = upstream_of(&around->uplink, &info);
    if (around->uplink.kind != UPLINK_HOST && !cli->lab)
        around->nets.own_dns = upstream;
    if (cli->lab && (start_lab(device, &around->nets, &upstream, &around->lab, &info) < 0 ||
                     !give_files(device, around->lab, vfs)))
        return EXIT_CODE_ENVIRONMENT;
    around->nets.follows_host_dns = !cli->lab && cli->time == VCLOCK_MODE_REAL;
    if (outputs->capture_fd >= 0)
        prepare_capture(cli, device, outputs->capture_fd, around);
    around->nets.has_outside_driver = cli->spi_port;
    if (nets_plug(&around->nets, device, &cli->board, &info, why) < 0) {
        log_say(&device->log, "%s", why);
        return EXIT_CODE_ENVIRONMENT;
    }
    code = check_chip_option(cli, device, &around->nets);
    if (code == EXIT_CODE_OK && outputs->spi_fd >= 0)
        code = trace_spi(cli, device, outputs->spi_fd, around);
    if (code == EXIT_CODE_OK)
        code = impair(cli, device, around);
    if (code == EXIT_CODE_OK && cli->spi_port)
        code = open_port(cli, device, around);
    if (code != EXIT_CODE_OK)
        return code;
    if (around->capture)
        start_capture(cli, device, around->capture, nets_bench(&around->nets));
    if (!cli->is_chip_alone)
        mobile_begin(&device->mobile);
    net_publish_links(&device->net);
    around->commander = (struct commander){ .device = device,
                                            .nets = &around->nets,
                                            .impairment = around->impairment,
                                            .capture = around->capture,
                                            .lab = around->lab,
                                            .w5500 = w5500_of(&around->nets) };
    rc = cli->ctl ? ctl_open(&around->ctl, cli->ctl, &around->commander) : 0;
    if (rc < 0)
        log_say(&device->log, "--ctl %s: %s", cli->ctl, strerror(-rc));
    return rc == 0 ? EXIT_CODE_OK : EXIT_CODE_ENVIRONMENT;
}

/* Let the kernel refuse what the script has no business with. False: it can't, which was said. */
static bool enter_sandbox(const struct cli *cli, struct device *device, const char *script)
{
    const struct confinement confinement = { .paths = cli->paths,
                                             .paths_count = cli->paths_count,
                                             .script = script,
                                             .ctl = cli->ctl,
                                             .spi_port = cli->spi_port,
                                             .board = &cli->board };
    char why[SANDBOX_WHY_MAX];
    int rc;

    if (cli->sandbox == CLI_SANDBOX_OFF)
        return true;
    rc = confine(&confinement, why);
    trace_emit(&device->trace, "sandbox", "{s:b, s:i}", "on", rc == 0, "landlock",
               sandbox_version());
    if (rc == 0)
        return true;
    if (cli->sandbox == CLI_SANDBOX_ON) {
        log_say(&device->log, "--sandbox: %s", why);
        return false;
    }
    log_say(&device->log, "no sandbox, though CI=true asks for one: %s", why);
    return true;
}

/* ---- the scenario -------------------------------------------------------------------------------- */

static const char *say_why(const char *wrong, char why[YAML_WHY_MAX])
{
    (void)snprintf(why, YAML_WHY_MAX, "%s", wrong ? wrong : "");
    return wrong ? why : NULL;
}

static const char *check_command(void *ctx, const char *line, char why[YAML_WHY_MAX])
{
    struct command_answer answer = { 0 };

    (void)ctx;
    return say_why(command_check(line, &answer), why);
}

/* What a scenario acts on, and ends. */
struct stage {
    const struct commander *commander;
    struct vm *vm;
};

static const char *do_command(void *ctx, const char *line, char why[YAML_WHY_MAX])
{
    const struct stage *stage = ctx;
    struct command_answer answer = { 0 };

    return say_why(command_do(stage->commander, line, &answer), why);
}

/* Of a script that never waits, in whatever time: no timer of the loop would see it. */
static void limit_scenario(const struct cli *cli, const struct scenario *scenario)
{
    uint64_t us = scenario_limit_us(scenario), least_us = VIRTUAL_WORK_MS * (uint64_t)US_PER_MS;

    limit_work(ITIMER_VIRTUAL, cli->time == VCLOCK_MODE_REAL || us > least_us ? us : least_us);
}

static void unlimit_scenario(void *ctx)
{
    (void)ctx;
    limit_work(ITIMER_VIRTUAL, 0);
}

static void end_run(void *ctx, int code)
{
    vm_end(((const struct stage *)ctx)->vm, code);
}

static void start_scenario(const struct cli *cli, struct device *device, struct scenario *scenario,
                           struct stage *stage)
{
    limit_scenario(cli, scenario);
    scenario_start(scenario, &(struct scenario_config){ .timers = &device->timers,
                                                        .clock = &device->clock,
                                                        .trace = &device->trace,
                                                        .log = &device->log,
                                                        .run = do_command,
                                                        .end = end_run,
                                                        .done = unlimit_scenario,
                                                        .ctx = stage });
}

/* False: the file can't be used, which was said. */
static bool open_scenario(const struct cli *cli, struct scenario **scenario)
{
    char why[YAML_WHY_MAX];
    const char *wrong;

    if (!cli->scenario)
        return true;
    wrong = scenario_load(scenario, cli->scenario, why);
    if (!wrong)
        wrong = scenario_check(*scenario, check_command, NULL, why);
    if (wrong)
        (void)fprintf(stderr, "luatos-emu: --scenario: %s\n", wrong);
    return !wrong;
}

/* ---- a run ------------------------------------------------------------------------------------------ */

static int run_vm(const struct cli *cli, struct device *device, struct vfs *vfs, const char *script,
                  struct surroundings *around)
{
    struct vm vm;
    struct stage stage = { &around->commander, &vm };
    int code, rc;

    rc = vm_open(&vm, &(struct vm_config){ .device = device,
                                           .vfs = vfs,
                                           .script = script,
                                           .timeout_us = cli->timeout_ms * US_PER_MS,
                                           .gc_stress = cli->gc_stress,
                                           .limit_cpu = limit_cpu,
                                           .keep_running = cli->keep_running });
    if (rc < 0) {
        log_say(&device->log, "the Lua VM can't be started: %s", strerror(-rc));
        return EXIT_CODE_ENVIRONMENT;
    }
    catch_signals(&vm, real_limit_ms(cli));
    if (around->scenario)
        start_scenario(cli, device, around->scenario, &stage);
    code = vm_run(&vm);
    unlimit_scenario(NULL);
    if (around->scenario)
        code = scenario_finish(around->scenario, code);
    trace_emit(&device->trace, "exit", "{s:i}", "code", code);
    limit_cpu(0);
    signalled_vm = NULL; /* from here on a signal ends the program at once */
    vm_close(&vm);
    return code;
}

static int run_chip(const struct cli *cli, struct device *device, const struct surroundings *around)
{
    const struct log_config *log = &device->log.config;

    return alone_run(
        &(struct alone_config){ .device = device,
                                .nets = &around->nets,
                                .path = cli->spi_port,
                                .dns = around->lab ? *lab_dns(around->lab) : around->nets.own_dns,
                                .out_fd = log->module_fd,
                                .timeout_ms = cli->timeout_ms });
}

static int run_device(const struct cli *cli, const struct outputs *outputs, struct vfs *vfs,
                      const char *script, struct surroundings *around)
{
    const struct device_config config = device_config_of(cli, outputs->trace_fd);
    struct device device;
    int code, rc;

    rc = device_open(&device, &config);
    if (rc < 0) {
        (void)fprintf(stderr, "luatos-emu: can't start: %s\n", strerror(-rc));
        return EXIT_CODE_ENVIRONMENT;
    }
    device.net.tls.keylog_fd = outputs->keylog_fd;
    device.net.tls.allows_1_3 = cli->allows_tls_1_3;
    code = surround(cli, &device, vfs, outputs, around);
    if (code == EXIT_CODE_OK && !enter_sandbox(cli, &device, script))
        code = EXIT_CODE_ENVIRONMENT;
    if (code == EXIT_CODE_OK)
        code = cli->is_chip_alone ? run_chip(cli, &device, around)
                                  : run_vm(cli, &device, vfs, script, around);
    if (around->terminals)
        terminals_close(around->terminals);
    if (around->ctl)
        ctl_close(around->ctl);
    port_close(around->port);
    if (around->impairment)
        impairment_free(around->impairment);
    if (around->lab)
        lab_close(around->lab);
    uplink_unwatch(&around->uplink);
    nets_unplug(&around->nets);
    if (device.trace.write_error)
        log_say(&device.log, "the trace can't be written any more: %s",
                strerror(device.trace.write_error));
    if (code == EXIT_CODE_OK && (device.log.write_error || device.trace.write_error))
        code = EXIT_CODE_LOG;
    if (around->capture)
        capture_settle(around->capture);
    device_close(&device);
    if (around->capture && capture_close(around->capture) && code == EXIT_CODE_OK)
        code = EXIT_CODE_LOG;
    if (around->vcd && vcd_close(around->vcd) && code == EXIT_CODE_OK)
        code = EXIT_CODE_LOG;
    return code;
}

/* Get what takes privileges, then give them up. False: it can't be had, which was said. */
static bool take_and_drop(struct cli *cli, char *const argv[], struct surroundings *around)
{
    const struct tiers_config config = {
        .plan = cli_tier_plan(cli), .board = &cli->board, .helper = reexec_helper(), .argv = argv
    };
    char why[TIERS_WHY_MAX];

    around->uplink = (struct uplink){ .kind = UPLINK_OFF, .child = CHILD_NONE };
    if (tiers_open(&around->nets, &config, &around->choice, why) == 0) {
        if (uplink_open(&around->uplink, nets_lab(&around->nets), cli->uplink, why) == 0 &&
            privilege_drop(why) == 0)
            return true;
        uplink_close(&around->uplink);
        nets_close(&around->nets);
    }
    (void)fprintf(stderr, "luatos-emu: %s\n", why);
    return false;
}

/* False: there is no such quirk, which was said. */
static bool check_quirks(const struct board_chip *chip)
{
    struct w5500_quirks unused = { 0 };

    for (size_t i = 0; i < chip->quirks_count; i++) {
        if (w5500_quirk_set(&unused, chip->quirks[i], true))
            continue;
        (void)fprintf(stderr, "luatos-emu: a W5500 has no quirk \"%s\"; there are",
                      chip->quirks[i]);
        for (size_t known = 0; w5500_quirk_get(known); known++)
            (void)fprintf(stderr, "%s %s", known ? "," : "", w5500_quirk_get(known)->name);
        (void)fputs("\n", stderr);
        return false;
    }
    return true;
}

static int run(struct cli *cli, char *const argv[], const struct outputs *outputs)
{
    char script[PROJECT_PATH_MAX], why[WHY_MAX];
    struct surroundings around = { 0 };
    const char *wrong;
    struct vfs *vfs;
    int code;

    if (!take_and_drop(cli, argv, &around))
        return EXIT_CODE_ENVIRONMENT;
    vfs = vfs_new();
    wrong = cli->is_chip_alone
                ? NULL
                : project_open(vfs, cli->paths, cli->paths_count, script, why, sizeof(why));
    if (wrong) {
        (void)fprintf(stderr, "luatos-emu: %s\n", wrong);
        code = EXIT_CODE_NO_SCRIPT;
    } else if (!open_scenario(cli, &around.scenario)) {
        code = EXIT_CODE_USAGE;
    } else {
        code = run_device(cli, outputs, vfs, cli->is_chip_alone ? NULL : script, &around);
    }
    if (around.scenario)
        scenario_free(around.scenario);
    vfs_free(vfs);
    uplink_close(&around.uplink);
    nets_close(&around.nets);
    return code;
}

int main(int argc, char *argv[])
{
    struct outputs outputs;
    struct cli cli;
    bool is_chip;

    let_writes_fail();
    allow_descriptors();
    hold_standard_descriptors();
    if (argc >= 3 && strcmp(argv[1], "ctl") == 0)
        return ctl_run(argv[2], argc - 3, argv + 3);
    if (argc >= 2 && strcmp(argv[1], "doctor") == 0)
        return doctor_run(argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "lab") == 0) {
        lab_print();
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_LOG;
    }
    is_chip = argc >= 2 && strcmp(argv[1], "w5500") == 0;
    switch (is_chip ? cli_parse_chip(&cli, argc - 1, argv + 1) : cli_parse(&cli, argc, argv)) {
    case CLI_VERDICT_DONE:
        return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_LOG;
    case CLI_VERDICT_WRONG:
        return EXIT_CODE_USAGE;
    case CLI_VERDICT_RUN:
        break;
    }
    if (!check_quirks(&cli.board.chip) || !outputs_open(&outputs, &cli))
        return EXIT_CODE_USAGE;
    return run(&cli, argv, &outputs);
}
