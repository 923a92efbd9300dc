"""TLS and DTLS peers. Made by the fixture `tls` (conftest.py), and gone when the test ends:

    server = tls.openssl("-cert", "server")           # `openssl s_server`; names are of fixtures/certs
    server.port; server.say("hello"); server.wait("text it has printed")
    server = tls.server("server", serve=echo)         # Python's ssl, a thread a connection
    server.names; server.errors                       # SNI that came; handshakes that failed
    server = tls.raw("server", behave)                # behave(i, conn) plays the i-th connection
    proxy = tls.udp_proxy(port, up=rule, down=rule)   # rule(i, datagram) -> datagrams to pass on
    nginx = tls.nginx(conf); broker = tls.mosquitto("server")     # the real ones, on .port
"""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from peers import PATIENCE_S, until

CERTS = Path(__file__).parent.parent / "fixtures/certs"
SBIN = "/usr/sbin:/sbin:" + os.environ["PATH"]


def cert(name):
    """The bytes of a fixture: cert("ca.crt")."""
    return (CERTS / name).read_bytes()


def lua(data):
    """Bytes as a Lua string."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def find_tool(name):
    """The program's path; without it the test is skipped."""
    path = shutil.which(name, path=SBIN)
    if not path:
        pytest.skip(f"needs {name}")
    return path


def server_context(name):
    """A context of Python's ssl that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / f"{name}.crt", CERTS / f"{name}.key")
    return context


def echo(conn):
    """Send back what comes, until the other end closes."""
    while data := conn.recv(65536):
        conn.sendall(data)


class Daemon:
    """Another program, what it prints, and a way to talk to it."""

    def __init__(self, *argv, env=None):
        self.output = ""
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            list(map(str, argv)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while data := self.process.stdout.read1():
            with self.changed:
                self.output += data.decode(errors="replace")
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, text):
        """Until it has printed this; returns all of it so far."""
        with self.changed:
            found = self.changed.wait_for(lambda: text in self.output or not self.reader.is_alive(),
                                          PATIENCE_S)
            assert found and text in self.output, f"no {text!r} in:\n{self.output}"
            return self.output

    def wait_to_end(self):
        """Until it ends by itself; returns all that it has printed."""
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        return self.output

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()


class OpensslServer(Daemon):
    """`openssl s_server`: one connection at a time; what it hears it prints, what it is told to
    say it sends. A line that begins with a letter of its own commands (R: renegotiate, K: new
    keys, Q: end) is one."""

    def __init__(self, *options):
        super().__init__("openssl", "s_server", "-accept", "127.0.0.1:0", *options)
        line = self.wait("ACCEPT 127.0.0.1:").partition("ACCEPT 127.0.0.1:")[2]
        until(lambda: "\n" in self.output.partition("ACCEPT 127.0.0.1:")[2], "port")
        line = self.output.partition("ACCEPT 127.0.0.1:")[2]
        self.port = int(line.split()[0])


class ThreadedServer:
    """A listener with a thread for each connection."""

    def __init__(self, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self.listener = socket.create_server((host, 0), family=family, backlog=128)
        except OSError as error:
            pytest.skip(f"no server on {host}: {error}")
        self.port = self.listener.getsockname()[1]
        self.socks = []
        self.threads = []
        self.count = 0
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(PATIENCE_S)
            thread = threading.Thread(target=self._run, args=(self.count, sock), daemon=True)
            self.count += 1
            self.socks.append(sock)
            self.threads.append(thread)
            thread.start()

    def _run(self, index, sock):
        try:
            self.serve(index, sock)
        except OSError:
            pass  # the other end has gone
        finally:
            sock.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE_S)
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(PATIENCE_S)


class TlsServer(ThreadedServer):
    """Python's ssl. serve(conn) plays a connection; conn is an SSLSocket."""

    def __init__(self, context, play, host):
        self.context = context
        self.play = play
        self.names = []
        self.errors = []
        context.sni_callback = lambda sock, name, of: self.names.append(name)
        super().__init__(host)

    def serve(self, index, sock):
        try:
            conn = self.context.wrap_socket(sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.errors.append(str(error))
            return
        self.socks.append(conn)
        with conn:
            self.play(conn)


class RawConn:
    """A TLS server's side of a connection, flight by flight: what it would send is in our hands."""

    def __init__(self, context, sock):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def flight(self):
        """The bytes of the next flight; b"" when the handshake is done."""
        while True:
            done = True
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            data = self.outgoing.read()
            if data or done:
                return data
            self.feed()

    def feed(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionResetError
        self.incoming.write(got)

    def send(self, data):
        self.sock.sendall(data)

    def shake(self):
        """All of the handshake."""
        while data := self.flight():
            self.send(data)

    def sealed(self, data):
        """Application data as the records that carry it."""
        self.tls.write(data)
        return self.outgoing.read()

    def close_notify(self):
        """The record that says that we close."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # for the other end's
        return self.outgoing.read()

    def hold(self):
        """Say nothing until the other end closes."""
        while self.sock.recv(65536):
            pass


def records(data):
    """The TLS records that data consists of."""
    found = []
    while data:
        length = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:length])
        data = data[length:]
    return found


class RawServer(ThreadedServer):
    """behave(i, conn) plays the i-th connection, byte by byte if it likes."""

    def __init__(self, context, behave):
        self.context = context
        self.behave = behave
        super().__init__()

    def serve(self, index, sock):
        self.behave(index, RawConn(self.context, sock))


class UdpProxy:
    """Between a client and the server at port. up and down are rules: rule(i, datagram) gives the
    datagrams that are passed on instead of the i-th."""

    def __init__(self, port, up, down):
        self.rules = {"up": up, "down": down}
        self.seen = {"up": [], "down": []}
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back.connect(("127.0.0.1", port))
        self.port = self.front.getsockname()[1]
        self.client = None
        self.is_closing = False
        self.threads = [threading.Thread(target=loop, daemon=True) for loop in (self._up, self._down)]
        for thread in self.threads:
            thread.start()

    def _pass(self, way, data, send):
        index = len(self.seen[way])
        self.seen[way].append(data)
        rule = self.rules[way]
        for one in rule(index, data) if rule else [data]:
            try:
                send(one)
            except OSError:
                pass

    def _loop(self, sock, handle):
        sock.settimeout(0.05)
        while not self.is_closing:
            try:
                data, sender = sock.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                continue  # an ICMP error of an earlier send
            handle(data, sender)

    def _up(self):
        def handle(data, sender):
            self.client = sender
            self._pass("up", data, self.back.send)

        self._loop(self.front, handle)

    def _down(self):
        self._loop(self.back, lambda data, _: self._pass(
            "down", data, lambda one: self.front.sendto(one, self.client)))

    def close(self):
        self.is_closing = True
        for thread in self.threads:
            thread.join(PATIENCE_S)
        self.front.close()
        self.back.close()


class TlsPeers:
    """Makes them, and closes them at the test's end."""

    def __init__(self, peers, directory):
        self.peers = peers
        self.directory = directory
        self.made = []

    def _add(self, peer):
        self.made.append(peer)
        return peer

    def openssl(self, *options):
        """Certificates and keys by their fixtures' names: "-cert", "server"."""
        find_tool("openssl")
        words, of = [], {"-cert": ".crt", "-CAfile": ".crt", "-cert_chain": ".crt"}
        for before, word in zip(("", *options), options):
            words.append(str(CERTS / (word + of[before])) if before in of else word)
            if before == "-cert":
                words += ["-key", str(CERTS / f"{word}.key")]
        return self._add(OpensslServer(*words))

    def server(self, name="server", serve=echo, host="127.0.0.1", **settings):
        """settings: attributes of the ssl.SSLContext."""
        context = server_context(name)
        for key, value in settings.items():
            setattr(context, key, value)
        return self._add(TlsServer(context, serve, host))

    def raw(self, behave, name="server", **settings):
        context = server_context(name)
        for key, value in settings.items():
            setattr(context, key, value)
        return self._add(RawServer(context, behave))

    def udp_proxy(self, port, up=None, down=None):
        return self._add(UdpProxy(port, up, down))

    def _daemon(self, port, *argv):
        """A server program on this port, which we keep for it, once it listens."""
        daemon = self._add(Daemon(*argv))
        daemon.port = port
        until(lambda: listens(port) or self._gone(daemon), "listener")
        return daemon

    @staticmethod
    def _gone(daemon):
        assert daemon.process.poll() is None, daemon.output
        return False

    def nginx(self, name="server"):
        """Answers every request with "hello from nginx"."""
        binary = find_tool("nginx")
        port = self.peers.listen_port()
        (self.directory / "nginx.conf").write_text(f"""
            daemon off;
            master_process off;
            pid {self.directory}/nginx.pid;
            error_log stderr;
            events {{}}
            http {{
                access_log off;
                client_body_temp_path {self.directory}/body;
                proxy_temp_path {self.directory}/proxy;
                fastcgi_temp_path {self.directory}/fastcgi;
                uwsgi_temp_path {self.directory}/uwsgi;
                scgi_temp_path {self.directory}/scgi;
                server {{
                    listen 127.0.0.1:{port} ssl;
                    ssl_certificate {CERTS}/{name}.crt;
                    ssl_certificate_key {CERTS}/{name}.key;
                    location / {{ return 200 "hello from nginx"; }}
                }}
            }}
        """)
        return self._daemon(port, binary, "-p", self.directory, "-e", "stderr",
                            "-c", self.directory / "nginx.conf")

    def mosquitto(self, name="server"):
        binary = find_tool("mosquitto")
        port = self.peers.listen_port()
        conf = self.directory / "mosquitto.conf"
        user = "user root\n" if os.getuid() == 0 else ""
        conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{user}"
                        f"certfile {CERTS}/{name}.crt\nkeyfile {CERTS}/{name}.key\n")
        return self._daemon(port, binary, "-c", conf)

    def close(self):
        for peer in reversed(self.made):
            peer.close()


def listens(port):
    """Somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
