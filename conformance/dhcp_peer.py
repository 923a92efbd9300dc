"""A DHCP server of the tests' own: leases of seconds, refusals, lies.

    server = netns.dhcp_server("srv", "10.9.0.1")    # on an interface; it has that address there
    server.lease_s = 4                               # of what it gives from now on
    server.address = "10.9.0.50"                     # what it gives
    server.manners = "serve"                         # or "refuse" (NAK), "silent"
    server.extra = {26: b"..."}                      # more options
    server.heard                                     # messages: .type, .ciaddr, .options, .source

RFC 2131 and 2132, written for the tests and not from the emulator's code.
"""

import random
import shutil
import socket
import struct
import subprocess
import threading

import pytest

COOKIE = 0x63825363
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
NAMES = {DISCOVER: "DISCOVER", REQUEST: "REQUEST", DECLINE: "DECLINE", RELEASE: "RELEASE",
         INFORM: "INFORM", OFFER: "OFFER", ACK: "ACK", NAK: "NAK"}
BROADCAST = "255.255.255.255"


def udhcpc(command, interface, directory, *args):
    """{name: value} of what busybox's client was given on an interface; {} when it was given nothing.
    command: what makes an argv run where the interface is."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("needs busybox")
    script, out = directory / "udhcpc.sh", directory / f"udhcpc-{random.random()}"
    script.write_text('#!/bin/sh\nenv > "$OUT/$1"\n')
    script.chmod(0o755)
    out.mkdir()
    subprocess.run(command(["env", f"OUT={out}", busybox, "udhcpc", "-i", interface, "-f", "-n", "-q",
                            "-s", str(script), *args]),
                   check=False, timeout=150, capture_output=True)
    if not (out / "bound").exists():
        return {}
    return dict(line.split("=", 1) for line in (out / "bound").read_text().splitlines() if "=" in line)


def ip4(text):
    return socket.inet_aton(text)


class Message:
    """A client's."""

    def __init__(self, data, source):
        (self.op, self.htype, self.hlen, _, self.xid, self.secs, self.flags, ciaddr, yiaddr, _,
         giaddr, chaddr) = struct.unpack(">BBBBIHH4s4s4s4s16s", data[:44])
        assert struct.unpack(">I", data[236:240])[0] == COOKIE
        self.ciaddr, self.yiaddr, self.giaddr = map(socket.inet_ntoa, (ciaddr, yiaddr, giaddr))
        self.mac = chaddr[:self.hlen]
        self.source = source
        self.options = {}
        at = 240
        while data[at] != 255:
            if data[at] == 0:
                at += 1
                continue
            self.options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        self.type = NAMES[self.options[53][0]]

    def __repr__(self):
        return f"{self.type} ciaddr={self.ciaddr} from={self.source}"


class DhcpServer:
    def __init__(self, sock, ifname, ip):
        self.ip, self.address, self.mask = ip, "10.9.0.50", "255.255.255.0"
        self.dns = [ip]
        self.lease_s = 3600
        self.manners = "serve"
        self.extra = {}
        self.before = []  # datagrams that come before an answer
        self.heard = []
        self.sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind(("", 67))
        self.wake, self.woken = socket.socketpair()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def types(self):
        return [message.type for message in list(self.heard)]

    def reply(self, to, kind, options):
        """Bytes of an answer."""
        address = "0.0.0.0" if kind == NAK else self.address
        data = struct.pack(">BBBBIHH4s4s4s4s16s", 2, 1, 6, 0, to.xid, 0, to.flags,
                           ip4(to.ciaddr if kind == ACK else "0.0.0.0"), ip4(address), ip4("0.0.0.0"),
                           ip4(to.giaddr), to.mac)
        data += bytes(64 + 128) + struct.pack(">I", COOKIE)
        for code, value in {53: bytes([kind]), 54: ip4(self.ip), **options}.items():
            data += bytes([code, len(value)]) + value
        return data + b"\xff"

    def _network(self):
        return {1: ip4(self.mask), 3: ip4(self.ip), 6: b"".join(map(ip4, self.dns)),
                51: struct.pack(">I", self.lease_s), **self.extra}

    def _answer(self, message):
        if message.type == "DISCOVER":
            return self.reply(message, OFFER, self._network())
        if message.type != "REQUEST":
            return None
        wanted = message.ciaddr if message.ciaddr != "0.0.0.0" else socket.inet_ntoa(
            message.options.get(50, bytes(4)))
        if self.manners == "refuse" or wanted != self.address:
            return self.reply(message, NAK, {56: b"not here"})
        return self.reply(message, ACK, self._network())

    def _serve(self):
        import select

        while True:
            if self.woken in select.select([self.sock, self.woken], [], [])[0]:
                return
            data, source = self.sock.recvfrom(2048)
            message = Message(data, source[0])
            self.heard.append(message)
            answer = None if self.manners == "silent" else self._answer(message)
            if answer is None:
                continue
            is_nak = bytes([53, 1, NAK]) in answer
            to = BROADCAST if message.ciaddr == "0.0.0.0" or is_nak else message.ciaddr
            for lie in self.before:
                self.sock.sendto(lie(self, message), (to, 68))
            self.sock.sendto(answer, (to, 68))

    def close(self):
        self.wake.close()
        self.thread.join(30)
        self.sock.close()
        self.woken.close()
