"""A capture file, as tshark reads it. Made by the fixture `pcap` (test_capture.py).

    capture = pcap(path)
    capture.rows("tcp.flags.syn == 1", "ip.src", "tcp.dstport")     # [["127.0.0.1", "80"], ...]
    capture.count("udp")
    capture.comments                                    # [(frame number, text), ...], in their order
    capture.assert_sound()                              # nothing is broken, checksums are right
    capture.blocks                                      # [(type, bytes of the body), ...]
    capture.section, capture.interfaces                 # their options: {code: [bytes, ...]}
"""

import shutil
import struct
import subprocess

MANY = "|"  # between the values that a frame has of one field
CHECKS = [f"{protocol}.check_checksum:TRUE" for protocol in ("ip", "tcp", "udp")]
BROKEN = " || ".join([
    "tcp.analysis.flags", "_ws.malformed",
    *(f'{protocol}.checksum.status == "Bad"' for protocol in ("ip", "tcp", "udp", "icmp")),
])

SECTION, INTERFACE, STATISTICS, PACKET, SECRETS = 0x0A0D0D0A, 1, 5, 6, 10


def why_not():
    """Why there can be no judge here; None when there can."""
    return None if shutil.which("tshark") else "needs tshark"


def options_of(data):
    """{code: [values]} of a block's options."""
    found = {}
    while len(data) >= 4:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            break
        found.setdefault(code, []).append(data[4:4 + length])
        data = data[4 + (length + 3) // 4 * 4:]
    return found


class Capture:
    def __init__(self, path, *preferences):
        self.path = path
        self.preferences = [arg for each in (*CHECKS, *preferences) for arg in ("-o", each)]

    def tshark(self, *args):
        done = subprocess.run(["tshark", "-n", "-r", str(self.path), *self.preferences, *args],
                              capture_output=True, text=True, check=False, timeout=150)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, where, *fields):
        """A row for each frame that the display filter `where` lets through."""
        args = [arg for field in fields for arg in ("-e", field)]
        text = self.tshark("-Y", where, "-T", "fields", "-E", "separator=/t",
                           "-E", f"aggregator={MANY}", *args)
        return [line.split("\t") for line in text.splitlines()]

    def count(self, where="frame"):
        return len(self.rows(where, "frame.number"))

    def stream(self, direction, number=0):
        """The bytes of TCP stream `number` that went "out" or came "in", put together again."""
        flag = {"in": 1, "out": 2}[direction]
        rows = self.rows(f"tcp.stream == {number} && frame.packet_flags_direction == {flag}"
                         " && tcp.len > 0", "tcp.payload")
        return b"".join(bytes.fromhex(row[0]) for row in rows)

    @property
    def comments(self):
        rows = self.rows("frame.comment", "frame.number", "frame.comment")
        return [(int(number), text) for number, texts in rows for text in texts.split(MANY)]

    def assert_sound(self):
        """tshark finds no segment that is missing, out of order or sent again, no bad checksum and
        nothing that it can't read."""
        assert self.tshark("-Y", BROKEN) == "", self.tshark()

    @property
    def blocks(self):
        data, found = self.path.read_bytes(), []
        while data:
            kind, length = struct.unpack_from("<II", data)
            assert length % 4 == 0 and 12 <= length <= len(data)
            assert struct.unpack_from("<I", data, length - 4)[0] == length
            found.append((kind, data[8:length - 4]))
            data = data[length:]
        return found

    @property
    def section(self):
        kind, body = self.blocks[0]
        assert kind == SECTION
        return options_of(body[16:])

    @property
    def interfaces(self):
        return [options_of(body[8:]) for kind, body in self.blocks if kind == INTERFACE]

    def names(self):
        return [options[2][0].decode() for options in self.interfaces]
