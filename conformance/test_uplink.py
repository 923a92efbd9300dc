"""The way out of a network of the emulator's own (--uplink), without root, see README, Uplink."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading

import pytest

from peers import until

WAN, FAR = "10.9.0.1", "10.9.0.2"
KINDS = ["pasta", "slirp4netns", "relay"]
CLIENT = """
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    socket.config(netc, nil, os.getenv("UDP") == "1")
    log.info("connected", libnet.connect("T", 15000, netc, os.getenv("TO"), tonumber(os.getenv("PORT"))))
    libnet.tx("T", 15000, netc, "hello")
    libnet.wait("T", 15000, netc)
    local ok, data = socket.read(netc, 100)
    log.info("read", data)
    os.exit(0)
end, "T")
sys.run()
"""


@pytest.fixture
def outside(netns):
    """A network outside: an address with a name server, and a default route."""
    netns.link("wan", f"{WAN}/24")
    netns.run("ip", "route", "add", "default", "via", FAR)
    netns.dnsmasq(address=WAN, records={"outside.test": WAN})
    netns.resolv_conf(f"nameserver {WAN}\n")
    return netns


NO_PROGRAMS = ["env", "PATH=/nowhere"]


def said(done):
    line, = [line for line in done.stderr.splitlines() if line.startswith("luatos-emu: uplink: ")]
    return line.removeprefix("luatos-emu: uplink: ")


def kind_of(done):
    event, = done.events("net.uplink")
    return event["name"]


@pytest.fixture(params=KINDS)
def kind(request, emu, outside):
    """Where it can be had; it is the emulator that says why not, and a test fails when that is not it."""
    done = emu.run("os.exit(0)\n", "--net=T2", f"--uplink={request.param}", netns=outside)
    if done.code == 4:
        assert f"--uplink {request.param}: " in done.stderr
        if request.param != "relay" or "libslirp" in done.stderr:
            pytest.skip(done.stderr.strip())
    assert done.code == 0, done
    assert said(done) == f"{request.param}, --uplink asks for it" and kind_of(done) == request.param
    return request.param


@pytest.mark.parametrize("udp", [0, 1], ids=["tcp", "udp"])
@pytest.mark.parametrize("options", [["--net=T2"], ["--net=T2", "--lab"]], ids=["own", "lab"])
def test_a_script_reaches_the_network_outside_by_name(emu, outside, kind, options, udp):
    """Through DNS outside, also where the lab's does not know the name."""
    peers = outside.peers
    if udp:
        peer = peers.udp(host=WAN)
    else:
        peer = peers.tcp_server(host=WAN)
    with emu.start(CLIENT, *options, f"--uplink={kind}", netns=outside,
                   env={"TO": "outside.test", "PORT": peer.port, "UDP": udp}) as run:
        run.wait_log("connected", "true")
        if udp:
            data, address = peer.sock.recvfrom(100)
            peer.sock.sendto(data.upper(), address)
        else:
            client = peer.accept()
            assert client.recv_exactly(5) == b"hello"
            client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]
    assert kind_of(done) == kind


@pytest.mark.parametrize("kind", ["relay"], indirect=True)
def test_the_first_that_can_be_had_is_taken(emu, outside, kind):
    """And what was better is named, with the reason: never silent."""
    server = outside.peers.tcp_server(host=WAN)
    with emu.start(CLIENT, "--net=T2", "--uplink=auto", netns=outside, prefix=NO_PROGRAMS,
                   env={"TO": WAN, "PORT": server.port}) as run:
        client = server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]
    assert re.fullmatch(r"relay, not pasta: [^;]+; not slirp4netns: [^;]+", said(done))
    event, = done.events("net.uplink")
    assert (event["name"], event["reason"]) == ("relay", said(done).removeprefix("relay, "))


SERVER = """
import socket
outer = socket.create_server(("10.9.0.1", 7070))
print("ready", flush=True)
client, _ = outer.accept()
client.sendall(client.recv(100).upper())
client.recv(100)
"""


def test_an_ordinary_user_reaches_what_is_outside(user_emu, netns_obstacle):
    """Who has no rights at all, in a network namespace that root has made."""
    if netns_obstacle:
        pytest.skip(netns_obstacle)
    sleeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    until(lambda: os.readlink(f"/proc/{sleeper.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "namespace")
    enter = ["nsenter", f"--net=/proc/{sleeper.pid}/ns/net"]
    server = None
    try:
        for words in ["link set lo up", "link add wan type veth peer name far", f"addr add {WAN}/24 dev wan",
                      "link set wan up", "link set far up", f"route add default via {FAR}"]:
            subprocess.run([*enter, "ip", *words.split()], check=True)
        server = subprocess.Popen([*enter, sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"ready\n"
        user_emu.prefix = [*enter, *user_emu.prefix]
        done = user_emu.run(CLIENT, "--lab", "--uplink=auto", env={"TO": WAN, "PORT": 7070})
    finally:
        if server:
            server.kill()
            server.wait()
            server.stdout.close()
        sleeper.kill()
        sleeper.wait()
    if done.code == 4 and "libslirp" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.texts("read") == ["HELLO"]
    assert done.events("net.tier")[0]["tier"] == "T2"
    assert kind_of(done) in KINDS


def test_the_host_itself_is_out_of_reach(emu, outside, kind):
    """What listens on loopback alone was not meant for others."""
    server = outside.peers.tcp_server(host="127.0.0.1")
    done = emu.run(CLIENT, "--net=T2", f"--uplink={kind}", netns=outside,
                   env={"TO": "10.0.2.2", "PORT": server.port})
    assert done.texts("connected") == ["false"]


def test_it_ends_with_the_emulator_however_that_ends(emu, outside, kind):
    token = f"UPLINK_TEST={os.getpid()}-{kind}"

    def processes():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    if token.encode() in environ.read():
                        found.append(pid)
            except OSError:
                pass
        return found

    for end in ("kill", "stop"):
        with emu.start('log.info("runs")\nsys.run()\n', "--net=T2", f"--uplink={kind}", "--exit-on=never", netns=outside,
                       env=dict([token.split("=")])) as run:
            run.wait_log("runs")
            assert len(processes()) >= 2
            getattr(run, end)()
        until(lambda: not processes(), "the end of all of them")


def test_what_can_not_be_had_is_exit_code_4(emu, outside):
    done = emu.run("os.exit(0)\n", "--net=T2", "--uplink=pasta", netns=outside,
                   prefix=NO_PROGRAMS)
    assert done.code == 4
    assert re.fullmatch(r"luatos-emu: --uplink pasta: [^\n]+\n", done.stderr)


def test_on_the_hosts_network_none_is_needed(emu, outside):
    """The lab's DNS asks the host's name servers then."""
    server = outside.peers.tcp_server(host=WAN)
    with emu.start(CLIENT, "--lab", "--net=T5", "--uplink=auto", netns=outside,
                   env={"TO": "outside.test", "PORT": server.port}) as run:
        client = server.accept()
        assert client.recv_exactly(5) == b"hello"
        client.send(b"HELLO")
        done = run.finish()
    assert done.texts("read") == ["HELLO"]
    assert said(done) == "host, adapters are on this machine's network"


@pytest.mark.parametrize("options", [["--lab"], ["--lab", "--uplink=off"]])
def test_without_one_nothing_outside_is_known(emu, outside, options):
    """The lab is hermetic: that is the default."""
    done = emu.run(CLIENT, "--net=T2", *options, netns=outside, env={"TO": "outside.test", "PORT": 1})
    assert done.texts("connected") == ["false"]
    assert outside.daemons[0].queries == []
    assert "uplink" not in done.stderr


def test_a_name_that_is_unknown_outside_is_unknown(emu, outside, kind):
    """The answer of the name server outside is given as it is."""
    done = emu.run(CLIENT, "--net=T2", "--lab", f"--uplink={kind}", netns=outside,
                   env={"TO": "nowhere.test", "PORT": 1})
    assert done.texts("connected") == ["false"]
    asked, = [event for event in done.events("lab.dns") if event["forwarded"]][:1]
    assert asked["name"] == "nowhere.test"
    assert "A nowhere.test" in outside.daemons[0].queries


def test_who_asks_by_tcp_is_answered_from_outside_too(emu, outside):
    """RFC 7766: questions on one connection, the lab's own among them; each is answered under its
    number. One who leaves before his answer does no harm."""
    def question(ident, name):
        message = struct.pack(">6H", ident, 0x0100, 1, 0, 0, 0) + b"".join(
            bytes([len(label)]) + label.encode() for label in name.split(".")) + bytes([0, 0, 1, 0, 1])
        return struct.pack(">H", len(message)) + message

    with emu.start("sys.run()\n", "--lab", "--net=T5", "--uplink=auto", "--exit-on",
                   "never", netns=outside) as run:
        lab = run.wait_trace("lab.open")["address"]
        for _ in range(80):  # more than are remembered at once
            gone = outside.peers.tcp_client(40053, host=lab)
            gone.send(question(9, "outside.test"))
            gone.close()
        peer = outside.peers.tcp_client(40053, host=lab)
        peer.send(question(1, "outside.test") + question(2, "echo.lab") + question(3, "nowhere.test"))
        answers = {}
        while len(answers) < 3:
            length, = struct.unpack(">H", peer.recv_exactly(2))
            answer = peer.recv_exactly(length)
            ident, flags = struct.unpack(">2H", answer[:4])
            answers[ident] = (flags & 15, answer[-4:])
        run.stop()
    assert answers[1] == (0, socket.inet_aton(WAN)) and answers[2][0] == 0 and answers[3][0] == 3


def test_more_than_a_packet_goes_both_ways(emu, outside, kind):
    """Megabytes, in order."""
    server = outside.peers.tcp_server(host=WAN)
    data = bytes(range(256)) * 4096
    with emu.start("""
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "T")
    local got = 0
    socket.config(netc)
    libnet.connect("T", 15000, netc, os.getenv("TO"), tonumber(os.getenv("PORT")))
    while got < tonumber(os.getenv("SIZE")) do
        local ok, part = socket.read(netc, 8192)
        if ok and #part > 0 then
            got = got + #part
            libnet.tx("T", 15000, netc, part)
        else
            assert(libnet.wait("T", 15000, netc))
        end
    end
    os.exit(0)
end, "T")
sys.run()
""", "--net=T2", f"--uplink={kind}", netns=outside,
                   env={"TO": WAN, "PORT": server.port, "SIZE": len(data)}) as run:
        client = server.accept()
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()
        assert client.recv_exactly(len(data)) == data
        sender.join()
        run.finish()


def test_its_end_is_said(emu, outside, kind):
    """Whoever ends it: what is outside is not reached any more, and somebody wonders why."""
    with emu.start('log.info("runs")\nsys.run()\n', "--net=T2", f"--uplink={kind}", "--exit-on=never",
                   netns=outside) as run:
        run.wait_log("runs")
        pid = run.process.pid
        children = open(f"/proc/{pid}/task/{pid}/children").read().split()
        os.kill(int(children[-1]), signal.SIGKILL)  # the keeper was there first
        run.wait_stderr(f"uplink: {kind} has ended: nothing outside is reached any more")
        run.wait_trace("net.uplink", name="off")
        run.stop()
