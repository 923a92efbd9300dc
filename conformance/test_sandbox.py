"""--sandbox: the kernel refuses the script's process every file that is not the run's own; and what
that process may do besides: privileges."""

import os
import re
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from harness import Emu
from test_demo import DEMOS, started

WITHOUT_LANDLOCK = [sys.executable, str(ROOT / "conformance/forbid.py"), "landlock"]
WAIT = 'log.info("runs")\nsys.run()\n'
READ = """
for _, name in ipairs{"own.txt", "link.txt", "root.txt", "passwd"} do
    log.info(name, io.readFile("/luadb/" .. name))
end
os.exit(0)
"""


@pytest.fixture
def landlock(emu):
    """Without Landlock there is nothing to test: that --sandbox says so then is another test."""
    done = emu.run("os.exit(0)\n", "--sandbox")
    if "no Landlock" in done.stderr:
        assert done.code == 4
        pytest.skip("this kernel has no Landlock")


def make_project(directory):
    """A project with links that lead out of it, which the module's file system follows."""
    project = directory / "project"
    project.mkdir()
    (directory / "secret.txt").write_text("secret")
    (project / "own.txt").write_text("mine")
    (project / "link.txt").symlink_to(directory / "secret.txt")
    (project / "root.txt").symlink_to(f"/proc/self/root{directory}/secret.txt")
    (project / "passwd").symlink_to("/etc/passwd")
    (project / "main.lua").write_text(READ)
    return project


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def read(done):
    """What the script got of each file, in READ's order."""
    assert done.code == 0, done
    return [text for level, tag, text in done.log if tag and tag.startswith("user.")]


def test_without_a_sandbox_links_lead_out_of_the_project(emu, project):
    """That the next tests find nothing is the sandbox's doing, not the file system's."""
    own, link, root, passwd = read(emu.run(project, "--no-sandbox"))
    assert (own, link, root) == ("mine", "secret", "secret")
    assert "root:" in passwd


@pytest.mark.parametrize("named", ["project", "project/main.lua"])
def test_in_a_sandbox_links_lead_nowhere(landlock, emu, project, named):
    """Landlock looks at the file, not at the way to it: not by a link, not by /proc/self/root. Files
    in a folder that is named and files beside the script are the run's own."""
    assert read(emu.run(project.parent / named, "--sandbox")) == ["mine", "", "", ""]


def test_an_ordinary_user_has_a_sandbox_too(landlock, user_emu):
    project = make_project(user_emu.directory)
    assert read(user_emu.run(project, "--sandbox")) == ["mine", "", "", ""]


def test_folders_beside_the_script_are_closed(landlock, emu, tmp_path):
    """A script in somebody's home reaches what lies beside it, and not ~/.ssh."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id").write_text("secret")
    (tmp_path / "way.txt").symlink_to(".ssh/id")
    script = 'log.info("read", io.readFile("/luadb/way.txt"), io.readFile("/luadb/beside.txt"))\nos.exit(0)\n'
    files = {"beside.txt": "beside"}
    assert emu.run(script, "--no-sandbox", files=files).texts("read") == ["secret beside"]
    assert emu.run(script, "--sandbox", files=files).texts("read") == ["nil beside"]


def test_ci_asks_for_a_sandbox(landlock, emu, project):
    """CI=true, as GitHub, GitLab and most others set it; the trace says what there is."""
    done = emu.run(project, env={"CI": "true"})
    assert read(done) == ["mine", "", "", ""]
    event, = done.events("sandbox")
    assert event["on"] is True and event["landlock"] >= 1
    assert not emu.run(project, env={"CI": "1"}).events("sandbox")
    assert not emu.run(project, "--no-sandbox", env={"CI": "true"}).events("sandbox")


def test_the_last_of_both_options_counts(landlock, emu, project):
    assert read(emu.run(project, "--sandbox", "--no-sandbox"))[1] == "secret"
    assert read(emu.run(project, "--no-sandbox", "--sandbox"))[1] == ""


def test_without_landlock_a_sandbox_that_is_demanded_is_refused(emu):
    """Exit code 4, one line; the script does not begin."""
    done = emu.run("log.info('runs')\nos.exit(0)\n", "--sandbox", prefix=WITHOUT_LANDLOCK)
    assert done.code == 4
    assert re.fullmatch(r"luatos-emu: --sandbox: this kernel has no Landlock: [^\n]*\n", done.stderr)
    assert not done.texts("runs")


def test_without_landlock_ci_runs_without_a_sandbox_and_says_so(emu):
    done = emu.run("os.exit(0)\n", env={"CI": "true"}, prefix=WITHOUT_LANDLOCK)
    assert done.code == 0
    assert re.fullmatch(r"luatos-emu: no sandbox, though CI=true asks for one: this kernel has no "
                        r"Landlock[^\n]*\n", done.stderr)
    assert [(event["on"], event["landlock"]) for event in done.events("sandbox")] == [(False, 0)]


def test_what_is_named_and_what_is_in_flash_is_had(landlock, emu, tmp_path):
    """A file beside the script, one from elsewhere, one named by a link, and the module's own flash."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ca.pem").write_text("ca")
    (elsewhere / "real.pem").write_text("linked")
    (tmp_path / "named.pem").symlink_to(elsewhere / "real.pem")
    (tmp_path / "beside.lua").write_text("return 'beside'")
    script = emu.lua("""
log.info("beside", (require "beside"))
log.info("named", io.readFile("/luadb/ca.pem"), io.readFile("/luadb/named.pem"))
io.mkdir("/sub")
io.writeFile("/sub/flash.txt", "kept")
os.rename("/sub/flash.txt", "/other.txt")
log.info("flash", io.readFile("/other.txt"), os.remove("/other.txt"), io.exists("/other.txt"))
os.exit(0)
""")
    done = emu.run(elsewhere / "ca.pem", "--sandbox", script, tmp_path / "named.pem")
    assert done.code == 0, done
    assert done.texts("beside") == ["beside"]
    assert done.texts("named") == ["ca linked"]
    assert done.texts("flash") == ["kept true false"]


def test_a_serial_port_is_made_in_a_sandbox(landlock, emu):
    """Its terminal is opened when the script sets it up."""
    with emu.start('log.info("uart", uart.setup(1))\nsys.run()\n', "--sandbox", "--exit-on",
                   "never") as run:
        run.wait_log("uart", "0")
        path = run.wait_trace("uart.open")["path"]
        assert Path(path).exists()
        run.stop()


def test_the_control_socket_is_removed_at_the_end(landlock, emu, tmp_path):
    assert emu.run("os.exit(0)\n", "--sandbox", "--ctl", tmp_path / "ctl").code == 0
    assert not (tmp_path / "ctl").exists()


@pytest.mark.parametrize("name", DEMOS)
def test_every_demo_runs_in_a_sandbox(landlock, emu, peers, name):
    endless = {"multi-network": {"ROUNDS": 3}}
    with started(emu, peers, name, "--lab", "--sandbox", **endless.get(name, {})) as run:
        assert run.finish().code == 0
    assert run.events("sandbox", on=True)


def test_a_sandbox_leaves_open_only_what_it_has_to(landlock, emu, tmp_path):
    """What is open stays usable in a sandbox: so no file of the host's is, but the run's own."""
    with emu.start(WAIT, "--sandbox", "--exit-on", "never", "--keylog", tmp_path / "keys") as run:
        run.wait_log("runs")
        fds = Path(f"/proc/{run.process.pid}/fd")
        opened = {os.readlink(fd) for fd in fds.iterdir()}
        run.stop()
    assert {name for name in opened if name.startswith("/") and not name.startswith("/memfd:")} == {
        "/dev/null", str(tmp_path / "keys")}


# ---- privileges ------------------------------------------------------------------------------------

LOW_PORTS = 1 << 10  # CAP_NET_BIND_SERVICE


def status(pid):
    return dict(re.findall(r"^(\w+):\t(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def assert_powerless(fields):
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(fields[name], 16) == 0, f"{name} is {fields[name]}"
    assert fields["NoNewPrivs"] == "1"
    assert fields["Groups"].strip() == ""


@pytest.mark.parametrize("options", [[], ["--sandbox"], ["--lab"]])
def test_a_root_gives_up_what_it_has(emu, options):
    """capabilities(7): none is left, none can come back; no group but its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with emu.start(WAIT, "--exit-on", "never", *options) as run:
        run.wait_log("runs")
        fields = status(run.process.pid)
        run.stop()
    assert_powerless(fields)
    assert int(fields["CapBnd"], 16) == 0


@pytest.mark.parametrize("options", [["--net", "own"],
                                     ["--bind", "LWIP_ETH=netns:/proc/self/ns/net"]])
def test_a_keeper_has_what_it_needs_and_no_more(emu, netns_obstacle, options):
    """keeper.h: links, packet and raw sockets, namespaces, ports. None of the others can come back."""
    if netns_obstacle and os.geteuid() != 0:
        pytest.skip(netns_obstacle)
    with emu.start(WAIT, "--exit-on", "never", *options) as run:
        run.wait_log("runs")
        pid = run.process.pid
        keepers = [status(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        fields, = [keeper for keeper in keepers if int(keeper["CapPrm"], 16) != LOW_PORTS]
        run.stop()
    needed = LOW_PORTS | 1 << 12 | 1 << 13 | 1 << 21
    for name in ("CapPrm", "CapEff"):
        assert int(fields[name], 16) & ~needed == 0, f"{name} is {fields[name]}"
    assert int(fields["CapInh"], 16) == int(fields["CapBnd"], 16) == int(fields["CapAmb"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_who_binds_for_a_root_can_do_nothing_else(emu):
    """keeper_stay(): on the host's network a process with the one capability that low ports take."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with emu.start(WAIT, "--exit-on", "never") as run:
        run.wait_log("runs")
        pid = run.process.pid
        keeper, = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        fields = status(keeper)
        run.stop()
    assert int(fields["CapPrm"], 16) == int(fields["CapEff"], 16) == LOW_PORTS
    assert int(fields["CapInh"], 16) == int(fields["CapBnd"], 16) == int(fields["CapAmb"], 16) == 0


LISTEN = """
sys.taskInit(function()
    local netc = socket.create(socket.LWIP_ETH, function(netc, event)
        log.info("event", event)
    end)
    socket.config(netc, tonumber(os.getenv("PORT")), os.getenv("UDP") == "1")
    if os.getenv("UDP") == "1" then
        log.info("begun", socket.connect(netc, os.getenv("TO"), tonumber(os.getenv("AT"))))
        sys.wait(200)
        log.info("sent", socket.tx(netc, "hello"))
    else
        log.info("begun", socket.listen(netc))
    end
end)
sys.run()
"""


@pytest.mark.parametrize("options", [[], ["--bind", "LWIP_ETH=netns:/proc/self/ns/net"]], ids=["host", "netns"])
def test_a_root_has_ports_below_1024_without_the_capability(emu, netns, options):
    """A module's servers have them: somebody else binds."""
    with emu.start(LISTEN, "--exit-on", "never", *options, netns=netns, env={"PORT": 80}) as run:
        run.wait_trace("netc.state", to="LISTEN")
        client = netns.peers.tcp_client(80)
        run.wait_trace("netc.state", to="ONLINE")
        assert_no_rights(run)
        client.close()
        run.stop()


def test_so_do_datagrams(emu, netns):
    peer = netns.peers.udp()
    with emu.start(LISTEN, "--exit-on", "never", netns=netns,
                   env={"PORT": 123, "UDP": 1, "TO": peer.host, "AT": peer.port}) as run:
        data, address = peer.sock.recvfrom(100)
        assert (data, address[1]) == (b"hello", 123)
        run.stop()


def assert_no_rights(run):
    """Of nsenter's run, which becomes the emulator."""
    fields = status(run.process.pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(fields[name], 16) == 0, f"{name} is {fields[name]}"


def test_an_ordinary_user_has_nothing_to_give_up(user_emu):
    with user_emu.start(WAIT, "--exit-on", "never") as run:
        run.wait_log("runs")
        assert_powerless(status(run.process.pid))
        run.stop()


def test_who_called_sudo_is_who_runs_the_script(luatos_emu, user_emu):
    """The caller's ids again, and nothing of root is left."""
    owner = user_emu.directory.stat()
    as_root = Emu(luatos_emu, user_emu.directory, prefix=["setpriv", "--groups", "4,6"])
    with as_root.start(WAIT, "--exit-on", "never", env={"SUDO_UID": owner.st_uid,
                                                        "SUDO_GID": owner.st_gid}) as run:
        run.wait_log("runs")
        fields = status(run.process.pid)
        run.stop()
    assert_powerless(fields)
    assert fields["Uid"].split() == [str(owner.st_uid)] * 4
    assert fields["Gid"].split() == [str(owner.st_gid)] * 4
