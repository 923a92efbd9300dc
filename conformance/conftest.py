"""Drive the luatos-emu binary as a user would. Run from the repository root:

    python3 -m pytest conformance [-n 4] [--luatos-emu=build/dev/luatos-emu] [--matrix]

Fixtures
    emu         runs of the emulator                             harness.py
    user_emu    the same of an ordinary user, when this is root
    ordinary    runs of an ordinary user in any case
    tasks       runs of Lua that is the body of one task         harness.py, task.lua
    peers       sockets to talk to                               peers.py
    tcp_server  peers.tcp_server(): 127.0.0.1, a free port
    udp_peer    peers.udp(): 127.0.0.1, a free port
    netns       a network of the test's own, with DNS            netns.py
    tls         TLS and DTLS servers                             tls_peers.py
    lab         the built-in network of a run that only waits    labs.py
    alone       a W5500 without a script, driven by vspi.py
    own         skips where no network of our own can be made
Rules: no fixed ports, no sleeping, no assertion about how long something took; a case that a test
runs lies in cases/<topic>/<what-happens>.lua and begins with a comment sentence that says it.
"""

import os
import pwd
import re
import shutil
from pathlib import Path

import pytest

import netns as netns_module
from harness import Emu, Tasks
from labs import WAIT, Lab
from peers import Peers
from tls_peers import TlsPeers

ROOT = Path(__file__).parent.parent
pytest_plugins = ["matrix"]


def pytest_addoption(parser):
    parser.addoption("--luatos-emu", default=str(ROOT / "build/dev/luatos-emu"),
                     help="the binary under test (default: build/dev/luatos-emu)")


@pytest.fixture(scope="session")
def luatos_emu(request):
    """Path of the binary."""
    path = Path(request.config.getoption("--luatos-emu")).resolve()
    if not path.exists():
        pytest.fail(f"{path} does not exist: build it, or give --luatos-emu=PATH", pytrace=False)
    return str(path)


@pytest.fixture
def emu(luatos_emu, tmp_path):
    emu = Emu(luatos_emu, tmp_path)
    yield emu
    left = emu.close()
    if left:
        pytest.fail(f"{left} run(s) left alive: finish() or stop() them", pytrace=False)


@pytest.fixture
def user_emu(luatos_emu, tmp_path_factory):
    """Runs of an ordinary user, in a folder of that user's."""
    if os.geteuid() != 0:
        pytest.skip("is what every run is when the tests do not run as root")
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("needs a user nobody")
    folder = tmp_path_factory.mktemp("user")
    for part in [folder, *folder.parents]:
        if part.stat().st_mode & 0o001 == 0:
            part.chmod(part.stat().st_mode | 0o011)
    binary = folder / "luatos-emu"
    shutil.copy(luatos_emu, binary)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    emu = Emu(str(binary), folder, prefix=[shutil.which("setpriv"), "--reuid", "nobody", "--regid",
                                           str(nobody.pw_gid), "--clear-groups"])
    yield emu
    left = emu.close()
    if left:
        pytest.fail(f"{left} run(s) left alive: finish() or stop() them", pytrace=False)


@pytest.fixture
def ordinary(request):
    """Runs of an ordinary user: of another one when this is root."""
    return request.getfixturevalue("user_emu" if os.geteuid() == 0 else "emu")


@pytest.fixture
def tasks(emu):
    return Tasks(emu)


@pytest.fixture
def peers():
    peers = Peers()
    yield peers
    peers.close()


@pytest.fixture
def tcp_server(peers):
    return peers.tcp_server()


@pytest.fixture
def udp_peer(peers):
    return peers.udp()


@pytest.fixture
def tls(peers, tmp_path):
    tls = TlsPeers(peers, tmp_path)
    yield tls
    tls.close()


@pytest.fixture
def lab(emu, peers, tmp_path):
    with emu.start(WAIT, "--lab", "--net=T5") as run:
        yield Lab(run, peers, tmp_path)
        run.wait_log("lab-client.key")  # the script runs: it can be stopped
        done = run.stop()
    done.assert_sane()


@pytest.fixture(scope="session")
def netns_obstacle():
    return netns_module.why_not()


@pytest.fixture
def own(netns_obstacle):
    if netns_obstacle and os.geteuid() != 0:
        pytest.skip(netns_obstacle)


@pytest.fixture
def netns(netns_obstacle, tmp_path):
    if netns_obstacle:
        pytest.skip(netns_obstacle)
    directory = tmp_path / "netns"
    directory.mkdir()
    netns = netns_module.Netns(directory)
    yield netns
    netns.close()


class Alone:
    """`luatos-emu w5500`, and what it said of itself: told["mac"] and so on."""

    def __init__(self, run, path):
        self.run, self.path = run, path

    def __enter__(self):
        self.run.__enter__()
        said = self.run.wait(lambda: re.search(r"^w5500 (.*)\n", self.run.stdout, re.M),
                             "the line that says where it listens")
        self.told = dict(word.split("=", 1) for word in said.group(1).split())
        return self

    def __exit__(self, *args):
        self.run.__exit__(*args)


@pytest.fixture
def alone(emu, own, tmp_path):
    """alone("--lab") starts a chip that is driven at its .path."""
    path = tmp_path / "spi"
    return lambda *args, **options: Alone(emu.start_w5500("--spi", path, *args, **options), path)
