"""Scenario files: what happens around a script, and what it must say to that.

How steps, patterns and rules work is in emu/scenario_test.c, on a virtual clock; here it is what they act
on, and what people see."""

import pytest

from conftest import ROOT

DEMO = ROOT / "scripts/demo/multi-network"
WAIT = """
sys.subscribe("IP_READY", function(ip, adapter) log.info("ready", adapter) end)
sys.subscribe("IP_LOSE", function(adapter) log.info("lose", adapter) end)
log.info("runs")
sys.run()
"""


@pytest.fixture
def scenario(tmp_path):
    """A file of that text: its options."""
    def make(text):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return ["--scenario", str(path), "--exit-on", "never"]
    return make


@pytest.mark.parametrize("who", ["emu", "ordinary"])
def test_the_demo_falls_over_and_back(request, own, who):
    """As root and as an ordinary user, by the file that the README shows."""
    done = request.getfixturevalue(who).run(DEMO, "--lab", "--net=own", "--scenario", DEMO / "fail-over.yaml")
    assert done.code == 0, done.stderr
    assert [text.split()[0] for text in done.texts("network")] == ["Ethernet", "Wi-Fi", "4G", "Ethernet"]
    assert done.stderr.endswith("fail-over.yaml: its 10 steps are done\n")


@pytest.mark.parametrize("time", ["real", "virtual"])
def test_links_go_down_and_up_at_their_times(emu, scenario, time):
    done = emu.run(WAIT, *scenario("""
steps:
- expect: user.runs
- at: 100ms
- do: link LWIP_GP down
- expect: user.lose 1
- wait: 200ms
- do: link LWIP_GP up
- expect: user.ready 1
- end: yes
"""), "--time", time)
    assert done.code == 0, done.stderr
    lose, = (e["t_us"] for e in done.events("log", tag="user.lose", text="1"))
    ready = [e["t_us"] for e in done.events("log", tag="user.ready", text="1")][-1]
    assert lose >= 100_000 and ready - lose >= 200_000
    if time == "virtual":
        assert (lose, ready - lose) == (100_000, 200_000)


def test_a_network_is_impaired_when_the_script_is_so_far(own, emu, scenario):
    done = emu.run("""
local libnet = require "libnet"
sys.taskInit(function()
    local function try()
        local netc = socket.create(socket.LWIP_ETH, "T")
        socket.config(netc, nil, true)
        log.info("try", libnet.connect("T", 500, netc, "netlab.luatos.com", 40123))
        socket.release(netc)
    end
    while not socket.adapter(socket.LWIP_ETH) do sys.waitUntil("IP_READY", 100) end
    try()
    sys.wait(200)
    try()
end, "T")
sys.run()
""".replace("sys.taskInit(", "sysplus.taskInitEx(").replace('end, "T")', 'end, "T")'), "--lab", *scenario("""
steps:
- expect: user.try true
- do: impair LWIP_ETH,dns=nxdomain
- expect: user.try false
- end: yes
"""))
    assert done.code == 0, done.stderr
    assert [text.split()[0] for text in done.texts("try")] == ["true", "false"]


@pytest.mark.parametrize("steps, line, why", [
    ("- expect: user.runs\n- expect: x\n  within: 50ms\n", 3, "this did not come within 0.050 s: x"),
    ("- never: runs\n- wait: 1min\n", 2, "this must never come, and came: runs"),
    ("- wait: 10ms\n- fail: so it is\n", 3, "so it is"),
    ("- do: capture\n", 2, "capture: there is no capture"),
    ("- expect: no such line\n  within: 1min\nlimit: 100ms\n", 2,
     "it has not ended within 0.100 s (limit: TIME allows more), and is at no such line"),
    ("- wait: 60min\nlimit: 100ms\n", 2,
     "it has not ended within 0.100 s (limit: TIME allows more), and is at wait: 60min"),
])
def test_a_failure_names_the_line_and_is_exit_code_7(emu, scenario, steps, line, why):
    """The last two never end by themselves. The trace has the run's exit code."""
    done = emu.run(WAIT, *scenario("steps:\n" + steps), sane=False)
    assert done.code == 7
    last = done.stderr.splitlines()[-1]
    assert last.startswith("luatos-emu: scenario failed: ") and f"x.yaml:{line}: {why}" in last
    assert done.events("exit")[0]["code"] == 7


@pytest.mark.parametrize("time", ["real", "virtual"])
def test_a_script_that_never_waits_is_ended_at_the_limit(emu, scenario, time):
    """The loop does not turn, and the clock of virtual time stands still."""
    done = emu.run('log.info("spins")\nwhile true do end\n', *scenario("""
limit: 500ms
steps:
- expect: spins
- expect: more
"""), "--time", time, sane=False)
    assert done.code == 7
    where, why = done.stderr.splitlines()
    assert where.startswith("luatos-emu: the scenario's limit is over; the script was at ")
    assert "x.yaml:5: it has not ended within 0.500 s (limit: TIME allows more), and is at more" in why


def test_a_scenario_that_is_done_limits_nothing(emu, scenario):
    """Neither a script that works on for long nor one that waits."""
    done = emu.run("""
log.info("begins")
sys.timerStart(function()
    local start = os.clock()
    while os.clock() - start < 0.4 do end
    os.exit(0)
end, 300)
sys.run()
""", *scenario("limit: 200ms\nsteps:\n- expect: begins\n"))
    assert done.code == 0, done.stderr


def test_a_rule_acts_as_often_as_it_says(emu, scenario):
    """A cable that is pulled each time the script has got an address, two times."""
    done = emu.run(WAIT, *scenario("""
steps:
- {expect: user.lose 4, within: 10s}
- {expect: user.lose 4, within: 10s}
- expect: user.ready 4
- wait: 100ms
- end: yes
whenever:
- on: {kind: log, tag: user.ready, text: "4"}
  do: link LWIP_ETH down
  times: 2
- on: {tag: user.lose, text: /^4$/}
  do: link LWIP_ETH up
"""))
    assert done.code == 0, done.stderr
    eth = [(e["tag"], e["text"]) for e in done.events("log") if e.get("text") == "4"]
    assert eth == 2 * [("user.ready", "4"), ("user.lose", "4")] + [("user.ready", "4")]


def test_a_seed_decides_what_is_lost_from_an_event_on(emu, peers, scenario):
    """A rule that a scenario puts in force hits the same datagrams each time, and none before it."""
    def lost(seed):
        peer = peers.udp()
        done = emu.run("""
local libnet = require "libnet"
sys.taskInitEx(function()
    local netc = socket.create(socket.LWIP_ETH, "t")
    socket.config(netc, nil, true)
    assert(libnet.connect("t", 0, netc, "127.0.0.1", tonumber(os.getenv("PORT"))))
    for i = 1, 50 do socket.tx(netc, string.format("%04d", i)) end
    sys.wait(100)
    log.info("bad from here")
    sys.wait(100)
    for i = 51, 250 do socket.tx(netc, string.format("%04d", i)) end
    sys.wait(200)
    log.info("sent")
end, "t")
sys.run()
""", "--seed", seed, *scenario("""
steps:
- expect: bad from here
- do: impair LWIP_ETH:up,loss=10%
- expect: user.sent
- end: yes
"""), env={"PORT": peer.port})
        assert done.code == 0, done.stderr
        peer.sock.settimeout(0)
        arrived = []
        while True:
            try:
                arrived.append(int(peer.recv()[0]))
            except BlockingIOError:
                break
        return sorted(set(range(1, 251)) - set(arrived))
    once = lost(1)
    assert once and once[0] > 50
    assert lost(1) == once and lost(2) != once


def test_in_virtual_time_a_run_repeats_itself(emu, scenario):
    """Line by line, with its times."""
    args = [*scenario("""
steps:
- at: 100ms
- do: link LWIP_STA down
- wait: 1min
- do: [link LWIP_STA up, link LWIP_ETH down]
- expect: user.lose 4
- end: yes
limit: 2min
"""), "--time", "virtual", "--seed", "1"]
    once, again = emu.run(WAIT, *args), emu.run(WAIT, *args)
    assert once.code == 0, once.stderr
    assert once.trace == again.trace
    assert once.events("exit")[0]["t_us"] == 60_100_000


PEER = """
local libnet = require "libnet"
local function try()
    local netc = socket.create(nil, "t")
    socket.config(netc)
    local ok = libnet.connect("t", 5000, netc, "echo.lab", 40123)
    log.info("connected", ok)
    while ok do
        ok = libnet.wait("t", 20000, netc)
        local _, data = socket.read(netc)
        if ok and data and #data > 0 then log.info("heard", data) end
    end
    log.info("over")
    socket.close(netc)
    socket.release(netc)
end
sys.taskInitEx(function()
    while not socket.adapter(socket.dft()) do sys.waitUntil("IP_READY", 100) end
    for _ = 1, 4 do
        try()
        sys.wait(50)
    end
end, "t")
sys.run()
"""


@pytest.mark.parametrize("net", ["own", "T5"])
def test_peers_of_the_lab_do_what_they_are_told(emu, scenario, net, request):
    """Say something, end, reset, go away and come back: on a network of its own, and on loopback."""
    if net == "own":
        request.getfixturevalue("own")
    done = emu.run(PEER, "--lab", f"--net={net}", *scenario("""
steps:
- expect: user.connected true
- do: peer echo say good  morning
- expect: user.heard good morning
- do: peer echo close
- expect: user.over
- expect: user.connected true
- do: [peer echo reset, peer echo stop]
- expect: user.over
- expect: user.connected false
- expect: user.over
- do: peer echo start
- expect: user.connected true
- end: yes
"""))
    assert done.code == 0, done.stderr
    assert [e["action"] for e in done.events("lab.act")] == ["say", "close", "reset", "stop", "start"]
    assert len(done.events("lab.accept", peer="echo")) == 3


def test_a_peer_takes_a_lab(emu, scenario):
    done = emu.run(WAIT, *scenario("steps:\n- do: peer echo close\n"), sane=False)
    assert done.code == 7 and "x.yaml:2: peer echo close: there is no lab; --lab makes one" in done.stderr


def test_a_script_that_ends_before_its_scenario_failed(emu, scenario):
    done = emu.run("os.exit(0)\n", *scenario("steps:\n- expect: more\n"))
    assert done.code == 7
    assert "x.yaml:2: the run ended before this: more" in done.stderr


def test_a_script_that_fails_keeps_its_exit_code(emu, scenario):
    done = emu.run("error('on purpose')\n", *scenario("steps:\n- expect: more\n"), sane=False)
    assert done.code == 1


@pytest.mark.parametrize("text, why", [
    ("steps:\n- do: linck LWIP_GP down\n", "x.yaml:2: linck LWIP_GP down: there is no such command"),
    ("steps:\n- do:\n  - link LWIP_GP up\n  - link LWIP_GP\n", "x.yaml:4: link LWIP_GP: usage: link ADAPTER"),
    ("steps:\n- do: link ETH9 down\n", 'x.yaml:2: link ETH9 down: there is no adapter "ETH9"'),
    ("steps:\n- do: link USB sideways\n", "x.yaml:2: link USB sideways: a link goes up or down"),
    ("steps:\n- do: impair LWIP_GP,loss=200%\n", "x.yaml:2: impair LWIP_GP,loss=200%: loss= takes 0%"),
    ("steps:\n- do: peer ecko close\n", 'x.yaml:2: peer ecko close: the lab has no "ecko"; '),
    ("steps:\n- do: peer echo say\n", "x.yaml:2: peer echo say: usage: peer NAME close|"),
    ("steps:\n- do: peer echo close now\n", "x.yaml:2: peer echo close now: usage: peer NAME close|"),
    ("steps:\n- do: gpio 999 1\n", "x.yaml:2: gpio 999 1: pins are 0 to"),
    ("steps:\n- expect: /(/\n", "x.yaml:2: steps.expect: this regular expression can't be used"),
    ("steps:\n- end: yes\nwhenever:\n- on: a\n  do: linck\n", "x.yaml:5: linck: there is no such command"),
    ("limit: 3s\n", "x.yaml:1: it has no steps"),
    ("steps:\n- wate: 3s\n", "x.yaml:2: steps.wate: "),
    ("steps:\n- wait: [1s]\n", "x.yaml:2: steps.wait: "),
    ("steps: [\n", "x.yaml:"),
    ("\0", "x.yaml:"),
])
def test_a_file_that_is_no_scenario_is_one_line_and_exit_code_2(emu, scenario, text, why):
    done = emu.run(WAIT, *scenario(text), sane=False)
    line, = done.stderr.splitlines()
    assert done.code == 2 and line.startswith("luatos-emu: --scenario: ") and why in line


@pytest.mark.parametrize("path", ["/", "/dev/zero"])
def test_a_folder_and_what_has_no_end_are_no_scenario(emu, path):
    done = emu.run(WAIT, "--scenario", path, sane=False)
    line, = done.stderr.splitlines()
    assert done.code == 2 and f"--scenario: {path} " in line


def test_a_file_that_is_not_there(emu, tmp_path):
    done = emu.run(WAIT, "--scenario", tmp_path / "nowhere.yaml", sane=False)
    line, = done.stderr.splitlines()
    assert done.code == 2 and "nowhere.yaml" in line and "No such file" in line
