"""The built-in lab, seen from outside. Made by the fixture `lab` (conftest.py):

    lab.address                       # of its servers
    lab.tcp(40123); lab.udp(40123)    # a connection (peers.py), a socket that hears this peer only
    lab.file("lab-ca.pem")            # path of a copy of /luadb/lab-ca.pem
    lab.run                           # of a script that only waits (harness.py)
"""

import subprocess

WAIT = """
for _, name in ipairs{"lab-ca.pem", "lab-client.pem", "lab-client.key"} do
    log.info(name, io.readFile("/luadb/" .. name))
end
sys.timerLoopStart(function() end, 60000)
sys.run()
"""


class Lab:
    def __init__(self, run, peers, directory):
        self.run = run
        self.peers = peers
        self.directory = directory
        self.address = run.wait_trace("lab.open")["address"]

    def tcp(self, port, **options):
        return self.peers.tcp_client(port, host=self.address, **options)

    def udp(self, port):
        peer = self.peers.udp()
        peer.sock.connect((self.address, port))
        return peer.sock

    def ask(self, message):
        """Of its name server."""
        sock = self.udp(40053)
        sock.send(message)
        return sock.recv(4096)

    def file(self, name):
        self.run.wait_log("lab-client.key")
        text, = self.run.texts(name)
        path = self.directory / name
        path.write_text(text)
        return path

    def client(self, *argv, say=""):
        """What another program prints; it is told something and then its input ends."""
        done = subprocess.run(list(map(str, argv)), input=say, capture_output=True, text=True,
                              timeout=150, check=False)
        return done.stdout + done.stderr
