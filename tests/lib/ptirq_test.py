# SPDX-License-Identifier: MIT
"""What the Python tests share: a broker of their own, and a small runner of named tests.

    from ptirq_test import Broker, Client, main, test

    @test
    def something(broker):
        ...

    main(__name__)
"""
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.environ.get("PTIRQ_BUILD") or sys.exit("run it with ctest, or set PTIRQ_BUILD")
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(BUILD, "tests", "integration"),
                os.path.join(SOURCE, "tests", "integration")]

from client import Client, Closed, Refused, pb  # noqa: E402,F401 (also for who imports us)

READY_TIMEOUT = 30


class Broker:
    """ptirq-broker on a private socket, from ready to gone."""

    def __init__(self, *args, env=None):
        self.directory = tempfile.TemporaryDirectory(prefix="ptirq-")
        self.socket = os.path.join(self.directory.name, "broker.sock")
        self.log_path = os.path.join(self.directory.name, "log")
        self.args, self.env = args or ("--sim",), env or {}

    def __enter__(self):
        notify_path = os.path.join(self.directory.name, "notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        self.log = open(self.log_path, "w+")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "broker", "ptirq-broker"), *self.args],
            env={**os.environ, "PTIRQ_SOCKET": self.socket, "NOTIFY_SOCKET": notify_path, **self.env},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self._wait_ready()
        except BaseException as failed:
            self.process.kill()
            self.__exit__(failed)
            raise
        return self

    def _wait_ready(self):
        exited = os.pidfd_open(self.process.pid)
        try:
            deadline = time.monotonic() + READY_TIMEOUT
            while True:
                left = deadline - time.monotonic()
                readable, _, _ = select.select([self.notify, exited], [], [], max(0, left))
                if self.notify in readable:
                    if b"READY=1" in self.notify.recv(4096):
                        return
                elif readable or left <= 0:
                    raise AssertionError(f"the broker is not ready:\n{self.said()}")
        finally:
            os.close(exited)

    def said(self):
        with open(self.log_path) as f:
            return f.read()

    def client(self, **options):
        return Client(self.socket, **options)

    def raw(self):
        """A connection without manners."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A full backlog is waited for, but not for ever.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
        sock.connect(self.socket)
        sock.settimeout(10)
        return sock

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        """Bytes of its own: neither files nor pages shared with others."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon"))

    def sanitized(self):
        """Sanitizers keep what is freed: its memory says nothing."""
        with open(f"/proc/{self.process.pid}/exe", "rb") as f:
            program = f.read()
        return b"__asan_init" in program or b"__tsan_init" in program

    def grown(self, before):
        """By how much its memory has; 0 if that says nothing."""
        return 0 if self.sanitized() else self.memory() - before

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def where(self):
        """What each of its threads is at."""
        told = []
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            told.append(f"thread {thread}:")
            for name in "stat", "wchan", "syscall", "stack":
                try:
                    with open(f"/proc/{self.process.pid}/task/{thread}/{name}") as f:
                        told.append(f"{name}: {f.read()}")
                except OSError as e:
                    told.append(f"{name}: {e}")
        return "\n".join(told)

    def __exit__(self, failed, *_):
        stuck = None
        if self.alive():
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                stuck = self.where()
                self.process.kill()
                self.process.wait()
        self.notify.close()
        self.log.close()
        if stuck:
            sys.stderr.write(f"the broker did not end within 10 s of SIGTERM:\n{stuck}\n")
            assert failed, "the broker did not end"
        ended = self.process.returncode
        if ended != 0:
            sys.stderr.write(f"the broker ended with {ended}:\n{self.said()}")
        self.directory.cleanup()
        # Killed by us, or as it should; anything else is a failure though the test saw none.
        assert failed or ended in (0, -signal.SIGKILL), f"the broker ended with {ended}"


class PatientBroker(Broker):
    """The line of --sim with deadlines that a loaded machine does not miss."""

    def __init__(self):
        super().__init__()
        path = os.path.join(self.directory.name, "ptirq.conf")
        with open(path, "w") as f:
            f.write("[line demo]\nsource = sim\nround-deadline = 20s\ndeadline = 10s\ngrant = yes\n"
                    "device = dev0\ndevice = dev1\ndevice = dev2\nallow-user = *\n")
        self.args = ("--config", path, "--socket", self.socket)


TESTS = []


def test(function):
    TESTS.append(function)
    return function


def open_fds():
    return sorted(os.listdir("/proc/self/fd"))


class Skipped(Exception):
    """This machine lacks what the test needs; tests/skips.allow decides whether that may be."""


def need_root(why):
    if os.geteuid() != 0:
        raise Skipped(f"needs root, {why}")


def main(name, broker_type=Broker):
    """Runs every test, or those named, each against a new broker. A leaked fd is a failure."""
    if name != "__main__":
        return
    wanted, failed = sys.argv[1:], 0
    for function in TESTS:
        if wanted and function.__name__ not in wanted:
            continue
        before, started = len(open_fds()), time.monotonic()
        try:
            with contextlib.ExitStack() as stack:
                broker = stack.enter_context(broker_type())
                function(broker)
                assert broker.alive(), "the broker is gone"
                assert broker.stop() == 0, f"its exit status is {broker.process.returncode}"
            assert len(open_fds()) == before, f"fds {before} -> {len(open_fds())}"
            print(f"ok    {function.__name__} ({time.monotonic() - started:.2f} s)", flush=True)
        except Skipped as reason:
            script = os.path.basename(sys.argv[0]).removesuffix(".py")
            print(f"[SKIP] {script}::{function.__name__}: {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {function.__name__}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed or not TESTS else 0)
