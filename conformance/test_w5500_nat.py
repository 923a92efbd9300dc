"""ETH0 where no link can be made: a W5500 whose cable leads to sockets of this machine's (--bind ETH0=nat), README."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from conftest import ROOT, Alone
from peers import until
from vspi import COMMON, GAR, SHAR, SIPR, SUBR, Vspi, registers, rx_buffer

NAT = ["--bind", "ETH0=nat"]
NO_NAMESPACES = [sys.executable, str(ROOT / "conformance/forbid.py"), "userns"]
GATEWAY = "select(3, socket.localIP(socket.ETH0))"
READY = f"""
libnet = require "libnet"
function ready()
    while not socket.adapter(socket.ETH0) do sys.wait(20) end
end
"""
CLIENT = READY + """
sys.taskInitEx(function()
    ready()
    local gateway = os.getenv("TO") or select(3, socket.localIP(socket.ETH0))
    local netc = socket.create(socket.ETH0, "T")
    socket.config(netc, tonumber(os.getenv("LOCAL")), os.getenv("UDP") == "1")
    log.info("connected", libnet.connect("T", 15000, netc, gateway, tonumber(os.getenv("PORT"))))
    libnet.tx("T", 15000, netc, "hello")
    libnet.wait("T", 15000, netc)
    local ok, data = socket.read(netc, 100)
    log.info("read", data)
    os.exit(0)
end, "T")
sys.run()
"""
SERVER = READY + """
sys.taskInitEx(function()
    ready()
    local netc = socket.create(socket.ETH0, "T")
    socket.config(netc, tonumber(os.getenv("PORT")))
    while true do
        log.info("listening")
        log.info("accepted", libnet.listen("T", 0, netc))
        libnet.wait("T", 15000, netc)
        local ok, data = socket.read(netc, 100)
        log.info("read", data)
        libnet.tx("T", 15000, netc, data:upper())
        libnet.wait("T", 15000, netc)
        libnet.close("T", 5000, netc)
        log.info("closed")
    end
end, "T")
sys.run()
"""
IDLE = READY + """
sys.subscribe("IP_READY", function(ip, id) log.info("up", id) end)
sys.subscribe("IP_LOSE", function(id) log.info("down", id) end)
sys.timerLoopStart(function() end, 1000)
sys.taskInit(function()
    ready()
    log.info("ready", socket.localIP(socket.ETH0))
end)
sys.run()
"""


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eth0(record):
    """What stderr says of it."""
    prefix = "luatos-emu: ETH0: "
    return [line.removeprefix(prefix) for line in record.stderr.splitlines() if line.startswith(prefix)]


@pytest.fixture(params=["root", "user"])
def anyone(request):
    """Runs of who is here, and of an ordinary user who may make no namespace at all."""
    if request.param == "root":
        return request.getfixturevalue("emu")
    runs = request.getfixturevalue("ordinary")
    runs.prefix = [*runs.prefix, *NO_NAMESPACES]
    return runs


def test_it_says_at_the_start_what_it_cannot_do(anyone):
    done = anyone.run("os.exit(0)\n", *NAT)
    said, = [line for line in eth0(done) if line.startswith("nat")]
    for lack in ["no MACRAW", "no ARP", "no IPRAW", "no broadcast", "no multicast"]:
        assert lack in said
    event, = done.events("net.nat")
    assert event["adapter"] == "ETH0" and "no MACRAW" in event["lacks"]
    assert event["gateway"] in said


def test_its_network_leases_the_chip_an_address(anyone):
    """And the gateway, and a name server, as a router does."""
    with anyone.start(IDLE, *NAT) as run:
        run.wait_log("ready")
        done = run.stop()
    event, = done.events("net.nat")
    net = event["gateway"].rsplit(".", 1)[0]
    assert done.texts("ready")[0].split() == [f"{net}.15", "255.255.255.0", f"{net}.2", "nil"]
    lease, = done.events("dhcp.lease")
    assert lease["adapter"] == "ETH0"


def test_a_server_on_loopback_is_reached_at_the_gateway(anyone, tcp_server):
    with anyone.start(CLIENT, *NAT, env={"PORT": tcp_server.port}) as run:
        client = tcp_server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]


def unused_udp_port():
    """No SO_REUSEADDR lets two have it, so nobody holds it meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        return sock.getsockname()[1]


def test_datagrams_come_back(anyone, udp_peer):
    """They leave by the port of this machine that the chip's socket is bound to, and reach it there."""
    port = unused_udp_port()
    with anyone.start(CLIENT, *NAT, env={"PORT": udp_peer.port, "UDP": 1, "LOCAL": port}) as run:
        data, address = udp_peer.sock.recvfrom(100)
        assert (data, address) == (b"hello", ("127.0.0.1", port))
        udp_peer.send(b"HELLO", address)
        done = run.finish()
    assert done.texts("read") == ["HELLO"]


def test_datagrams_leave_by_another_port_where_that_one_is_taken(anyone, udp_peer, peers):
    """Which is said: nobody can send to it unasked. Answers come back."""
    port = peers.free_port(socket.SOCK_DGRAM)
    with anyone.start(CLIENT, *NAT, env={"PORT": udp_peer.port, "UDP": 1, "LOCAL": port}) as run:
        data, address = udp_peer.sock.recvfrom(100)
        assert data == b"hello" and address[1] != port
        udp_peer.send(b"HELLO", address)
        done = run.finish()
    assert done.texts("read") == ["HELLO"]
    event, = done.events("nat.refused")
    assert (event["protocol"], event["port"]) == ("udp", port)


def test_a_chip_with_an_address_of_any_network_finds_its_way(anyone, tcp_server):
    """Whatever router it names answers."""
    options = ["--bind", "ETH0=nat,ip=192.168.201.50/24,gw=192.168.201.1"]
    probe = anyone.run("os.exit(0)\n", *NAT)
    event, = probe.events("net.nat")
    with anyone.start(CLIENT, *options, env={"PORT": tcp_server.port, "TO": event["gateway"]}) as run:
        client = tcp_server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]
    assert not done.events("dhcp.lease")


def test_nobody_there_is_a_refusal(anyone, peers):
    done = anyone.run(CLIENT, *NAT, env={"PORT": peers.free_port()})
    assert done.texts("connected") == ["false"]


def test_names_are_looked_up_by_this_machines_name_server(emu, netns):
    netns.dnsmasq(records={"server.test": "10.1.0.1"})
    netns.link("wan", "10.1.0.1/24")
    netns.resolv_conf("nameserver 127.0.0.1\n")
    server = netns.peers.tcp_server(host="10.1.0.1")
    with emu.start(CLIENT, *NAT, netns=netns, env={"PORT": server.port, "TO": "server.test"}) as run:
        client = server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]


def test_a_lab_on_loopback_is_reached_by_name(anyone):
    """Where no network can be made: its name server has a port of its own there."""
    done = anyone.run(CLIENT, *NAT, "--lab", "--net=T5", env={"PORT": 40123, "TO": "netlab.luatos.com"})
    assert done.texts("read") == ["hello"]


def test_its_network_is_none_that_this_machine_has(emu, netns):
    """What is in 10.0.2.0/24 there stays in reach."""
    netns.link("wan", "10.0.2.2/24")
    server = netns.peers.tcp_server(host="10.0.2.2")
    with emu.start(CLIENT, *NAT, netns=netns, env={"PORT": server.port, "TO": "10.0.2.2"}) as run:
        client = server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    event, = done.events("net.nat")
    assert not event["gateway"].startswith("10.0.2.")


def connect(port):
    """Once somebody listens."""
    found = []

    def tried():
        sock = socket.socket()
        try:
            sock.connect(("127.0.0.1", port))
        except ConnectionRefusedError:
            sock.close()
            return False
        found.append(sock)
        return True

    until(tried, "listener")
    sock, = found
    sock.settimeout(30)
    return sock


def test_who_listens_is_reached_at_its_port(anyone, peers):
    """Again and again, as one client after the other is served."""
    port = peers.listen_port()
    with anyone.start(SERVER, *NAT, env={"PORT": port}) as run:
        for turn in range(1, 4):
            run.wait_log("listening", count=turn)
            with connect(port) as client:
                client.sendall(b"hello")
                assert client.recv(100) == b"HELLO"
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b""
            run.wait_log("closed", count=turn)
        run.stop()


def test_a_port_that_cannot_be_had_is_said_once(anyone, tcp_server):
    with anyone.start(SERVER, *NAT, env={"PORT": tcp_server.port}) as run:
        run.wait_trace("nat.refused")
        done = run.stop()
    event, = done.events("nat.refused")
    assert (event["adapter"], event["protocol"], event["port"]) == ("ETH0", "tcp", tcp_server.port)
    assert [line for line in eth0(done) if str(tcp_server.port) in line] == [
        f"nat: TCP port {tcp_server.port} of this machine can't be had: Address already in use: "
        "nobody reaches it there"]


def test_when_its_process_ends_the_link_goes_down(anyone):
    """And that is said; the run goes on."""
    with anyone.start(IDLE, *NAT) as run:
        run.wait_log("ready")
        for child in children(run.process.pid):
            os.kill(child, signal.SIGKILL)
        run.wait_trace("nat.end", adapter="ETH0")
        run.wait_log("down", "5")
        done = run.stop()
    assert "nat has ended: its cable leads nowhere any more" in eth0(done)


def test_the_cable_can_be_pulled_and_plugged_in(anyone, tmp_path):
    ctl = Path(anyone.directory) / "ctl"
    with anyone.start(IDLE, *NAT, "--ctl", str(ctl)) as run:
        run.wait_log("ready")
        run.wait_log("up", "5")
        anyone.ctl(ctl, "link", "ETH0", "down")
        run.wait_log("down", "5")
        anyone.ctl(ctl, "link", "ETH0", "up")
        until(lambda: len([text for text in run.texts("up") if text == "5"]) == 2, "ETH0")
        run.stop()


def test_nothing_is_left_of_a_run_that_is_killed(anyone):
    with anyone.start(IDLE, *NAT) as run:
        run.wait_log("ready")
        left = children(run.process.pid)
        assert left
        run.kill()
    until(lambda: not any(map(is_alive, left)), "the end of its process")


def test_a_process_that_is_stopped_stops_nobody(anyone):
    """Neither the script nor the end of the run waits for it."""
    with anyone.start(IDLE, *NAT) as run:
        run.wait_log("ready")
        left = children(run.process.pid)
        for child in left:
            os.kill(child, signal.SIGSTOP)
        run.stop()
    assert not any(map(is_alive, left))


def test_its_process_has_no_rights(emu):
    """No capability, no way to any, nothing open that is somebody else's."""
    with emu.start(IDLE, *NAT) as run:
        run.wait_log("ready")
        child = children(run.process.pid)[-1]
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines())
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        files = {os.readlink(fd).split(":")[0] for fd in Path(f"/proc/{child}/fd").iterdir() if int(fd.name) > 2}
        assert files == {"socket"}
        run.stop()


def test_in_virtual_time_its_cable_is_out(emu):
    """Two runs are one: nothing depends on when a network answers."""
    script = """
        sys.subscribe("IP_READY", function(ip, id) log.info("up", id) end)
        sys.taskInit(function() sys.wait(5000) log.info("ip", socket.localIP(socket.ETH0)) os.exit(0) end)
        sys.run()"""
    runs = [emu.run(script, *NAT, "--time=virtual", "--seed=1") for _ in range(5)]
    assert {(run.stdout, run.stderr) for run in runs} == {(runs[0].stdout, runs[0].stderr)}
    assert runs[0].texts("ip") == ["0.0.0.0 0.0.0.0 0.0.0.0 nil"]


TCP, OPEN, LISTEN, RECV, LISTENING, ESTABLISHED = 1, 1, 2, 0x40, 0x14, 0x17
SN_CR, SN_SR, SN_PORT, SN_RX_RSR, SN_RX_RD = 1, 3, 4, 0x26, 0x28


def test_a_driver_from_outside_is_told_its_address_and_is_reached(anyone, peers):
    """Where luatos-emu w5500 has no link to hang the chip on."""
    path, port, block = Path(anyone.directory) / "spi", peers.listen_port(), registers(3)
    with Alone(anyone.start_w5500("--spi", path, "--bind", "nat"), path) as alone, Vspi(path) as chip:
        gateway, bits = alone.told["gateway"], alone.told["address"].split("/")
        assert bits[1] == "24" and alone.told["dns"].rsplit(".", 1)[0] == gateway.rsplit(".", 1)[0]
        chip.wait_link()
        chip.write(COMMON, SHAR, bytes.fromhex(alone.told["mac"].replace(":", "")))
        chip.write(COMMON, GAR, socket.inet_aton(gateway))
        chip.write(COMMON, SUBR, socket.inet_aton("255.255.255.0"))
        chip.write(COMMON, SIPR, socket.inet_aton(bits[0]))
        chip.write(block, 0, bytes([TCP]))
        chip.write_u16(block, SN_PORT, port)
        chip.write(block, SN_CR, bytes([OPEN]))
        chip.write(block, SN_CR, bytes([LISTEN]))
        assert chip.read(block, SN_SR) == bytes([LISTENING])
        with connect(port) as client:
            client.sendall(b"hello")
            chip.wait(lambda: chip.read_u16(block, SN_RX_RSR) == 5, "hello")
            assert chip.read(block, SN_SR) == bytes([ESTABLISHED])
            assert chip.read(rx_buffer(3), chip.read_u16(block, SN_RX_RD), 5) == b"hello"


@pytest.mark.parametrize("bind, why", [
    ("LWIP_ETH=nat", "LWIP_ETH: nat is the way out of the W5500, and that is ETH0's"),
    ("ETH0=nat,chip=none", "ETH0=nat is the chip's, and nothing without it: no chip=none"),
    ("ETH0=nat,mtu=1400", "nat takes no mtu="),
    ("ETH0=nat,dev=eth0", "nat takes no dev="),
])
def test_what_makes_no_sense_is_refused(emu, bind, why):
    done = emu.run("os.exit(0)\n", "--bind", bind, sane=False)
    assert done.code == 2
    assert why in done.stderr
