"""A client of the W5500's port, VSPI/1 (vspi.md): frames, registers and pins of the chip.

    with Vspi("/tmp/spi") as chip:
        chip.reset()
        chip.write(COMMON, SIPR, bytes([192, 168, 77, 14]))
        assert chip.read(COMMON, VERSIONR) == b"\\x04"

Run by itself it is a benchmark: vspi.py PATH prints round trips and megabits a second.
"""

import errno
import os
import select
import socket
import struct
import sys
import time

HEADER = struct.Struct("<BBHI")
LEN_MAX = 128 * 1024

XFER, PIN, PINS, CLOCK, HELLO, EVENTS, EVENT = 1, 2, 3, 4, 5, 6, 0x70
REPLY = 0x80
ASSERT, DEASSERT, NOREPLY = 1, 2, 4
FRAME = ASSERT | DEASSERT

# pins that a client pulls, and levels that it reads
RSTN, PMODE0, PMODE1, PMODE2, CABLE = range(5)
INTN, RSTN_LEVEL, LINKLED, SCSN = 1, 2, 4, 8

# blocks, and the common registers
COMMON = 0
MR, GAR, SUBR, SHAR, SIPR, INTLEVEL, IR, IMR, SIR, SIMR = 0, 1, 5, 9, 0x0f, 0x13, 0x15, 0x16, 0x17, 0x18
RTR, RCR, UIPR, UPORTR, PHYCFGR, VERSIONR = 0x19, 0x1b, 0x28, 0x2c, 0x2e, 0x39

RESET_S, LOCK_S = 0.0006, 0.001  # RSTn is low for 500 us at least, and then the PLL locks: datasheet 5.5.1


def registers(socket_number):
    return 4 * socket_number + 1


def tx_buffer(socket_number):
    return 4 * socket_number + 2


def rx_buffer(socket_number):
    return 4 * socket_number + 3


class Vspi:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.flags = 0    # levels of the last answer
        self.events = []  # levels of those that have not been asked for
        self.pending = b""
        reply = self.request(HELLO, payload=b"VSPI" + struct.pack("<HH", 1, 0))
        assert reply[:8] == b"VSPI\x01\x00\x00\x00", reply
        self.name = reply[8:].decode()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    def close(self):
        self.socket.close()

    # ---- messages

    def post(self, op, flags=0, arg=0, payload=b""):
        """Send a request, and do not wait for its reply: collect() does."""
        self.socket.sendall(HEADER.pack(op, flags, arg, len(payload)) + payload)

    def collect(self, op, status=0):
        """The next reply, which has to be one to op; what is told between them goes to events."""
        while True:
            got, self.flags, arg, payload = self.message()
            if got == EVENT:
                self.events.append(self.flags)
                continue
            assert got == op | REPLY, f"a reply to {got:#x}, where one to {op:#x} was due"
            if arg != status:
                raise OSError(arg, f"request {op:#x}: {os.strerror(arg)}")
            return payload

    def request(self, op, flags=0, arg=0, payload=b"", status=0):
        self.post(op, flags, arg, payload)
        return self.collect(op, status)

    def message(self):
        op, flags, arg, size = HEADER.unpack(self.receive(HEADER.size))
        return op, flags, arg, self.receive(size)

    def receive(self, size):
        while len(self.pending) < size:
            data = self.socket.recv(LEN_MAX)
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the port has closed the connection")
            self.pending += data
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    # ---- frames

    def xfer(self, mosi, flags=FRAME):
        """Clock bytes; the bytes that came back. Pieces of a frame: ASSERT, 0 ..., DEASSERT."""
        if flags & NOREPLY:
            return self.post(XFER, flags, payload=mosi)
        return self.request(XFER, flags, payload=mosi)

    def read(self, block, address, size=1):
        return self.xfer(struct.pack(">HB", address, block << 3) + bytes(size))[3:]

    def write(self, block, address, data):
        """Posted: what is read after it sees it."""
        self.xfer(struct.pack(">HB", address, block << 3 | 4) + bytes(data), FRAME | NOREPLY)

    def read_u16(self, block, address):
        return struct.unpack(">H", self.read(block, address, 2))[0]

    def write_u16(self, block, address, value):
        self.write(block, address, struct.pack(">H", value & 0xffff))

    # ---- pins

    def pin(self, pin, level):
        self.request(PIN, int(level), pin)

    def pins(self):
        """Levels now: INTN and so on."""
        self.request(PINS)
        return self.flags

    def clock(self, hz):
        self.request(CLOCK, payload=struct.pack("<I", hz))

    def reset(self):
        """Pull RSTn, and wait until the chip answers."""
        self.pin(RSTN, 0)
        time.sleep(RESET_S)
        self.pin(RSTN, 1)
        time.sleep(LOCK_S)
        self.wait(lambda: self.read(COMMON, VERSIONR) == b"\x04", "the chip's VERSIONR")

    def subscribe(self, on=True):
        self.request(EVENTS, int(on))

    def wait_event(self, within_s=10):
        """Levels of the next change of INTn or LINKLED; subscribe() first."""
        end = time.monotonic() + within_s
        while not self.events:
            left = end - time.monotonic()
            if left <= 0 or (not self.pending and not select.select([self.socket], [], [], left)[0]):
                raise TimeoutError("no pin has changed")
            got, self.flags, _, _ = self.message()
            assert got == EVENT, got
            self.events.append(self.flags)
        return self.events.pop(0)

    def wait_interrupt(self, within_s=10):
        """Until INTn is low; subscribe() first."""
        if not self.pins() & INTN:
            return
        while self.wait_event(within_s) & INTN:
            pass

    def wait(self, look, what, within_s=10):
        """Look until it is true, and return that."""
        end = time.monotonic() + within_s
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain for {what}")
            time.sleep(0.001)

    def wait_link(self):
        self.wait(lambda: self.read(COMMON, PHYCFGR)[0] & 1, "a link")


def main(path):
    """What the port can do, as far as Python can ask for it."""
    with Vspi(path) as chip:
        count = 50000
        start = time.monotonic()
        for _ in range(count):
            chip.read(COMMON, VERSIONR)
        print(f"{count / (time.monotonic() - start):.0f} round trips/s")
        size, count = 4096, 5000
        start = time.monotonic()
        for _ in range(count):
            chip.read(rx_buffer(0), 0, size)
        print(f"{8 * size * count / (time.monotonic() - start) / 1e6:.0f} Mbit/s")


if __name__ == "__main__":
    main(sys.argv[1])
