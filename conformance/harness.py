"""Runs of the emulator: a script in; its log, its trace and its exit status out.

A run is started by the fixture `emu` (conftest.py):

    done = emu.run("socket/use-after-release")            # conformance/cases/socket/...lua, to its end
    done = emu.run('log.info("hi", 1)\nos.exit(0)\n')     # inline: a text with a line end is Lua
    done.code, done.stdout, done.stderr
    done.log                            # [("I", "user.hi", "1"), ...]; print: (None, None, text)
    done.texts("hi")                    # ["1"]: what the script said by log.xxx("hi", ...)
    done.firmware("socket")             # what the firmware said, "D/socket ..."
    done.warnings                       # ["main.lua:3: socket.tx on ...", ...]
    done.events("netc.event")           # [{"t_us": 1, "kind": "netc.event", "netc": 1, ...}, ...]
    done.reports()                      # [("ON_LINE", 0), ("EVENT", 0)]; reports(2): of netc 2

    with emu.start(script, "--profile", "current", env={"PORT": server.port}) as run:
        run.wait_log("echo", "ready")                      # until log.xxx("echo", "ready")
        run.wait_log("echo", re.compile(r"got (\\d+)"))     # returns the match
        run.wait_trace("netc.event", event="EVENT", param=0, count=2)     # until the second of them
        run.send_signal(signal.SIGINT)
        done = run.finish()                                # until it ends by itself
    # leaving the block stops what still runs; a run that is left alive otherwise fails the test

Waits have generous deadlines that say "never", not "late": a test must not depend on them.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

CASES = Path(__file__).parent / "cases"
PATIENCE_S = 150  # a wait that takes longer will not end, however busy the machine is
SANITIZER_CODE = 99

SANITIZER_ENV = {
    "ASAN_OPTIONS": f"detect_leaks=1:abort_on_error=0:exitcode={SANITIZER_CODE}",
    "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={SANITIZER_CODE}",
    "LSAN_OPTIONS": f"exitcode={SANITIZER_CODE}",
}


class Record:
    """What a run has said so far; grows while the run lives."""

    def __init__(self):
        self.trace = []  # every line of --json
        self.stdout = ""
        self.stderr = ""

    @property
    def log(self):
        """(level, tag, text) of every line of the module's log; a print has no level and no tag."""
        return [(e.get("level"), e.get("tag"), e["text"]) for e in self.events("log")]

    def events(self, kind, **match):
        """The trace's lines of this kind whose keys have these values."""
        return [e for e in list(self.trace) if e["kind"] == kind and fits(e, match)]

    def texts(self, tag):
        """What the script logged under this tag: log.info(tag, text)."""
        return [text for _, t, text in self.log if t == f"user.{tag}"]

    def firmware(self, tag):
        """What the firmware logged under this tag."""
        return [text for _, t, text in self.log if t == tag]

    @property
    def prints(self):
        return [text for _, tag, text in self.log if tag is None]

    @property
    def warnings(self):
        return [e["where"] + e["text"] for e in self.events("warn")]

    def reports(self, netc=None):
        """(name, param) of every event that was queued for the script, of one netc or of all."""
        found = self.events("netc.event")
        return [(e["event"], e["param"]) for e in found if netc in (None, e["netc"])]

    def states(self, netc=1):
        """The states a netc went through, from 0 on: ["OFF_LINE", "CONNECTING", ...]."""
        return [e["to"] for e in self.events("netc.state", netc=netc)]

    def explain(self):
        lines = [f"{level or '-'}/{tag or '-'} {text}" for level, tag, text in self.log[-40:]]
        return "\n".join(["--- log:", *lines, "--- stderr:", self.stderr[-6000:]])


class Done(Record):
    """A run that ended. code: its exit status, negative: the signal that ended it."""

    def __init__(self, record, code):
        self.trace, self.stdout, self.stderr = record.trace, record.stdout, record.stderr
        self.code = code

    def __repr__(self):
        return f"<run that ended with {self.code}>\n{self.explain()}"

    def assert_sane(self):
        """No sanitizer spoke and nothing crashed."""
        assert "Sanitizer" not in self.stderr, self.explain()
        assert "runtime error:" not in self.stderr, self.explain()
        assert self.code != SANITIZER_CODE, self.explain()
        assert self.code >= 0, f"ended by signal {-self.code}\n{self.explain()}"


def fits(event, match):
    return all(key in event and same(event[key], value) for key, value in match.items())


def same(value, wanted):
    """A pattern is searched for, anything else is compared."""
    if isinstance(wanted, re.Pattern):
        return wanted.search(value)
    return value == wanted


class Run(Record):
    """A run that lives. Made by Emu.start(). words: how many of the command are before options."""

    def __init__(self, command, cwd, env, netns=None, prefix=(), stdin=subprocess.DEVNULL, words=1):
        super().__init__()
        trace_out, trace_in = os.pipe()
        argv = [*prefix, *command[:words], "--json", str(trace_in), *command[words:]]
        if netns:
            argv = netns.command(argv)
        self.ended = None  # Done
        self._changed = threading.Condition()
        self._open_pipes = 3
        self.process = subprocess.Popen(
            argv, cwd=cwd, env=env, pass_fds=[trace_in], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(trace_in)
        self._threads = [
            self._read(os.fdopen(trace_out, "rb"), self._add_trace),
            self._read(self.process.stdout, self._add_stdout),
            self._read(self.process.stderr, self._add_stderr),
        ]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind:
            self.kill()
            sys.stderr.write(self.explain() + "\n")
        elif not self.ended:
            self.stop()

    def _read(self, pipe, add):
        def loop():
            with pipe:
                for line in pipe:
                    with self._changed:
                        add(line.decode(errors="replace"))
                        self._changed.notify_all()
            with self._changed:
                self._open_pipes -= 1
                self._changed.notify_all()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def _add_trace(self, line):
        self.trace.append(json.loads(line))

    def _add_stdout(self, line):
        self.stdout += line

    def _add_stderr(self, line):
        self.stderr += line

    def wait(self, find, what, within_s=PATIENCE_S):
        """Until find() gives something true, which is returned. Fails when the run ends first."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while True:
                found = find()
                if found:
                    return found
                left = deadline - time.monotonic()
                assert self._open_pipes, f"the run ended without {what}\n{self.explain()}"
                assert left > 0, f"no {what} within {within_s} s\n{self.explain()}"
                self._changed.wait(left)

    def wait_log(self, tag, text=None, count=1, within_s=PATIENCE_S):
        """Until the script has logged `text` (a string, a pattern; None: anything) for the
        count-th time. Returns the text, or the pattern's match."""
        def find():
            found = [t for t in self.texts(tag) if text is None or same(t, text)]
            return len(found) >= count and [found[count - 1]]

        found = self.wait(find, f"{tag} {text!r} ({count})", within_s)[0]
        return text.search(found) if isinstance(text, re.Pattern) else found

    def wait_trace(self, kind, count=1, within_s=PATIENCE_S, **match):
        """Until the trace has the count-th line of this kind and these values; returns it."""
        def find():
            found = self.events(kind, **match)
            return len(found) >= count and found[count - 1]

        return self.wait(find, f"{kind} {match} ({count})", within_s)

    def wait_stderr(self, text, within_s=PATIENCE_S):
        return self.wait(lambda: text in self.stderr, f"{text!r} on stderr", within_s)

    def send_signal(self, signo):
        self.process.send_signal(signo)

    def finish(self, within_s=PATIENCE_S, sane=True):
        """Wait until the run ends by itself; returns it as Done."""
        if not self.ended:
            try:
                code = self.process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"still running after {within_s} s\n{self.explain()}") from None
            for thread in self._threads:
                thread.join(within_s)
            self.ended = Done(self, code)
            if sane:
                self.ended.assert_sane()
        return self.ended

    def stop(self, signo=signal.SIGTERM):
        """End the run by a signal, and wait for it."""
        if not self.ended:
            self.send_signal(signo)
        return self.finish()

    def kill(self):
        """End it whatever it does, and judge nothing."""
        if not self.ended:
            self.process.kill()
            self.finish(sane=False)


class Emu:
    """Starts runs of one binary in one directory."""

    def __init__(self, binary, directory, prefix=()):
        self.binary = binary
        self.directory = directory
        self.prefix = list(prefix)  # a command that runs a command, before every run's own
        self.runs = []

    def lua(self, text, name="main.lua"):
        """Write a script into the test's directory; returns its path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def script(self, case):
        """A path as it is; a text with a line end is Lua; else the name of a case."""
        if isinstance(case, Path):
            return case
        if "\n" in case:
            return self.lua(case)
        return CASES / f"{case}.lua"

    def start(self, case, *args, env=None, files=None, netns=None, prefix=(),
              stdin=subprocess.DEVNULL):
        """Start a script. args: options of the emulator. env: what os.getenv gives, besides PATH.
        files: {name: text or bytes} written beside an inline script first. netns: where to run.
        prefix: a command that runs a command, as ["prlimit", "--nofile=32"]."""
        for name, content in (files or {}).items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        command = [self.binary, *map(str, args), str(self.script(case))]
        return self._start(command, env or {}, netns=netns, prefix=prefix, stdin=stdin)

    def start_w5500(self, *args, env=None, netns=None):
        """Start a W5500 alone, `luatos-emu w5500`."""
        command = [self.binary, "w5500", *map(str, args)]
        return self._start(command, env or {}, netns=netns, words=2)

    def _start(self, command, env, prefix=(), **options):
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **SANITIZER_ENV}
        environment.update({key: str(value) for key, value in env.items()})
        run = Run(command, self.directory, environment, prefix=[*self.prefix, *prefix], **options)
        self.runs.append(run)
        return run

    def run(self, case, *args, timeout=PATIENCE_S, sane=True, **options):
        """Run a script to its end; returns it as Done."""
        return self.start(case, *args, **options).finish(timeout, sane)

    def ctl(self, path, *words, code=0):
        """`luatos-emu ctl PATH WORDS...`, which has to end with this exit code (None: with any)."""
        done = subprocess.run([self.binary, "ctl", str(path), *words], capture_output=True, text=True,
                              check=False, timeout=PATIENCE_S)
        assert code in (None, done.returncode), (done.returncode, done.stderr)
        return done

    def close(self):
        """Kill what still runs; returns how many there were."""
        left = [run for run in self.runs if not run.ended]
        for run in left:
            run.kill()
        return len(left)


class Tasks:
    """Runs of Lua that is the body of one task, with the helpers of task.lua at hand:

        done = tasks.run('''
            local netc = online(tcp())                 -- connected to HOST, PORT
            show("tx", socket.tx(netc, "hello"))       # done.texts("tx") == ["true false false"]
            expect("TX_OK 0")
        ''', env={"PORT": tcp_server.port})
    """

    def __init__(self, emu):
        self.emu = emu

    def start(self, body, *args, **options):
        files = {"task.lua": (CASES.parent / "task.lua").read_text(), **options.pop("files", {})}
        script = f'require "task"\ntask(function()\n{body}\nend)\n'
        return self.emu.start(script, *args, files=files, **options)

    def run(self, body, *args, timeout=PATIENCE_S, code=0, **options):
        """To its end, which has to be this exit code."""
        done = self.start(body, *args, **options).finish(timeout)
        assert done.code == code, done
        return done
