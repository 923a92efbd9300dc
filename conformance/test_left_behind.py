"""Nothing is left behind: processes, links, namespaces, addresses, whatever ends a run and when.

Each test has three worlds: true root, root of a user namespace of the test's own, and an ordinary
user, who has only what needs no rights."""

import os
import pwd
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from peers import until

MOMENTS = 10  # of a start, at which something is killed
SCRIPT = """
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
log.info("runs")
sys.run()
"""
LAB = ["--bind", "LWIP_GP=lab", "--bind", "LWIP_STA=lab,ip6=fd00::11/64", "--exit-on", "never"]
CABLES = ["--bind", "LWIP_ETH=veth:peer=eth0,bridge=br0,ip=10.5.0.2/24", "--bind",
          "LWIP_AP=veth,ip=10.6.0.2/24"]
TAP = ["--bind", "USB=tap:tap9,bridge=br0,ip=10.5.0.3/24"]


class World:
    """Where a run happens, and what is there."""

    def __init__(self, prefix, options):
        self.prefix, self.options = prefix, options
        self.token = f"LEFT_BEHIND={uuid.uuid4()}"
        self.before = self.links()

    def command(self, argv):
        return [*self.prefix, *argv]

    def links(self):
        return subprocess.run(self.command(["ip", "-o", "addr", "show"]), check=True,
                              capture_output=True, text=True).stdout.count("\n"), sorted(
            line.split(":")[1].strip().split("@")[0] for line in subprocess.run(
                self.command(["ip", "-o", "link"]), check=True, capture_output=True,
                text=True).stdout.splitlines())

    def processes(self):
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.token.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                pass
        return found

    def namespaces(self):
        """Those that a process of ours is in, or holds."""
        found = set()
        for pid in self.processes():
            for link in [Path(f"/proc/{pid}/ns/net"), *Path(f"/proc/{pid}/fd").glob("*")]:
                try:
                    target = os.readlink(link)
                except OSError:
                    continue
                if target.startswith("net:["):
                    found.add(target)
        return found

    def is_clean(self):
        return not self.processes() and self.links() == self.before


def true_root():
    """A network namespace of the test's own, in which root is true root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    sleeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    until(lambda: os.readlink(f"/proc/{sleeper.pid}/ns/net") != os.readlink("/proc/self/ns/net"),
          "namespace")
    return sleeper, ["nsenter", f"--net=/proc/{sleeper.pid}/ns/net"]


def ordinary_user(emu, tmp_path_factory):
    """What runs a command as somebody without rights; the emulator is where that user can read it."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    prefix = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    allowed = subprocess.run([*prefix, "unshare", "-rn", "true"], capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f"no user namespaces for ordinary users here: {allowed.stderr.strip()}")
    folder = tmp_path_factory.mktemp("user")
    for part in [folder, *folder.parents]:
        if part.stat().st_mode & 0o001 == 0:
            part.chmod(part.stat().st_mode | 0o011)
    emu.binary = str(shutil.copy(emu.binary, folder))
    emu.directory = folder
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return prefix


def with_bridge(prefix):
    for words in ["link set lo up", "link add br0 type bridge", "link set br0 up"]:
        subprocess.run([*prefix, "ip", *words.split()], check=True)
    has_tap = subprocess.run([*prefix, "sh", "-c", ": < /dev/net/tun"], capture_output=True)
    return World(prefix, [*LAB, *CABLES, *(TAP if has_tap.returncode == 0 else [])])


@pytest.fixture(params=["true root", "own root", "user"])
def world(request, emu, netns_obstacle, tmp_path_factory):
    if netns_obstacle and request.param != "true root":
        pytest.skip(netns_obstacle)
    sleeper = None
    if request.param == "true root":
        sleeper, prefix = true_root()
        yield with_bridge(prefix)
        sleeper.kill()
        sleeper.wait()
    elif request.param == "own root":
        yield with_bridge(request.getfixturevalue("netns").command([]))
    else:
        # demanded: else a death while T1 is tried would be T1 that can't be had
        yield World(ordinary_user(emu, tmp_path_factory), ["--net", "T2", *LAB])


def start(emu, world):
    return emu.start(SCRIPT, *world.options, prefix=world.prefix,
                     env=dict([world.token.split("=")], ASAN_OPTIONS="detect_leaks=0"))


def keepers(world, run):
    """Processes of the run other than the emulator, which nsenter and setpriv become."""
    return [pid for pid in world.processes() if pid != run.process.pid]


def length_of_start(emu, world):
    """Seconds, about; and a start as it should be leaves nothing either."""
    began = time.monotonic()
    with start(emu, world) as run:
        run.wait_log("runs")
        took = time.monotonic() - began
        assert keepers(world, run) and world.namespaces()
        run.stop()
    until(world.is_clean, "a clean world")
    return took


def at_each_moment(emu, world):
    """A run for each moment of a start, that far. Nothing depends on how far that is."""
    took = length_of_start(emu, world)
    for moment in range(MOMENTS):
        run = start(emu, world)
        deadline = time.monotonic() + took * (moment + 0.5) / MOMENTS
        while time.monotonic() < deadline and run.process.poll() is None:
            pass
        yield run


def test_after_the_emulator_was_killed_at_any_moment_of_its_start(emu, world):
    """SIGKILL: it has no time for anything."""
    for run in at_each_moment(emu, world):
        run.process.kill()
        run.kill()
        until(world.is_clean, "a clean world")


def test_after_the_keeper_was_killed_at_any_moment_of_the_start(emu, world):
    """The emulator says so, and ends with exit code 4 or goes on without its network: IP_LOSE."""
    for run in at_each_moment(emu, world):
        victims = keepers(world, run)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda run=run: run.process.poll() is not None or run.texts("runs"), "start or end")
        if run.process.poll() is not None:
            done = run.finish()
            errors = [line for line in done.stderr.splitlines()
                      if "end of its cable is" not in line and ": net: T" not in line]
            assert done.code == 4 and len(errors) == 1
        else:
            if victims:
                run.wait_log("lose")
                run.wait_stderr("its network is gone")
            run.stop()
        until(world.is_clean, "a clean world")


def test_after_a_start_that_failed_half_way(emu, world):
    """What had been made before is taken back."""
    options = [*world.options, "--bind", "ETH0=veth:bridge=none"]
    done = emu.run(SCRIPT, *options, prefix=world.prefix,
                   env=dict([world.token.split("=")], ASAN_OPTIONS="detect_leaks=0"))
    assert done.code == 4
    assert "--bind ETH0: " in done.stderr and len(done.stderr.splitlines()) == 1
    until(world.is_clean, "a clean world")


def test_namespaces_are_given_back(emu, netns):
    """The kernel counts: of twelve that there may be, a run takes three, and twelve killed runs none."""
    netns.run("sh", "-c", "echo 12 > /proc/sys/user/max_net_namespaces")
    for _ in range(12):
        def starts():
            with emu.start(SCRIPT, *LAB, netns=netns) as run:
                until(lambda: run.process.poll() is not None or run.texts("runs"), "start or end")
                is_up = run.process.poll() is None
                run.kill() # the kernel takes its time, so a start may fail once
            return is_up

        until(starts, "a start")
    netns.run("sh", "-c", "echo 2 > /proc/sys/user/max_net_namespaces")
    done = emu.run(SCRIPT, *LAB, netns=netns)
    assert done.code == 4 and "No space left" in done.stderr


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_an_address_in_a_namespace_of_others_is_taken_back(emu, netns, signo):
    """At once; the kernel would do so within a minute if the keeper were killed, too."""
    netns.link("wan")
    with emu.start(SCRIPT, "--exit-on", "never", "--bind",
                   f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=wan,ip=10.7.0.2/24,"
                   "gw=10.7.0.1") as run:
        run.wait_log("runs")
        run.process.send_signal(signo)
        run.kill()

    def show(*words):
        return subprocess.run(netns.command(["ip", *words]), check=True, capture_output=True,
                              text=True).stdout

    until(lambda: "10.7.0.2" not in show("addr") and not show("route", "show", "default"),
          "an interface as it was")


def test_without_rights_there_is_no_cable_into_this_machine(emu, tmp_path_factory, netns_obstacle):
    """A veth takes root; what can be had without is said, with exit code 4."""
    if netns_obstacle:
        pytest.skip(netns_obstacle)
    prefix = ordinary_user(emu, tmp_path_factory)
    done = emu.run(SCRIPT, "--bind", "LWIP_ETH=veth:peer=eth77,ip=10.5.0.2/24", prefix=prefix,
                   env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert done.code == 4
    assert done.stderr == ("luatos-emu: --bind LWIP_ETH: a veth reaches into this machine's network, "
                           "which takes root (or to be run by unshare -rn)\n")
