"""An NTP server whose clock is the test's.

    ntp = NtpServer(peers.udp(), time=3_900_000_000.25)       # in seconds since 1900; or a function
    ntp.delays_s = [0, 0.3]                                   # how long an answer is on its way
    ntp.port; ntp.requests                                    # the messages that came
    ntp.close()
"""

import struct
import threading
import time as clock

UNIX_EPOCH_S = 2208988800  # in seconds since 1900


class NtpServer:
    def __init__(self, udp, time):
        self.udp = udp
        self.port = udp.port
        self.time = time if callable(time) else lambda: time
        self.requests = []
        self.delays_s = []
        self.is_closing = False
        udp.sock.settimeout(0.05)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.is_closing:
            try:
                data, sender = self.udp.recv()
            except TimeoutError:
                continue
            self.requests.append(data)
            answer = self._answer(data)
            if len(self.requests) <= len(self.delays_s):
                clock.sleep(self.delays_s[len(self.requests) - 1])
            self.udp.send(answer, sender)

    def _answer(self, request):
        """RFC 4330 section 5: the origin is the request's transmit time; received and sent are now."""
        now = self.time()
        stamp = struct.pack(">II", int(now) & 0xFFFFFFFF, int(now % 1 * 2 ** 32))
        head = struct.pack(">BBBbIII", 0x1C, 1, 6, -20, 0, 0, 0)
        return head + stamp + request[40:48] + stamp + stamp

    def close(self):
        self.is_closing = True
        self.thread.join()
        self.udp.close()
