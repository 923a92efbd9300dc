"""A network of the emulator's own (--net own), the lab on it, and cables to pull (ctl)."""

import os
import pwd
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from peers import until

DEMO = ROOT / "scripts/demo/multi-network/main.lua"


def kernel_objects():
    """Namespaces that have a name, and links: what a run must leave as it was."""
    links = sorted(os.listdir("/sys/class/net"))
    named = sorted(os.listdir("/run/netns")) if Path("/run/netns").exists() else []
    return links, named


@pytest.mark.requirement("SOCK-LOCALIP-002", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-003", revision=1, kind="positive")
@pytest.mark.requirement("SOCK-LOCALIP-006", revision=1, kind="positive")
def test_each_adapter_has_an_address_of_its_own(own, emu):
    """One namespace an adapter, on one bridge: 192.168.77.10 and on."""
    done = emu.run("""
sys.taskInit(function()
    while not socket.adapter(socket.ETH0) do sys.waitUntil("IP_READY", 5000) end
    for _, adapter in ipairs{socket.LWIP_GP, socket.LWIP_STA, socket.LWIP_AP, socket.LWIP_ETH,
                             socket.ETH0, socket.USB} do
        log.info("ip", adapter, socket.localIP(adapter))
    end
    os.exit(0)
end)
sys.run()
""", "--net", "own")
    assert done.texts("ip") == [f"{i + 1} 192.168.77.{10 + i} 255.255.255.0 192.168.77.1 nil"
                                for i in range(6)]


def test_the_lab_is_reached_by_every_adapter(own, emu):
    """DNS and echo at the bridge."""
    done = emu.run("""
local libnet = require "libnet"
sys.taskInitEx(function()
    for adapter = 1, 6 do
        local netc = socket.create(adapter, "T")
        socket.config(netc)
        assert(libnet.connect("T", 0, netc, "netlab.luatos.com", 40123))
        assert(libnet.tx("T", 0, netc, "hello"))
        libnet.wait("T", 0, netc)
        log.info("read", adapter, socket.read(netc))
        libnet.close("T", 0, netc)
    end
    os.exit(0)
end, "T")
sys.run()
""", "--net", "own", "--lab")
    assert done.texts("read") == [f"{adapter} true hello" for adapter in range(1, 7)]
    assert {event["from"].split(":")[0] for event in done.events("lab.accept", peer="echo")} == {
        f"192.168.77.{10 + i}" for i in range(6)}


def test_adapters_speak_to_each_other_over_the_bridge(own, emu):
    """A server on Ethernet, a client on 4G."""
    done = emu.run("""
local server
server = socket.create(socket.LWIP_ETH, function(_, event, param)
    if event == socket.ON_LINE then
        log.info("client", select(3, socket.accept(server)))
        os.exit(0)
    end
end)
socket.config(server, 80)
socket.listen(server)
local client = socket.create(socket.LWIP_GP, function() end)
socket.config(client)
sys.timerStart(socket.connect, 50, client, "192.168.77.13", 80)
sys.run()
""", "--net", "own")
    assert done.texts("client")[0].startswith("192.168.77.10 ")


def test_what_is_bound_elsewhere_stays_there(own, emu):
    """--bind comes before --net."""
    done = emu.run("""
log.info("host", (socket.localIP(socket.LWIP_GP)) ~= "192.168.77.10")
log.info("off", socket.localIP(socket.USB))
log.info("own", (socket.localIP(socket.LWIP_ETH)))
os.exit(0)
""", "--net", "own", "--bind", "LWIP_GP=host", "--bind", "USB=off")
    assert done.texts("host") == ["true"]
    assert done.texts("off") == [""]
    assert done.texts("own") == ["192.168.77.13"]


def test_the_demo_falls_over_from_ethernet_to_wifi_to_4g_and_back(own, emu, tmp_path):
    """What the multi-network demo is for: cables are pulled, heartbeats go on."""
    path = tmp_path / "ctl"
    with emu.start(DEMO, "--net", "own", "--lab", "--ctl", path) as run:
        for name, cable in [("Ethernet", "LWIP_ETH down"), ("Wi-Fi", "LWIP_STA down"),
                            ("4G", "LWIP_STA up"), ("Wi-Fi", "LWIP_ETH up"), ("Ethernet", None)]:
            beats = len(run.texts("beat"))
            until(lambda name=name, beats=beats: any(f"by {name} answered" in text
                                                     for text in run.texts("beat")[beats:]),
                  f"heartbeat by {name}")
            if cable:
                emu.ctl(path, "link", *cable.split())
        run.stop()
    names = [text.split()[0] for text in run.texts("network")]
    assert names == ["Ethernet", "Wi-Fi", "4G", "Wi-Fi", "Ethernet"]


def test_nothing_is_left_behind(own, emu):
    """Links and namespaces are gone with the run, also after SIGKILL."""
    before = kernel_objects()
    with emu.start("log.info('runs')\nsys.run()\n", "--net", "own", "--exit-on", "never") as run:
        run.wait_log("runs")
        keeper, = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
        os.kill(run.process.pid, signal.SIGKILL)
        run.process.wait()
        until(lambda: not Path(f"/proc/{keeper}").exists(), "end of the keeper")
        run.kill()
    assert kernel_objects() == before


def test_an_ordinary_user_has_it_too(own, luatos_emu, tmp_path_factory):
    """Without root: in a user namespace."""
    if os.geteuid() != 0:
        pytest.skip("is what all of these tests are when they do not run as root")
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("needs a user nobody")
    allowed = subprocess.run(["setpriv", "--reuid", "nobody", "--clear-groups", "unshare", "-rn",
                              "true"], capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f"no user namespaces for ordinary users here: {allowed.stderr.strip()}")
    folder = tmp_path_factory.mktemp("user")
    for part in [folder, *folder.parents]:
        if part.stat().st_mode & 0o001 == 0:
            part.chmod(part.stat().st_mode | 0o011)
    binary = folder / "luatos-emu"
    shutil.copy(luatos_emu, binary)
    script = folder / "main.lua"
    script.write_text("log.info('ip', (socket.localIP(socket.LWIP_ETH)))\nos.exit(0)\n")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    done = subprocess.run(["setpriv", "--reuid", "nobody", "--clear-groups", str(binary), "--net",
                           "own", str(script)], capture_output=True, text=True, timeout=150,
                          env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"})
    assert "I/user.ip 192.168.77.13" in done.stdout, done.stderr
    assert done.returncode == 0


# ---- ctl ---------------------------------------------------------------------------------------


@pytest.fixture
def controlled(emu, tmp_path):
    path = tmp_path / "ctl"
    script = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", adapter) end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
log.info("runs")
sys.run()
"""
    with emu.start(script, "--ctl", path, "--exit-on", "never", "--bind", "USB=off") as run:
        run.wait_log("runs")
        run.ctl = path
        yield run
        run.stop()
    assert not path.exists()


def test_ctl_pulls_the_cable_of_an_adapter_on_the_host(emu, controlled):
    """The emulator alone believes it: the script is told as on a module."""
    emu.ctl(controlled.ctl, "link", "LWIP_GP", "down")
    controlled.wait_log("lose", "1")
    assert "LWIP_GP down" in emu.ctl(controlled.ctl, "adapters").stdout
    emu.ctl(controlled.ctl, "link", "LWIP_GP", "up")
    controlled.wait_log("ready", "1", count=2)


def test_ctl_lists_its_commands(emu, controlled):
    help_text = emu.ctl(controlled.ctl, "help").stdout
    assert re.findall(r"^(\w+)", help_text, re.M) == ["adapters", "capture", "gpio", "help", "impair",
                                                      "link", "peer", "w5500"]


@pytest.mark.parametrize("words, why", [
    (["link", "LWIP_XYZ", "down"], 'there is no adapter "LWIP_XYZ"'),
    (["link", "USB", "down"], "this board has no USB"),
    (["link", "LWIP_GP", "sideways"], "up or down"),
    (["link", "LWIP_GP"], "usage: link ADAPTER up|down"),
    (["dance"], "there is no such command"),
    (["x y z " * 20], "there is no such command"),
])
def test_ctl_refuses_what_it_does_not_know(emu, controlled, words, why):
    """One line on stderr, exit code 1, and the run goes on."""
    line, = emu.ctl(controlled.ctl, *words, code=1).stderr.splitlines()
    assert why in line
    emu.ctl(controlled.ctl, "adapters")


def test_ctl_survives_clients_that_misbehave(emu, controlled, peers):
    """Lines without end, half lines, many clients: bounded, and the run goes on."""
    import socket

    for data in [b"x" * 100000, b"link", b"", b"\n" * 1000, b"\0\0\0\n"]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(controlled.ctl))
            try:
                client.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
    many = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for client in many:
        client.connect(str(controlled.ctl))
    for client in many:
        client.close()
    until(lambda: emu.ctl(controlled.ctl, "adapters", code=None).returncode == 0, "answer")


def test_ctl_without_a_run_says_so(emu, tmp_path):
    done = emu.ctl(tmp_path / "nobody", "adapters", code=4)
    assert "is there a run with --ctl" in done.stderr
    emu.ctl(tmp_path / "nobody", code=2)


def test_a_socket_left_over_is_replaced_and_one_in_use_is_not(emu, tmp_path):
    """A run that was killed leaves its socket; another's is never taken."""
    path = tmp_path / "ctl"
    script = "log.info('runs')\nsys.run()\n"
    with emu.start(script, "--ctl", path, "--exit-on", "never") as run:
        run.wait_log("runs")
        second = emu.run(emu.lua("os.exit(0)\n", "second.lua"), "--ctl", path)
        assert second.code == 4
        assert "Address already in use" in second.stderr
        os.kill(run.process.pid, signal.SIGKILL)
        run.process.wait()
        run.kill()
    assert path.exists()
    assert emu.run(emu.lua("os.exit(0)\n", "third.lua"), "--ctl", path).code == 0
    assert not path.exists()
