"""The demos of scripts/demo end by themselves, well, and without a word of complaint."""

import re

import pytest

from conftest import ROOT

DEMO = ROOT / "scripts/demo"
DEMOS = sorted(p.parent.name for p in DEMO.glob("*/main.lua"))


def started(emu, peers, name, *args, **globals_):
    """Start a demo with these of its globals changed. A server's port is one that is free here."""
    text = (DEMO / name / "main.lua").read_text()
    if "HOST = \"127.0.0.1\"" in text:
        globals_.setdefault("PORT", peers.listen_port())
    for key, value in globals_.items():
        text, count = re.subn(rf"^{key} = [^ \n]+", f"{key} = {value}", text, flags=re.M)
        assert count == 1, f"{name} has no global {key}"
    return emu.start(text, *args)


def test_all_demos_are_here():
    assert DEMOS == ["callback", "exnetif", "multi-network", "odd-peers", "tcp-long", "tcp-reconnect",
                     "tcp-server-one-to-many", "tcp-server-one-to-one", "tcp-short", "tour", "udp-client", "udp-server",
                     "w5500"]


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_is_explained(name):
    """In one line, and the script says the same at its top."""
    assert len((DEMO / name / "README.md").read_text().splitlines()) == 1
    assert (DEMO / name / "main.lua").read_text().startswith("-- ")


@pytest.mark.parametrize("net", ["auto", "T5"])
@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_ends_well(emu, peers, name, net):
    """On a network of its own, where there can be one, and on loopback."""
    endless = {"multi-network": {"ROUNDS": 3}}
    with started(emu, peers, name, "--lab", f"--net={net}", **endless.get(name, {})) as run:
        done = run.finish()
    assert done.code == 0
    assert re.fullmatch(r"luatos-emu: net: T\d [^\n]*\nluatos-emu: lab: netlab\.luatos\.com is [^\n]*\n"
                        r"(luatos-emu: warning: \S* spi: there is nothing [^\n]*\n)?"
                        r"(luatos-emu: warning: \S* w5500: this board has none[^\n]*\n)?"
                        r"(luatos-emu: (LWIP_ETH|ETH0): has \S* from the DHCP server [^\n]*\n)*", done.stderr)
    assert not [line for line in done.log if line[0] in ("W", "E")]


def test_the_tour_runs_as_a_project(emu):
    """What scripts/run.sh does: the folder is the argument."""
    done = emu.run(DEMO / "tour", "--lab")
    assert done.code == 0
    assert "received: hello over TCP" in "\n".join(done.texts("tour"))
    assert "received: hello over UDP" in "\n".join(done.texts("tour"))
    assert "received: hello from a callback" in "\n".join(done.texts("tour"))
    assert done.texts("tour")[-1].startswith("The tour is over.")


def test_a_demo_whose_server_is_silent_fails(emu, peers):
    """The exit code of a demo means something."""
    with started(emu, peers, "udp-client", "--lab", PORT=40999, TRIES=1, ANSWER_MS=50,
                 ROUNDS=2) as run:
        done = run.finish()
    assert done.code == 1
    assert done.texts("udp_client")[-1] == "done: 2 questions, 2 failures"


def test_short_connections_are_one_each(emu, peers):
    with started(emu, peers, "tcp-short", "--lab", ROUNDS=4, INTERVAL_MS=1) as run:
        done = run.finish()
    assert len(done.events("lab.accept", peer="echo")) == 4
    assert [e["rx"] for e in done.events("lab.close", peer="echo")] == [len("question 1")] * 4


def test_the_long_connection_comes_back_after_a_loss(emu, peers, tcp_server):
    with started(emu, peers, "tcp-long", HOST='"127.0.0.1"', PORT=tcp_server.port, ROUNDS=1,
                 RETRY_MS=1, HEARTBEAT_MS=50) as run:
        tcp_server.accept().close()
        run.wait_log("tcp_long", re.compile("connection lost"))
        peer = tcp_server.accept()
        heard = b""
        while b"heartbeat" not in heard:
            heard += peer.recv_exactly(1)
        peer.send(b"heartbeat")
        done = run.finish()
    assert done.code == 0
    assert done.texts("tcp_long").count(f"connected to 127.0.0.1 {tcp_server.port}") == 2


def test_the_pauses_between_connections_double(emu, peers):
    with started(emu, peers, "tcp-reconnect", "--lab", RETRY_MS_MIN=1, FAILURES_MAX=4,
                 ROUNDS=1) as run:
        done = run.finish()
    pauses = re.findall(r"again in (\d+) ms", "\n".join(done.texts("tcp_reconnect")))
    assert pauses == ["1", "2", "4", "8"]
    assert len(done.events("lab.accept", peer="hangup")) == 4
    assert len(done.events("lab.accept", peer="echo")) == 1


def test_the_one_to_many_server_serves_clients_at_the_same_time(emu, peers):
    """All three are there before the first of them leaves."""
    with started(emu, peers, "tcp-server-one-to-many", "--lab", ROUNDS=0) as run:
        for client in ("client1", "client2", "client3"):
            run.wait_log(client, re.compile("answer is question 2"))
        assert not [text for text in run.texts("tcp_server") if text.endswith("is gone")]


@pytest.mark.parametrize("name, quiet, listens_anew", [
    ("tcp-server-one-to-one", {"HOST": '"no.such.name"'}, True),  # where its own client looks
    ("tcp-server-one-to-many", {"CLIENTS": 0}, False),
])
def test_a_tcp_server_serves_the_outside(emu, peers, name, quiet, listens_anew):
    """As the README says: nc ADDRESS PORT."""
    port = peers.listen_port()
    with started(emu, peers, name, "--lab", "--net=T5", PORT=port, **quiet) as run:
        for client in (1, 2):
            run.wait_trace("netc.state", to="LISTEN", count=client if listens_anew else 1)
            peer = peers.tcp_client(port)
            peer.send(b"anybody there?")
            assert peer.recv_exactly(14) == b"anybody there?"
            peer.close()
            run.wait_log("tcp_server", re.compile("gone"), count=client)


def test_a_udp_server_serves_the_outside(emu, peers, udp_peer):
    port = peers.listen_port()
    with started(emu, peers, "udp-server", "--lab", "--net=T5", PORT=port, HOST='"no.such.name"',
                 ROUNDS=0) as run:
        run.wait_log("udp_server", f"ready on port {port}")
        udp_peer.send(b"hello", ("127.0.0.1", port))
        assert udp_peer.recv() == (b"you said hello", ("127.0.0.1", port))


def test_the_w5500_s_cable_is_pulled_and_put_back(emu, own, peers):
    """It tells of both, and goes on where it was."""
    ctl = emu.directory / "ctl"
    with started(emu, peers, "w5500", "--lab", "--ctl", ctl, ROUNDS=0, INTERVAL_MS=10, PATIENCE_MS=2000) as run:
        run.wait_log("w5500", re.compile("the answer is question 2"))
        emu.ctl(ctl, "link", "ETH0", "down")
        run.wait_log("w5500", "the chip says CABLE_REMOVE")
        run.wait_log("w5500", "has lost its address")
        emu.ctl(ctl, "link", "ETH0", "up")
        run.wait_log("w5500", "the chip says CABLE_INSERT", count=2)
        run.wait_log("w5500", re.compile("has the address"), count=2)
        answered = len([text for text in run.texts("w5500") if text.startswith("the answer")])
        run.wait_log("w5500", re.compile("the answer is"), count=answered + 2)
        run.stop()


def test_odd_peers_shows_what_a_script_sees_of_each(emu, peers):
    """RST and FIN end it, silence does not, and an answer from elsewhere is none."""
    with started(emu, peers, "odd-peers", "--lab") as run:
        done = run.finish()
    for name, seen in {"refused": "could not be connected to", "blackhole": "could not be connected to",
                       "reset": "connected; bytes heard: 1000 was ended by the peer",
                       "halfclose": "connected; bytes heard: 5 was ended by the peer",
                       "silent": "connected; bytes heard: 0 says nothing more",
                       "twice": "connected; bytes heard: 10 says nothing more",
                       "otherport": "connected; bytes heard: 0 says nothing more"}.items():
        assert done.texts(name) == [seen]
