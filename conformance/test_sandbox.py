"""--sandbox: the kernel refuses the script's process every file that the command line does not name."""

import os
import re
import subprocess
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parent.parent / "scripts" / "demo"
STATUS = {"CapInh", "CapPrm", "CapEff", "CapAmb"}
BIND_SERVICE = 1 << 10  # capability.h CAP_NET_BIND_SERVICE

READ = """
print(io.exists("/luadb/secret.txt"), pcall(io.readFile, "/luadb/secret.txt"))
print("own", io.readFile("/luadb/own.txt"))
os.exit(0)
"""


@pytest.fixture(name="landlock", autouse=True)
def _landlock(emu, tmp_path):
    """Without Landlock there is nothing to test: that --sandbox says so then is another test."""
    (tmp_path / "nothing.lua").write_text("os.exit(0)")
    done = emu.run(tmp_path / "nothing.lua", "--sandbox")
    if "no Landlock" in done.stderr:
        assert done.code == 4
        pytest.skip("this kernel has no Landlock")


@pytest.fixture(name="project")
def _project(tmp_path):
    """A project with a link that leads out of it, which the module's file system would follow."""
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (project / "secret.txt").symlink_to(tmp_path / "secret.txt")
    (project / "own.txt").write_text("mine")
    (project / "main.lua").write_text(READ)
    return project


def test_a_link_out_of_the_project_is_followed_without_it(emu, project):
    """What the next test shows is the sandbox's doing, not the file system's."""
    done = emu.run(project, "--no-sandbox")
    assert "true true secret" in "\n".join(done.prints)
    assert "own mine" in "\n".join(done.prints)


@pytest.mark.parametrize("how", [["--sandbox"], ["CI"]])
def test_a_link_out_of_the_project_leads_nowhere(emu, project, how):
    """Landlock looks at the file, not at the way to it; CI=true asks for it too."""
    env = {"CI": "true"} if how == ["CI"] else {"CI": ""}
    done = emu.run(project, *[word for word in how if word != "CI"], env=env)
    assert "secret" not in "\n".join(done.prints)
    assert "own mine" in "\n".join(done.prints)
    assert done.code == 0


def test_the_last_of_both_options_counts(emu, project):
    """As everywhere on the command line."""
    assert "true true secret" in emu.run(project, "--sandbox", "--no-sandbox").prints[0]
    assert "true true secret" not in emu.run(project, "--no-sandbox", "--sandbox").prints[0]


def test_files_named_alone_and_flash_files_are_had(emu, tmp_path):
    """A script, a file beside it, a file from elsewhere, and the module's own flash."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ca.pem").write_text("ca")
    (tmp_path / "beside.lua").write_text("return 'beside'")
    (tmp_path / "main.lua").write_text("""
print(require "beside", io.readFile("/luadb/ca.pem"))
io.writeFile("/flash.txt", "kept")
print(io.readFile("/flash.txt"))
os.remove("/flash.txt")
print(io.exists("/flash.txt"))
os.exit(0)
""")
    done = emu.run(elsewhere / "ca.pem", "--sandbox", tmp_path / "main.lua")
    assert done.code == 0, done.stderr
    assert "beside ca" in "\n".join(done.prints)
    assert "kept" in "\n".join(done.prints)


def test_the_control_socket_is_removed_at_the_end(emu, tmp_path):
    """Its folder is open for that, and for nothing else."""
    (tmp_path / "main.lua").write_text("os.exit(0)")
    done = emu.run(tmp_path / "main.lua", "--sandbox", "--ctl", tmp_path / "ctl")
    assert done.code == 0, done.stderr
    assert not (tmp_path / "ctl").exists()


def test_the_tour_runs_in_it(emu):
    """DNS, TCP, UDP and timers against the lab."""
    done = emu.run(DEMO / "tour", "--lab", "--sandbox")
    assert done.code == 0, done.stderr


def test_the_script_runs_without_privileges(emu, tmp_path):
    """capabilities(7), prctl(2): none is left but binding low ports for a true root."""
    (tmp_path / "wait.lua").write_text('log.info("up", "now") require("sys").run()')
    with emu.start(tmp_path / "wait.lua", "--sandbox", "--exit-on", "never") as run:
        run.wait_log("up")
        status = Path(f"/proc/{run.process.pid}/status").read_text()
    fields = dict(re.findall(r"^(\w+):\s+(\S+)", status, re.MULTILINE))
    allowed = BIND_SERVICE if os.geteuid() == 0 else 0
    for name in STATUS:
        assert int(fields[name], 16) & ~allowed == 0, f"{name} is {fields[name]}"
    assert fields["NoNewPrivs"] == "1"


def test_no_file_of_the_host_is_open(emu, tmp_path):
    """What is open stays usable in a sandbox: so nothing may be open that it would refuse."""
    (tmp_path / "wait.lua").write_text('log.info("up", "now") require("sys").run()')
    with emu.start(tmp_path / "wait.lua", "--sandbox", "--exit-on", "never") as run:
        run.wait_log("up")
        listing = subprocess.run(["ls", "-l", f"/proc/{run.process.pid}/fd"], capture_output=True,
                                 text=True, check=True).stdout
    opened = [line.split(" -> ")[1] for line in listing.splitlines() if " -> " in line]
    files = [name for name in opened if name.startswith("/") and not name.startswith("/memfd:")
             and not name.startswith("/dev/") and str(tmp_path) not in name]
    assert not files
