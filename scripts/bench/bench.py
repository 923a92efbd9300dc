"""Measure the emulator against plain C: scripts/bench.sh builds what this needs and starts it.

A round of a probe is a pair: the yardstick and the emulator run one after the other, in turns
first, each against a fresh server. What counts is the ratio within a pair, and of all pairs the
median. The server has CPU 0, the client CPU 1, and both work for a window of time.
"""
import argparse
import collections
import ctypes
import fcntl
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER_CPU, CLIENT_CPU = (0, 1) if (os.cpu_count() or 1) > 1 else (-1, -1)
FOREIGN_MAX = 0.10  # share of the CPUs that others may take before a pair is measured again
STARTS = 5          # of a start pair, each: a start is short

# awake: whether the CPUs are kept from going idle; unit and scale: of the figures shown; target: of
# the ratio, of "flood" and "spi" of the figure, None: it is only shown; network: "veth", a cable to
# a bridge, at both sides, "lab", "own", the emulator's; extra: options; the yardstick is the emulator
# itself without them; buffer: KB of ETH0's sockets, 0: it is not ETH0; goal: the least value, in unit
Probe = collections.namedtuple(
    "Probe", "name what op mode connections size awake unit scale target network extra buffer goal",
    defaults=("loopback", (), 0, None))
CAPTURE, RULES_MAY_COME = ("--capture", "capture.pcapng"), ("--ctl", "ctl")
RATE, BULK, FLOOD = ("/s", 1), ("MB/s", 1 / 1e6), ("Gbit/s", 1 / 1e9)
MEGABITS = ("Mbit/s", 1 / 1e6)
BITS = "Mbit/s", 8 / 1e6
PROBES = [
    Probe("start", "start and end of an empty script", "start", None, 0, 0, False, "ms", 1, 3.0),
    Probe("ping", "TCP ping-pong, 64 bytes", "ping", "echo", 1, 64, True, *RATE, 0.90),
    Probe("udp", "UDP ping-pong, 64 bytes", "udp", "udp", 1, 64, True, *RATE, 0.90),
    Probe("send", "send in chunks of 16 KiB", "send", "sink", 1, 16384, False, *BULK, 0.85),
    Probe("recv", "receive in chunks of 16 KiB", "recv", "source", 1, 16384, False, *BULK, 0.85),
    Probe("connect", "connect, peer closes, close", "connect", "hangup", 1, 64, True, *RATE, 0.85),
    Probe("ping1000", "ping-pong, 1000 connections", "ping", "echo", 1000, 64, False, *RATE, 0.80),
    Probe("veth-send", "send through a veth adapter", "send", "sink", 1, 16384, False, *BULK, 0.90,
          "veth"),
    Probe("veth-recv", "receive through a veth adapter", "recv", "source", 1, 16384, False, *BULK,
          0.90, "veth"),
    Probe("start-lab", "start, six adapters in the lab", "start", None, 0, 0, False, "ms", 1, None,
          "lab"),
    Probe("capture-send", "send, with a capture", "send", "sink", 1, 16384, False, *BULK, None,
          "veth", CAPTURE),
    Probe("capture-recv", "receive, with a capture", "recv", "source", 1, 16384, False, *BULK, None,
          "veth", CAPTURE),
    Probe("capture-ping", "ping-pong, with a capture", "ping", "echo", 1, 64, True, *RATE, None,
          "veth", CAPTURE),
    Probe("unimpaired-send", "send, rules of impairment may come", "send", "sink", 1, 16384, False,
          *BULK, 0.90, "veth", RULES_MAY_COME),
    Probe("unimpaired-recv", "receive, rules may come", "recv", "source", 1, 16384, False, *BULK,
          0.90, "veth", RULES_MAY_COME),
    Probe("impaired-up", "UDP up, 1 % loss and 20 ms", "flood", None, 0, 1020, True, *FLOOD, 1.0,
          "veth"),
    Probe("impaired-down", "UDP down, 1 % loss and 20 ms", "flood", None, 0, 1020, True, *FLOOD,
          1.0, "veth"),
    Probe("delayed-up", "a tenth of it up", "flood", None, 0, 102, True, *FLOOD, 0.1, "veth"),
    Probe("delayed-down", "a tenth of it down", "flood", None, 0, 102, True, *FLOOD, 0.1, "veth"),
    Probe("spi-frames", "a W5500's port, frame by frame", "spi", "frames", 1, 4, True, *RATE, 100000,
          "own"),
    Probe("spi-bursts", "a W5500's port, 4 KB at once", "spi", "bursts", 1, 4096, True, *MEGABITS,
          100, "own"),
    Probe("eth0-send", "send by ETH0, 16 KB", "send", "sink", 1, 16384, False, *BITS, None, "veth",
          buffer=16, goal=400),
    Probe("eth0-recv", "receive by ETH0, 16 KB", "recv", "source", 1, 16384, False, *BITS, None,
          "veth", buffer=16, goal=400),
    Probe("eth0-send2", "send by ETH0, 2 KB", "send", "sink", 1, 16384, False, *BITS, None, "veth",
          buffer=2, goal=150),
    Probe("eth0-recv2", "receive by ETH0, 2 KB", "recv", "source", 1, 16384, False, *BITS, None,
          "veth", buffer=2, goal=150),
    Probe("eth0-ping", "ping-pong by ETH0 (**)", "ping", "echo", 1, 64, True, *RATE, 0.50, "veth",
          buffer=2),
]
START_LAB_MS_MAX = 100
START_RSS_MAX_KB = 8 * 1024
CONNECTION_RSS_MAX_KB = 4.0
# of "flood": the size is Mbit/s, as much more than is to arrive as the rule loses
RULE, DELAY_US, DATAGRAM_LEN, ERROR_US_MAX = "loss=1%,delay=20ms", 20000, 1400, 1000
FLOOD_MS_MIN, FLOOD_PORT, READY_S = 1000, 5555, 10


class Unmeasured(Exception):
    """A run that gave no figure, and why."""


# error_us: of "flood": how far 99 of 100 delays were at most from what they should be
Run = collections.namedtuple("Run", "value rss_kb foreign error_us")


# ---- the machine ------------------------------------------------------------------------------

def prepare_network():
    """In a network namespace of our own: loopback up, a congestion control without pacing, and no
    closed connections left waiting."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        get_flags, set_flags, up = 0x8913, 0x8914, 1
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(sock, get_flags, request))[1]
        fcntl.ioctl(sock, set_flags, struct.pack("16sH14x", b"lo", flags | up))
    for name, value in (("tcp_congestion_control", "reno"), ("tcp_max_tw_buckets", "0"),
                        ("ip_local_port_range", "10000 65000")):
        try:
            with open("/proc/sys/net/ipv4/" + name, "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            print(f"note: {name} stays as it is: {error.strerror}")


def busy_s():
    """Seconds that the CPUs were busy, without nice processes: the idlers are nice."""
    with open("/proc/stat", encoding="ascii") as file:
        user, _, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_s():
    """Seconds that this process and the children it has waited for were busy."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def pin(cpu):
    """For the server, before it starts."""
    libc = ctypes.CDLL(None)
    libc.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})


class Lan:
    """A bridge, here, on which the server is; and a namespace with a cable to it, for the yardstick.
    The emulator's adapter hangs on the same bridge."""

    SERVER, YARDSTICK, EMULATOR = "10.77.0.1", "10.77.0.3", "10.77.0.2"
    MAC = "02:00:00:00:00:01"  # of the bridge: else it changes with its ports

    def __init__(self):
        self.far = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.far.stdout.readline() != "ready\n":
            raise Unmeasured("no second network namespace to be had")
        self.enter = ["nsenter", f"--net=/proc/{self.far.pid}/ns/net"]
        for line in (f"link add lan address {Lan.MAC} type bridge|addr add {self.SERVER}/24 dev lan|link set lan up|"
                     f"link add far type veth peer name eth netns {self.far.pid}|"
                     "link set far master lan up").split("|"):
            subprocess.run(["ip", *line.split()], check=True)
        for line in f"addr add {self.YARDSTICK}/24 dev eth|link set eth up".split("|"):
            subprocess.run([*self.enter, "ip", *line.split()], check=True)

    @staticmethod
    def settle():
        """What an emulator made goes a little after it; what its address was is forgotten."""
        deadline = time.monotonic() + READY_S
        while "emu" in [name for _, name in socket.if_nameindex()]:
            if time.monotonic() > deadline:
                raise Unmeasured("the cable of the run before is still there")
            time.sleep(0.01)
        subprocess.run(["ip", "neigh", "flush", "dev", "lan"], check=True)

    def options(self, adapter="LWIP_ETH"):
        """Of the emulator."""
        return ["--bind", f"{adapter}=veth:peer=emu,bridge=lan,ip={self.EMULATOR}/24"]


def namespaces_of(pid):
    """Of network, that the children of a process hold by descriptors."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = file.read().split()
    for child in children:
        try:
            descriptors = os.listdir(f"/proc/{child}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            path = f"/proc/{child}/fd/{descriptor}"
            if os.path.exists(path) and os.readlink(path).startswith("net:"):
                yield path


def enter_adapter(pid, address):
    """The command that enters the namespace of the emulator's in which @address is ready."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        for path in namespaces_of(pid):
            enter = ["nsenter", f"--net={path}"]
            shown = subprocess.run([*enter, "ip", "-o", "-4", "addr"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, check=False).stdout
            if f" {address}/" in shown:
                return enter
        time.sleep(0.05)
    raise Unmeasured(f"no namespace to be seen with {address}")


class Idlers:
    """Loops of the lowest priority that keep both CPUs awake while they are on."""

    def __init__(self, launch, is_on):
        cpus = {SERVER_CPU, CLIENT_CPU} - {-1} if is_on else ()
        self.loops = [subprocess.Popen([launch, "idle", str(cpu)]) for cpu in cpus]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
            loop.wait()


# ---- one run ------------------------------------------------------------------------------------

class Bench:
    def __init__(self, tools, emulator, window_ms, folder):
        self.tools, self.emulator, self.window_ms, self.folder = tools, emulator, window_ms, folder
        self.lan = None
        self.launch = os.path.join(tools, "launch")
        self.empty = os.path.join(folder, "empty.lua")
        with open(self.empty, "w", encoding="ascii"):
            pass
        for buffer in (2, 16):
            with open(self.board(buffer), "w", encoding="ascii") as board:
                board.write(f"w5500: {{ buffer: {buffer} }}\n")

    def board(self, buffer):
        """A file that says how large the buffers of ETH0's sockets are."""
        return os.path.join(self.folder, f"board-{buffer}.yaml")

    def prepare(self, probe):
        if probe.network == "veth" and not self.lan:
            self.lan = Lan()

    def host(self, probe):
        """BENCH_HOST, where there is one."""
        if probe.network != "veth":
            return {}
        if probe.buffer:
            return {"BENCH_HOST": Lan.SERVER, "BENCH_ADAPTER": "ETH0", "BENCH_VANISHES": "yes"}
        return {"BENCH_HOST": Lan.SERVER, "BENCH_ADAPTER": "LWIP_ETH"}

    def yardstick(self, probe, port):
        if probe.op == "start":
            return ["lua5.4", self.empty]
        if probe.extra:
            return self.ours(probe._replace(extra=()), port)
        if probe.buffer and probe.target:
            return self.ours(probe._replace(buffer=0), port)
        return [*(self.lan.enter if probe.network == "veth" else []),
                os.path.join(self.tools, "client"), probe.op, str(port), str(probe.connections),
                str(probe.size), str(self.window_ms)]

    def ours(self, probe, _port):
        command = [self.emulator]
        if probe.network == "lab":
            command += ["--net", "own", "--lab"]
        if probe.network == "veth":
            command += self.lan.options("ETH0" if probe.buffer else "LWIP_ETH")
        if probe.buffer:
            command += ["--board", self.board(probe.buffer)]
        command += probe.extra
        if probe.connections > 1:  # a module has 16 sockets
            command += ["--set", f"sockets={probe.connections}"]
        return command + [os.path.join(HERE, probe.op + ".lua")]

    def run_launch(self, command, probe, port):
        environment = dict(os.environ, BENCH_PORT=str(port), BENCH_MS=str(self.window_ms),
                           BENCH_CONNECTIONS=str(probe.connections), BENCH_SIZE=str(probe.size),
                           **self.host(probe))
        done = subprocess.run([self.launch, str(CLIENT_CPU)] + command, env=environment,
                              cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        lines = done.stdout.splitlines()
        status, ms, rss_kb = lines[-1].split()[1:4]
        if status != "0":
            told = [line for line in lines[:-1] + done.stderr.splitlines() if line.strip()]
            raise Unmeasured(f"{command[0]}: status {status}: {(told or ['no output'])[-1]}")
        result = [line.partition("BENCH ")[2].split() for line in lines if "BENCH " in line]
        return result[-1] if result else None, float(ms), int(rss_kb)

    def measure_start(self, make_command, probe):
        runs = [self.run_launch(make_command(probe, 0), probe, 0) for _ in range(STARTS)]
        return statistics.median(run[1] for run in runs), max(run[2] for run in runs)

    def measure_traffic(self, make_command, probe):
        with subprocess.Popen([os.path.join(self.tools, "server"), probe.mode], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=dict(os.environ, **self.host(probe)),
                              preexec_fn=lambda: pin(SERVER_CPU)) as server:
            port = int(server.stdout.readline())
            result, _, rss_kb = self.run_launch(make_command(probe, port), probe, port)
            server.stdin.close()
            seen, clients, span_s = server.stdout.readline().split()
        if not result:
            raise Unmeasured("no result")
        count, seconds = int(result[0]), float(result[1])
        self.cross_check(probe, count, int(seen), int(clients))
        if probe.op == "send":  # what has arrived, by the server's clock
            return int(seen) / float(span_s), rss_kb
        return count * (probe.size if probe.op == "recv" else 1) / seconds, rss_kb

    @staticmethod
    def cross_check(probe, count, seen, clients):
        """A client's claim is taken only if the server saw as much."""
        is_true = {"ping": seen >= count * probe.size, "udp": seen >= count * probe.size,
                   "send": seen > 0, "recv": seen >= count * probe.size,
                   "connect": clients >= count}
        if not count or not is_true[probe.op]:
            raise Unmeasured(f"the client claims {count}, the server saw {seen} bytes and "
                             f"{clients} connections")

    def flood(self, far, to, mbit, arriving, delay_us):
        """Send from here to @far, or back; bits a second of data, and the error of 99 %."""
        tool = os.path.join(self.tools, "flood")
        receiver, sender = ([], far) if arriving else (far, [])
        with subprocess.Popen([*receiver, tool, "recv", str(FLOOD_PORT), str(delay_us)], text=True,
                              stdout=subprocess.PIPE,
                              preexec_fn=lambda: pin(SERVER_CPU)) as process:
            if process.stdout.readline() != "ready\n":
                raise Unmeasured("no receiver")
            window_ms = max(self.window_ms, FLOOD_MS_MIN)
            subprocess.run([*sender, tool, "send", to, str(FLOOD_PORT), str(mbit),
                            str(window_ms)], check=True, stdout=subprocess.DEVNULL)
            line = process.stdout.readline().split()
        if not line:
            raise Unmeasured("nothing has arrived")
        return int(line[1]) * DATAGRAM_LEN * 8 / float(line[2]), float(line[4])

    def measure_flood(self, make_command, probe):
        """The emulator idles: what carries the frames is measured, between two programs in C."""
        is_up = probe.name.endswith("up")
        if make_command == self.yardstick:
            value, error_us = self.flood(self.lan.enter, Lan.SERVER if is_up else Lan.YARDSTICK,
                                         probe.size, is_up, 0)
            return value, 0, error_us
        rule = f"LWIP_ETH:{'up' if is_up else 'down'},{RULE}"
        with subprocess.Popen([self.emulator, *self.lan.options(), "--impair", rule, "--exit-on",
                               "never", os.path.join(HERE, "idle.lua")],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              preexec_fn=lambda: pin(CLIENT_CPU)) as run:
            try:
                if not any("BENCH ready" in line for line in run.stdout):
                    raise Unmeasured("the emulator's adapter is not ready")
                enter = enter_adapter(run.pid, Lan.EMULATOR)
                value, error_us = self.flood(enter, Lan.SERVER if is_up else Lan.EMULATOR,
                                             probe.size, is_up, DELAY_US)
            finally:
                run.terminate()
        return value, 0, error_us

    def measure_spi(self, make_command, probe):
        """The chip alone, or a program that answers each message with its own bytes."""
        tool, path = os.path.join(self.tools, "spi"), os.path.join(self.folder, "spi.socket")
        command = [tool, path, "serve"]
        if make_command == self.ours:
            command = [self.emulator, "w5500", "--spi", path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              preexec_fn=lambda: pin(SERVER_CPU)) as run:
            try:
                if not run.stdout.readline().startswith("w5500 "):
                    raise Unmeasured("nobody listens")
                done = subprocess.run([tool, path, probe.mode, str(self.window_ms)], text=True,
                                      stdout=subprocess.PIPE, check=True,
                                      preexec_fn=lambda: pin(CLIENT_CPU))
            finally:
                run.terminate()
        if os.path.exists(path):
            os.unlink(path)
        count, seconds = done.stdout.split()[1:]
        return int(count) / float(seconds), 0

    def measure(self, make_command, probe):
        if self.lan:
            self.lan.settle()
        began, busy, own = time.monotonic(), busy_s(), own_s()
        if probe.op == "flood":
            value, rss_kb, error_us = self.measure_flood(make_command, probe)
        else:
            measure = (self.measure_spi if probe.op == "spi" else
                       self.measure_traffic if probe.mode else self.measure_start)
            (value, rss_kb), error_us = measure(make_command, probe), 0
        took = (time.monotonic() - began) * (os.cpu_count() or 1)
        foreign = max(0.0, (busy_s() - busy) - (own_s() - own)) / took
        return Run(value, rss_kb, foreign, error_us)

    def measure_pair(self, probe, ours_first):
        sides = [self.yardstick, self.ours]
        runs = [self.measure(side, probe) for side in (reversed(sides) if ours_first else sides)]
        return tuple(reversed(runs)) if ours_first else tuple(runs)


# ---- rounds and the table ------------------------------------------------------------------------

class Table:
    columns = "{:<42} {:>12} {:>12} {:>7}  {:>8}  {}"

    def __init__(self):
        self.missed, self.failed = [], []
        print(self.columns.format("", "yardstick", "emulator", "ratio", "target", "verdict"))

    def row(self, what, theirs, ours, ratio, target, is_met):
        """is_met None: there is no target."""
        verdict = {None: "", True: "met", False: "MISSED"}[is_met]
        print(self.columns.format(what, theirs, ours, ratio, target, verdict).rstrip(), flush=True)
        if is_met is False:
            self.missed.append(what)

    def failure(self, what, why):
        print(f"{what:<42} not measured: {why}", flush=True)
        self.failed.append(what)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def median_of(pairs, side, field):
    return statistics.median(getattr(pair[side], field) for pair in pairs)


def show(table, probe, pairs):
    theirs, ours = median_of(pairs, 0, "value"), median_of(pairs, 1, "value")
    ratio = statistics.median(pair[1].value / pair[0].value for pair in pairs)
    lower_is_better = probe.op == "start"
    if probe.network == "lab":
        target, is_met = f"<= {START_LAB_MS_MAX} ms", ours <= START_LAB_MS_MAX
    elif probe.op in ("flood", "spi"):
        target, is_met = f">= {number(probe.target)}", ours * probe.scale >= probe.target
    elif probe.goal:
        target, is_met = f">= {probe.goal}", ours * probe.scale >= probe.goal
    elif probe.op == "flood":
        target, is_met = f">= {probe.target:.2f}", ours * probe.scale >= probe.target
    elif probe.target is None:
        target, is_met = "", None
    else:
        target = f"{'<=' if lower_is_better else '>='} {probe.target:.2f}"
        is_met = ratio <= probe.target if lower_is_better else ratio >= probe.target
    what = f"{probe.what}, {probe.unit}" + (" (*)" if probe.extra else "")
    table.row(what, number(theirs * probe.scale), number(ours * probe.scale), f"{ratio:.2f}", target,
              is_met)
    if probe.op == "flood":
        show_errors(table, pairs)


def show_errors(table, pairs):
    theirs, ours = median_of(pairs, 0, "error_us"), median_of(pairs, 1, "error_us")
    table.row("  99 % of its delays are right to, ms", f"{theirs / 1e3:.2f}", f"{ours / 1e3:.2f}",
              "", f"<= {ERROR_US_MAX / 1e3:.2f}", ours <= ERROR_US_MAX)


def show_start_memory(table, pairs):
    theirs, ours = median_of(pairs, 0, "rss_kb"), median_of(pairs, 1, "rss_kb")
    table.row("  memory of it, MB", f"{theirs / 1024:.2f}", f"{ours / 1024:.2f}", "",
              f"<= {START_RSS_MAX_KB / 1024:.2f}", ours <= START_RSS_MAX_KB)


def show_connection_memory(bench, table, probe, pairs):
    """What the process grew by from one connection to all of them."""
    try:
        one = [bench.measure(side, probe._replace(connections=1)).rss_kb
               for side in (bench.yardstick, bench.ours)]
    except Unmeasured as error:
        table.failure("  memory of a connection", error)
        return
    theirs, ours = (max(0.0, median_of(pairs, side, "rss_kb") - one[side]) / (probe.connections - 1)
                    for side in (0, 1))
    table.row("  memory of a connection, KB", f"{theirs:.2f}", f"{ours:.2f}", "",
              f"<= {CONNECTION_RSS_MAX_KB:.2f}", ours <= CONNECTION_RSS_MAX_KB)


def measure_rounds(bench, probe, rounds, patience):
    pairs = []
    while len(pairs) < rounds:
        began = time.monotonic()
        pair = bench.measure_pair(probe, ours_first=len(pairs) % 2 == 1)
        if max(run.foreign for run in pair) > FOREIGN_MAX and patience[0] > 0:
            patience[0] -= time.monotonic() - began  # somebody else was on the CPUs: once more
            continue
        pairs.append(pair)
    return pairs


def run_probes(bench, probes, rounds, patience_s):
    table, patience, foreign = Table(), [patience_s], []
    for probe in probes:
        try:
            bench.prepare(probe)
            with Idlers(bench.launch, probe.awake):
                pairs = measure_rounds(bench, probe, rounds, patience)
        except Unmeasured as error:
            table.failure(f"{probe.what}, {probe.unit}", error)
            continue
        foreign += [run.foreign for pair in pairs for run in pair]
        show(table, probe, pairs)
        if probe.name == "start":
            show_start_memory(table, pairs)
        if probe.connections > 1:
            show_connection_memory(bench, table, probe, pairs)
    print()
    if any(probe.extra for probe in probes):
        print("(*) the yardstick is the emulator without that")
    if any(probe.buffer and probe.target for probe in probes):
        print("(**) the yardstick is the emulator by an interface of Linux's")
    if foreign and max(foreign) > FOREIGN_MAX:
        print(f"Other processes took up to {100 * max(foreign):.0f} % of the CPUs: measure again "
              "on a quiet machine.")
    return table


def names_of(probes):
    return [probe.name for probe in probes]


def parse_arguments():
    names = names_of(PROBES)
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="exit status: 0 measured, whatever the verdict; "
                                            "1 something could not be measured")
    parser.add_argument("--quick", action="store_true", help="windows of 200 ms instead of 500")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of a probe (default 5)")
    parser.add_argument("--probe", action="append", choices=names, metavar="NAME",
                        help="only this one; may be repeated: " + ", ".join(names))
    parser.add_argument("--tools", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--emulator", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--own-network", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds takes a number from 1")
    return arguments


def main():
    arguments = parse_arguments()
    if arguments.own_network:
        prepare_network()
    else:
        print("note: no network namespace to be had; measuring in this one")
    if SERVER_CPU < 0:
        print("note: one CPU only: the ratios say little")
    else:
        os.sched_setaffinity(0, {SERVER_CPU})
    probes = [probe for probe in PROBES if probe.name in (arguments.probe or names_of(PROBES))]
    if not arguments.own_network and [probe for probe in probes if probe.network != "loopback"]:
        print("note: no cables and no lab: they take a network namespace")
        probes = [probe for probe in probes if probe.network == "loopback"]
    print(f"{arguments.rounds} pairs each, medians; the yardstick is plain C on epoll, for the "
          "start it is lua5.4 with an empty file\n")
    with tempfile.TemporaryDirectory(prefix="luatos-emu-bench-") as folder:
        bench = Bench(arguments.tools, arguments.emulator, 200 if arguments.quick else 500, folder)
        table = run_probes(bench, probes, arguments.rounds, 30 if arguments.quick else 120)
    if table.missed:
        print(f"Verdict: {len(table.missed)} missed: {'; '.join(map(str.strip, table.missed))}")
    elif not table.failed:
        print("Verdict: all targets met.")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
