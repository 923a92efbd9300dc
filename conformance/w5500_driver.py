"""The least that a driver of the W5500 does, over a Vspi: a socket of the chip's."""

import socket
import struct

from vspi import COMMON, GAR, RCR, RTR, SHAR, SIPR, SUBR, registers, rx_buffer, tx_buffer

MR, CR, IR, SR, PORT, DHAR, DIPR, DPORT, MSSR, PROTO = 0, 1, 2, 3, 4, 6, 0x0c, 0x10, 0x12, 0x14
TX_FSR, TX_WR, RX_RSR, RX_RD = 0x20, 0x24, 0x26, 0x28
TCP, UDP, IPRAW, MACRAW = 1, 2, 3, 4
OPEN, LISTEN, CONNECT, DISCON, CLOSE, SEND, RECV = 1, 2, 4, 8, 0x10, 0x20, 0x40
CON, DISCONNECTED, RECEIVED, TIMEOUT, SENDOK = 1, 2, 4, 8, 0x10
CLOSED, INIT, LISTENING, SYNRECV, ESTABLISHED, CLOSE_WAIT = 0, 0x13, 0x14, 0x16, 0x17, 0x1c
STATUS_OF = {TCP: INIT, UDP: 0x22, IPRAW: 0x32, MACRAW: 0x42}


def configure(chip, mac, address, gateway, bits=24, rtr=None, rcr=None):
    chip.write(COMMON, SHAR, mac)
    chip.write(COMMON, GAR, socket.inet_aton(gateway))
    chip.write(COMMON, SUBR, struct.pack(">I", 0xffffffff << 32 - bits & 0xffffffff))
    chip.write(COMMON, SIPR, socket.inet_aton(address))
    if rtr:
        chip.write_u16(COMMON, RTR, rtr)
    if rcr is not None:
        chip.write(COMMON, RCR, [rcr])
    chip.wait_link()


class Socket:
    """Number `number`, opened."""

    def __init__(self, chip, mode, port=0, number=0, proto=0, flags=0):
        self.chip, self.number = chip, number
        self.block = registers(number)
        self.write(MR, [mode | flags])
        self.write_u16(PORT, port)
        self.write(PROTO, [proto])
        self.command(OPEN)
        assert self.status() == STATUS_OF[mode], hex(self.status())

    def read(self, address, size=1):
        return self.chip.read(self.block, address, size)

    def write(self, address, data):
        self.chip.write(self.block, address, data)

    def read_u16(self, address):
        return self.chip.read_u16(self.block, address)

    def write_u16(self, address, value):
        self.chip.write_u16(self.block, address, value)

    def status(self):
        return self.read(SR)[0]

    def command(self, command):
        self.write(CR, [command])
        self.chip.wait(lambda: self.read(CR) == b"\0", "the command's acceptance")

    def wait_status(self, status):
        self.chip.wait(lambda: self.status() == status, f"Sn_SR {status:#x}")

    def wait_ir(self, bit):
        """Until it is set; then it is cleared."""
        self.chip.wait(lambda: self.read(IR)[0] & bit, f"Sn_IR {bit:#x}")
        self.write(IR, [bit])

    def aim(self, address, port):
        self.write(DIPR, socket.inet_aton(address))
        self.write_u16(DPORT, port)

    def connect(self, address, port):
        self.aim(address, port)
        self.command(CONNECT)

    def send(self, data):
        at = self.read_u16(TX_WR)
        self.chip.write(tx_buffer(self.number), at, data)
        self.write_u16(TX_WR, at + len(data))
        self.command(SEND)

    def waiting(self):
        return self.read_u16(RX_RSR)

    def take(self, size):
        """So many bytes, when they are there."""
        self.chip.wait(lambda: self.waiting() >= size, f"{size} bytes")
        at = self.read_u16(RX_RD)
        data = self.chip.read(rx_buffer(self.number), at, size)
        self.write_u16(RX_RD, at + size)
        self.command(RECV)
        return data

    def take_datagram(self):
        """Of UDP: address, port, data."""
        head = self.take(8)
        return (socket.inet_ntoa(head[:4]), *struct.unpack(">H", head[4:6]),
                self.take(struct.unpack(">H", head[6:])[0]))
