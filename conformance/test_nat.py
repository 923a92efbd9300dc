"""What comes in by one adapter goes out by another, under its address: netdrv.napt, real packets.

The machine has two bridges: "lan", where a client is, and "wan", where a server is. The emulator's
LWIP_AP is on the first, its LWIP_GP on the second."""

import ctypes.util
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parent / "nat_client.py"
SCRIPT = """
netdrv.napt(socket.LWIP_GP)
log.info("napt")
gpio.setup(7, function() netdrv.napt(-1) log.info("stopped") end, gpio.PULLUP, gpio.FALLING)
sys.run()
"""


@pytest.fixture
def machine(netns):
    if not ctypes.util.find_library("nftables"):
        pytest.skip("needs libnftables")
    for name, address in [("lan", "192.168.4.9/24"), ("wan", "10.5.0.1/24")]:
        netns.run("ip", "link", "add", name, "type", "bridge")
        netns.run("ip", "addr", "add", address, "dev", name)
        netns.run("ip", "link", "set", name, "up")
    return netns


class Client:
    """A computer on the access point's network: 192.168.4.50, whose gateway is the module."""

    def __init__(self, netns):
        self.process = subprocess.Popen(
            netns.command(["unshare", "--net", sys.executable, CLIENT]), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        netns.run("ip", "link", "add", "cable", "master", "lan", "up", "type", "veth", "peer", "name",
                  "eth0", "netns", str(self.process.pid))
        for words in ["addr add 192.168.4.50/24 dev eth0", "link set eth0 up", "link set lo up",
                      "route add default via 192.168.4.1"]:
            netns.run("nsenter", f"--net=/proc/{self.process.pid}/ns/net", "ip", *words.split())

    def ask(self, *words):
        """Connect, or send a datagram; what came back."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def client(machine):
    client = Client(machine)
    yield client
    client.close()


BOARD = ["--bind", "LWIP_AP=veth:peer=ap0,bridge=lan,ip=192.168.4.1/24", "--bind",
         "LWIP_GP=veth:peer=gp0,bridge=wan,ip=10.5.0.2/24,gw=10.5.0.1", "--exit-on", "never"]


@pytest.fixture
def run(emu, machine):
    with emu.start(SCRIPT, *BOARD, netns=machine) as run:
        run.wait_log("napt")
        yield run
        run.stop()
    assert "nothing is forwarded: this kernel" not in run.stderr


def test_a_client_of_the_access_point_reaches_what_4g_reaches(machine, client, run):
    """TCP and UDP; the server sees the address of 4G."""
    server = machine.peers.tcp_server(host="10.5.0.1")
    udp = machine.peers.udp(host="10.5.0.1")
    client.ask("connect", "10.5.0.1", server.port)
    assert server.accept().remote[0] == "10.5.0.2"
    client.ask("send", "10.5.0.1", udp.port)
    data, address = udp.recv()
    assert (data, address[0]) == (b"hello", "10.5.0.2")
    udp.send(b"world", address)
    assert client.ask("receive") == "world"


def test_the_same_network_on_both_sides_is_no_obstacle(emu, machine, client):
    """As the lab, where every adapter is on one network: nobody has to know the other's."""
    machine.run("ip", "addr", "del", "192.168.4.9/24", "dev", "lan")
    machine.run("ip", "addr", "add", "192.168.4.77/24", "dev", "wan")
    server = machine.peers.tcp_server(host="10.5.0.1")
    board = [*BOARD[:3], "LWIP_GP=veth:peer=gp0,bridge=wan,ip=192.168.4.2/24,gw=192.168.4.77",
             *BOARD[4:]]
    with emu.start(SCRIPT, *board, netns=machine) as run:
        run.wait_log("napt")
        client.ask("connect", "10.5.0.1", server.port)
        assert server.accept().remote[0] == "192.168.4.2"
        run.stop()


def test_it_ends(emu, machine, client, tmp_path):
    """napt(-1): the client is alone again."""
    server = machine.peers.tcp_server(host="10.5.0.1")
    path = tmp_path / "ctl"
    with emu.start(SCRIPT, *BOARD, "--ctl", path, netns=machine) as run:
        run.wait_log("napt")
        assert client.ask("try", "10.5.0.1", server.port) == "yes"
        emu.ctl(path, "gpio", "7", "0")
        run.wait_log("stopped")
        assert client.ask("try", "10.5.0.1", server.port) == "no"
        run.stop()


def test_adapters_of_this_machine_are_not_joined(emu, machine):
    """And a warning with the script's line says why."""
    done = emu.run("log.info('napt', netdrv.napt(socket.LWIP_GP))\nos.exit(0)\n", netns=machine)
    assert done.texts("napt") == ["true"]
    assert any("napt" in warning and "this machine's network" in warning for warning in done.warnings)
