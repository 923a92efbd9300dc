"""By which way a run gets its network (--net): tried in order, never silently, see README, Tiers."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from harness import SANITIZER_ENV

FORBID_USERNS = [sys.executable, str(ROOT / "conformance/forbid.py"), "userns"]
MAKE_USERNS = ROOT / "conformance/make_userns.py"
IP = 'log.info("ip", (socket.localIP(socket.LWIP_ETH)))\nlog.info("env", os.getenv("LUATOS_EMU_HELPER"))\nos.exit(0)\n'
OWN_IP = "192.168.77.13"
ECHO = """
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc)
    assert(libnet.connect("T", 0, netc, "netlab.luatos.com", 40123))
    libnet.tx("T", 0, netc, "hello")
    libnet.wait("T", 0, netc)
    log.info("read", socket.read(netc))
    os.exit(0)
end, "T")
sys.run()
"""
NO_ROOT = "not T1 root: unshare(CLONE_NEWNET): Operation not permitted: it takes root"
NO_USERNS = ("not T2 userns: unshare(CLONE_NEWUSER): Operation not permitted: user namespaces are not "
             "allowed here")


@pytest.fixture
def root(emu):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return emu


@pytest.fixture
def user(ordinary, netns_obstacle):
    """An ordinary user who may make user namespaces."""
    if netns_obstacle:
        pytest.skip(netns_obstacle)
    return ordinary


def tier(done):
    """(tier, name, helper) of the trace's one line about it."""
    event, = done.events("net.tier")
    return event["tier"], event["name"], event["helper"]


def said(done):
    """What stderr says of it: one line."""
    line, = [line for line in done.stderr.splitlines() if line.startswith("luatos-emu: net: ")]
    return line.removeprefix("luatos-emu: net: ")


@pytest.mark.parametrize("value", ["T1", "root", "t1"])
def test_root_makes_a_network_with_what_it_has(root, value):
    done = root.run(IP, "--net", value)
    assert done.texts("ip") == [OWN_IP]
    assert tier(done) == ("T1", "root", None)
    assert said(done) == "T1 root, --net asks for it"


@pytest.mark.parametrize("value", ["T2", "userns"])
def test_a_user_makes_one_in_a_user_namespace(user, value):
    done = user.run(IP, f"--net={value}")
    assert done.texts("ip") == [OWN_IP]
    assert tier(done) == ("T2", "userns", None)


def test_root_may_use_a_user_namespace_too(root, netns_obstacle):
    if netns_obstacle:
        pytest.skip(netns_obstacle)
    done = root.run(IP, "--net=T2")
    assert (done.texts("ip"), tier(done)) == ([OWN_IP], ("T2", "userns", None))


def test_without_a_lab_everything_is_on_the_host_and_nothing_is_said(emu):
    """The default, auto: nothing asks for a network."""
    for options in [[], ["--net=auto"]]:
        done = emu.run(IP, *options)
        assert done.stderr == ""
        assert done.texts("ip") != [OWN_IP]
        event, = done.events("net.tier")
        assert (event["tier"], event["reason"]) == ("T5", "no network of its own is asked for")


@pytest.mark.parametrize("value", ["T5", "host"])
def test_the_lab_is_on_loopback_where_the_host_is_asked_for(emu, value):
    done = emu.run(ECHO, "--lab", "--net", value)
    assert done.texts("read") == ["true hello"]
    assert tier(done) == ("T5", "host", None)
    assert done.events("lab.open")[0]["address"].startswith("127.")


def test_the_lab_takes_the_best_tier(root):
    """As root there is nothing better than what root has."""
    done = root.run(ECHO, "--lab")
    assert done.texts("read") == ["true hello"]
    assert tier(done) == ("T1", "root", None)
    assert said(done) == "T1 root, the best there is"
    assert done.events("lab.open")[0]["address"] == "192.168.77.1"


def test_a_users_lab_says_what_was_better(user):
    """The start line and the trace name the tier and why the better one was not had."""
    done = user.run(ECHO, "--lab")
    assert done.texts("read") == ["true hello"]
    assert tier(done) == ("T2", "userns", None)
    assert said(done) == f"T2 userns, {NO_ROOT}"
    assert done.events("net.tier")[0]["reason"] == NO_ROOT


def test_where_no_network_can_be_made_the_lab_is_on_loopback_and_says_so(ordinary):
    """Never a silent fallback: every tier that was tried, and why not."""
    done = ordinary.run(ECHO, "--lab", prefix=FORBID_USERNS, env={"PATH": "/nowhere"})
    assert done.texts("read") == ["true hello"]
    assert tier(done) == ("T5", "host", None)
    assert said(done) == (f"T5 host, {NO_ROOT}; {NO_USERNS}; not T3 reexec: rootlesskit: is not installed, "
                          "podman: is not installed; luatos-emu doctor tells what would help")
    assert done.events("lab.open")[0]["address"].startswith("127.")


@pytest.mark.parametrize("options, why", [
    (["--net=T1"], "--net: no T1 root here: unshare(CLONE_NEWNET): Operation not permitted: it takes root"),
    (["--net=T2"], "--net: no T2 userns here: unshare(CLONE_NEWUSER): Operation not permitted"),
    (["--net=T3"], "--net: no T3 reexec here: rootlesskit: is not installed, podman: is not installed"),
    (["--net=own"], "--net own: no network can be made here: not T1 root: "),
    (["--net=own", "--lab"], "--net own: no network can be made here: not T1 root: "),
    (["--bind", "LWIP_ETH=lab"], "--bind: no network can be made here: not T1 root: "),
    (["--bind", "LWIP_ETH=veth"], "--bind: no network can be made here: not T1 root: "),
    (["--net=T2", "--lab"], "--net: no T2 userns here: unshare(CLONE_NEWUSER): Operation not permitted"),
])
def test_what_is_demanded_and_not_there_is_exit_code_4(ordinary, options, why):
    """One line, with the reason and where to ask what to do; the script does not begin."""
    done = ordinary.run(IP, *options, prefix=FORBID_USERNS, env={"PATH": "/nowhere"})
    assert done.code == 4
    assert done.stderr.startswith(f"luatos-emu: {why}")
    assert done.stderr.endswith("; luatos-emu doctor tells what would help\n")
    assert done.stderr.count("\n") == 1
    assert not done.trace


@pytest.mark.parametrize("options, why", [
    (["--net=T5", "--bind", "ETH0=lab"], "T5 is this machine's network"),
    (["--net=host", "--bind", "ETH0=netns:lan"], "T5 is this machine's network"),
    (["--net=T4", "--bind", "ETH0=veth"], "T4 makes no links"),
    (["--net=T3", "--bind", "ETH0=veth"], "no way out"),
    (["--net=T6"], "it takes auto, own, T1, T2, T3, T4 or T5"),
    (["--net="], "it takes auto, own"),
])
def test_what_contradicts_itself_is_exit_code_2(emu, options, why):
    done = emu.run(IP, *options)
    assert done.code == 2
    assert why in done.stderr and done.stderr.count("\n") == 1


# ---- T3: by a program that may -----------------------------------------------------------------------


@pytest.fixture
def helpers(user):
    """A folder for PATH in which programs stand in for the real ones."""
    folder = user.directory / "bin"
    folder.mkdir()
    return folder


def put(helpers, name):
    shutil.copy(MAKE_USERNS, helpers / name)
    (helpers / name).chmod(0o755)


@pytest.mark.parametrize("name", ["podman", "rootlesskit"])
def test_another_program_makes_the_user_namespace(user, helpers, name):
    """As on Ubuntu, where AppArmor gives rights in one only to programs that it knows."""
    put(helpers, name)
    done = user.run(ECHO, "--lab", prefix=FORBID_USERNS, env={"PATH": str(helpers)})
    assert done.code == 0, done
    assert done.texts("read") == ["true hello"]
    assert tier(done) == ("T3", "reexec", name)
    assert said(done).startswith(f"T3 reexec by {name}, ")
    assert done.events("lab.open")[0]["address"] == "192.168.77.1"


def test_the_script_does_not_see_who_helped(user, helpers):
    put(helpers, "podman")
    done = user.run(IP, "--net=T3", prefix=FORBID_USERNS, env={"PATH": str(helpers)})
    assert done.texts("ip") == [OWN_IP]
    assert done.texts("env") == ["nil"]


def test_a_helper_that_fails_is_quoted(user, helpers):
    """Its last line is why."""
    (helpers / "podman").write_text("#!/bin/sh\necho starting >&2\necho no subordinate ids >&2\nexit 125\n")
    (helpers / "podman").chmod(0o755)
    done = user.run(IP, "--net=T3", prefix=FORBID_USERNS, env={"PATH": str(helpers)})
    assert done.code == 4
    assert "rootlesskit: is not installed, podman: no subordinate ids; luatos-emu doctor" in done.stderr


def test_a_variable_of_that_name_alone_is_no_helper(user):
    """Somebody's environment does not make a tier."""
    done = user.run(IP, "--net=own", env={"LUATOS_EMU_HELPER": "nobody"})
    assert tier(done) == ("T2", "userns", None)
    assert done.texts("env") == ["nil"]


# ---- T4: what somebody has made ---------------------------------------------------------------------


def test_a_given_namespace_is_a_tier(emu, netns):
    netns.link("wan", "10.1.0.2/16")
    there = f"LWIP_ETH=netns:/proc/{netns.holder.pid}/ns/net,dev=wan"
    for options in [["--net=T4"], []]:
        done = emu.run(IP, *options, "--bind", there)
        assert done.texts("ip") == ["10.1.0.2"]
        assert tier(done)[0] == "T4"


def test_nothing_given_is_no_tier(emu):
    done = emu.run(IP, "--net=given")
    assert done.code == 4
    assert re.fullmatch(r"luatos-emu: --net: no T4 given here: nothing is given: --bind [^\n]*\n", done.stderr)


# ---- doctor ----------------------------------------------------------------------------------------


def doctor(emu, *words, prefix=(), env=None):
    """luatos-emu doctor, as this emu's user."""
    return subprocess.run([*emu.prefix, *prefix, emu.binary, "doctor", *words], capture_output=True, text=True,
                          timeout=150, cwd=emu.directory,
                          env={"PATH": os.environ["PATH"], **SANITIZER_ENV, **(env or {})}, check=False)


def rows(text):
    """{name: (yes or no, why)} of the table; lines of advice are left out."""
    return {found[1]: (found[2], found[3])
            for found in re.finditer(r"^(T\d \w+|\w+) +(yes|no) +(.*)$", text, re.M)}


def test_doctor_says_what_can_be_had(user):
    """Every tier and everything else that matters, with what was found; exit code 0: a network can be."""
    done = doctor(user)
    assert done.returncode == 0 and not done.stderr
    found = rows(done.stdout)
    assert found["T1 root"] == ("no", NO_ROOT.removeprefix("not T1 root: "))
    assert found["T2 userns"] == ("yes", "a network was made")
    assert found["T5 host"][0] == "yes"
    assert {"T3 reexec", "T4 given", "userns", "apparmor", "tun", "nftables", "pasta", "slirp4netns", "relay", "nat",
            "podman", "rootlesskit", "landlock", "ports", "ping"} <= set(found)
    assert done.stdout.endswith("--lab is on a network of its own, by T2 userns\n")


def test_doctor_says_the_same_to_machines(user):
    table, machine = doctor(user), json.loads(doctor(user, "--json").stdout)
    found = rows(table.stdout)
    assert machine["net"] == "T2"
    assert [(tier["tier"], tier["name"]) for tier in machine["tiers"]] == [
        ("T1", "root"), ("T2", "userns"), ("T3", "reexec"), ("T4", "given"), ("T5", "host")]
    for row in [*machine["tiers"], *machine["checks"]]:
        name = f"{row['tier']} {row['name']}" if "tier" in row else row["name"]
        assert found[name] == ("yes" if row["ok"] else "no", row["reason"])


def test_doctor_without_any_network_is_exit_code_4(ordinary):
    """With the commands that would help, to read and, with --fix, alone."""
    barred = {"prefix": FORBID_USERNS, "env": {"PATH": "/nowhere"}}
    done = doctor(ordinary, **barred)
    assert done.returncode == 4
    found = rows(done.stdout)
    assert [found[name][0] for name in ("T1 root", "T2 userns", "T3 reexec", "T5 host")] == ["no", "no", "no", "yes"]
    assert done.stdout.endswith("--lab is on loopback (T5): no network of its own can be had here\n")
    assert json.loads(doctor(ordinary, "--json", **barred).stdout)["net"] is None
    fixes = doctor(ordinary, "--fix", **barred)
    assert fixes.returncode == 4
    commands = fixes.stdout.splitlines()
    assert any("seccomp=unconfined" in command for command in commands)  # a filter is what there is
    assert "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=0" in commands
    for command in commands:
        assert re.match(r"sudo \S|docker run ", command)
        assert command in done.stdout


def test_doctor_fixes_nothing_that_is_not_broken(user):
    """Where there is a network, no command is about having one."""
    fixes = doctor(user, "--fix")
    assert fixes.returncode == 0
    assert not [line for line in fixes.stdout.splitlines() if "userns" in line or "podman" in line]


@pytest.mark.parametrize("words", [["--everything"], ["--json", "--fix"], ["more"]])
def test_doctor_knows_what_it_does_not_know(emu, words):
    done = doctor(emu, *words)
    assert done.returncode == 2
    assert done.stderr == "luatos-emu: usage: luatos-emu doctor [--json|--fix]\n"


def test_doctor_leaves_nothing_behind(root):
    """What it made to try is gone."""
    before = sorted(os.listdir("/sys/class/net"))
    assert doctor(root).returncode == 0
    assert sorted(os.listdir("/sys/class/net")) == before
