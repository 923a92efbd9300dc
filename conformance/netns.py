"""A network of the test's own: nothing else listens on its ports, and its resolv.conf is ours.

    netns.resolv_conf("nameserver 127.0.0.1\\n")
    dns = netns.dnsmasq(records={"a.test": "10.0.0.1"})       # a real one, on port 53
    emu.run(script, netns=netns)
    netns.peers.udp(host="127.0.0.1", port=53)                # a peer in there (see peers.py)
    netns.run("ip", "addr", "add", "10.0.0.1/8", "dev", "lo")
    netns.link("wan", "10.1.0.2/16")                          # an interface

Needs no rights: user namespaces. Where they are not allowed the tests are skipped.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

from peers import Peers, until

HOLDER = Path(__file__).parent / "namespace_holder.py"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]


def why_not():
    """Why there can be no namespace here; None when there can."""
    for tool in ("unshare", "nsenter", "ip", "mount"):
        if not shutil.which(tool):
            return f"needs {tool}"
    tried = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, text=True)
    return f"no user namespaces here: {tried.stderr.strip()}" if tried.returncode else None


class Netns:
    def __init__(self, directory):
        self.directory = directory
        self.resolv = directory / "resolv.conf"
        self.resolv.write_text("")
        ours, theirs = socket.socketpair()
        setup = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && exec "$2" "$3" "$4"'
        self.holder = subprocess.Popen(
            [*UNSHARE, "sh", "-c", setup, "sh", str(self.resolv), sys.executable, str(HOLDER),
             str(theirs.fileno())], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self.control = ours
        self.lock = threading.Lock()
        self.daemons = []
        assert ours.recv(5) == b"ready", "the namespace did not come up"
        self.peers = Peers(make=self.socket)

    def command(self, argv):
        """What runs argv in there."""
        return ["nsenter", "--preserve-credentials", "--target", str(self.holder.pid), "--user",
                "--net", "--mount", *argv]

    def run(self, *argv):
        subprocess.run(self.command(argv), check=True)

    def link(self, name, *addresses):
        """An interface that is up; nothing is at its other end."""
        self.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}-peer")
        for address in addresses:
            self.run("ip", "addr", "add", address, "dev", name)
        self.run("ip", "link", "set", name, "up")
        self.run("ip", "link", "set", f"{name}-peer", "up")

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        """A socket that lives in there and is used here."""
        with self.lock:
            self.control.sendall(f"{int(family)} {int(kind)} {proto}".encode())
            _, fds, _, _ = socket.recv_fds(self.control, 1, 1)
        return socket.socket(fileno=fds[0])

    def resolv_conf(self, text):
        self.resolv.write_text(text)

    def dnsmasq(self, address="127.0.0.1", records=None, options=()):
        """A dnsmasq on port 53. records: {name: "address" or [addresses]}, answered as given;
        other names under .test do not exist. Returns an object with .queries: ["A a.test", ...]."""
        if not shutil.which("dnsmasq", path="/usr/sbin:" + os.environ["PATH"]):
            import pytest

            pytest.skip("needs dnsmasq")
        daemon = Dnsmasq(self, address, records or {}, options)
        self.daemons.append(daemon)
        return daemon

    def close(self):
        self.peers.close()
        for daemon in self.daemons:
            daemon.close()
        self.control.close()
        self.holder.wait(30)


class Dnsmasq:
    def __init__(self, netns, address, records, options):
        self.log = ""
        hosts = netns.directory / f"hosts-{address}"
        hosts.write_text("".join(
            f"{one} {name}\n" for name, given in records.items()
            for one in ([given] if isinstance(given, str) else given)))
        binary = shutil.which("dnsmasq", path="/usr/sbin:" + os.environ["PATH"])
        argv = [binary, "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--no-round-robin", "--local=/test/", f"--addn-hosts={hosts}",
                f"--listen-address={address}", "--bind-interfaces", "--log-queries", *options]
        self.process = subprocess.Popen(netns.command(argv), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        until(lambda: "started" in self.log and "read " in self.log or self._died(), "dnsmasq")

    def _read(self):
        for line in self.process.stderr:
            self.log += line

    def _died(self):
        assert self.process.poll() is None, self.log
        return False

    @property
    def queries(self):
        """["A a.test", "AAAA a.test", ...] in the order they came."""
        found = []
        for line in self.log.splitlines():
            if "query[" in line:
                kind, _, rest = line.partition("query[")[2].partition("] ")
                found.append(f"{kind} {rest.split()[0]}")
        return found

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.reader.join(30)
        self.process.stderr.close()
