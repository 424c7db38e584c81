#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ptirq-broker as a daemon: idleness, signals, reload, the manager's notices, who may do what."""
import collections
import contextlib
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ptirq_test import BUILD, Broker, Closed, Refused, Skipped, main, need_root, pb, test  # noqa: E402
from client import HANDLED, drain, wait_readable  # noqa: E402

PROGRAM = os.path.join(BUILD, "broker", "ptirq-broker")

CONFIG = """
[line a]
source = sim
device = dev0
device = dev1
allow-user = *
grant = yes

[line b]
source = sim
device = dev0
"""


class Configured(Broker):
    """A broker on a configuration file that can be changed."""

    def __init__(self, text, *args, **options):
        super().__init__(**options)
        self.path = os.path.join(self.directory.name, "ptirq.conf")
        self.write(text)
        self.args = ("--config", self.path, "--socket", self.socket, *args)

    def write(self, text):
        with open(self.path, "w") as f:
            f.write(text)

    def notice(self, timeout=10):
        assert select.select([self.notify], [], [], timeout)[0], "no notice came"
        return self.notify.recv(4096).decode()

    def hang_up(self):
        """SIGHUP, until it has taken effect."""
        self.process.send_signal(signal.SIGHUP)
        assert self.notice().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert self.notice() == "READY=1"


def refusal(function, *args, **fields):
    try:
        function(*args, **fields)
    except Refused as e:
        return str(e)
    raise AssertionError("not refused")


def until(condition, what, timeout=10):
    """Waits for something in another process that tells nobody."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


@contextlib.contextmanager
def stopped(pid):
    """What comes meanwhile it finds all at once."""
    def state():
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0]

    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: state() == "T", "it does not stop")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def opener_of(broker):
    with open(f"/proc/{broker.process.pid}/task/{broker.process.pid}/children") as f:
        return int(f.read())


def run(*args, **options):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=20, **options)


# ---------------------------------------------------------------------------------- idleness

@test
def an_idle_broker_makes_no_system_call(broker):
    """Ten seconds, every thread, with a line, a client and a subscription, after some traffic."""
    if broker.sanitized():
        raise Skipped("the sanitizers bring a thread of their own")
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe("demo", device="dev0")
        device = client.grant("demo", "dev0")
        for _ in range(20):
            raiser.sim_assert("demo", "dev0", 1)
            ask = sub.wait()
            device.serve(1)
            sub.answer(ask, HANDLED)
        trace = os.path.join(broker.directory.name, "trace")
        # The last timers run out, and the watchdog goes to sleep, within 1.2 s.
        time.sleep(2)
        subprocess.run(["timeout", "10", "strace", "-qq", "-f", "-p", str(broker.process.pid), "-o",
                        trace], check=False)
        with open(trace) as f:
            calls = f.readlines()
        # What each thread was in already, and was in still when strace left.
        device.close()
    assert {c.split()[0] for c in calls} == set(threads(broker)), calls[:10]
    busy = [c for c in calls if not re.search(r"<(unfinished|detached) \.\.\.>$", c)]
    assert not busy, f"{len(busy)} system calls: {busy[:10]}"


@test
def what_an_interrupt_costs(broker):
    """By page: two waits, one write to the client, and one for who plays the device; the time is read in
    user space, and deadlines are armed and cancelled without the kernel, but for a tick now and then."""
    if broker.sanitized():
        raise Skipped("the sanitizers make calls of their own")
    rounds = 300
    trace = os.path.join(broker.directory.name, "trace")
    with broker.client(pages=True) as client, broker.client() as player:
        sub = client.subscribe("demo", device="dev0")
        device = client.grant("demo", "dev0")
        pin = player.grant("demo", "dev0", pb.GRANT_SIM_PIN)

        def interrupt():
            drain(pin.unmasked)
            pin.raise_(1)
            ask = sub.wait()
            device.serve(1)
            sub.answer(ask, HANDLED)
            assert wait_readable(pin.unmasked, 10)

        interrupt()
        with subprocess.Popen(["strace", "-p", str(broker.process.pid), "-o", trace],
                              stderr=subprocess.PIPE, text=True) as strace:
            assert "attached" in strace.stderr.readline()
            for _ in range(rounds):
                interrupt()
            strace.terminate()
        device.close()
        pin.close()
    with open(trace) as f:
        calls = collections.Counter(re.findall(r"^(\w+)\(", f.read(), re.MULTILINE))
    print("     ", dict(calls))
    assert rounds < calls["write"] <= 2 * rounds + 2 and calls["epoll_wait"] <= 2.2 * rounds, calls
    # A traced write takes so long that the watchdog interrupts it, on a busy machine.
    others = calls.keys() - {"write", "epoll_wait", "rt_sigreturn"}
    assert sum(calls[call] for call in others) < rounds / 3, calls


def threads(broker):
    return os.listdir(f"/proc/{broker.process.pid}/task")


# ------------------------------------------------------------------------------------ signals

def start_again(broker):
    broker.notify.close()
    os.unlink(os.path.join(broker.directory.name, "notify"))
    broker.log.close()
    broker.__enter__()


@test
def sigterm(broker):
    """Clients are told, the socket is gone, the exit status is 0."""
    with broker.client(pages=True) as client:
        client.subscribe("demo", device="dev0")
        broker.process.send_signal(signal.SIGTERM)
        assert "stopping" in client.next_event("going_away").text
        # Before we cease to listen, so that it cannot be a successor's.
        assert not os.path.exists(broker.socket)
        try:
            client._receive(10)
            raise AssertionError("the connection lives on")
        except (Closed, ConnectionError):
            pass
        assert broker.process.wait(10) == 0
        assert not os.path.exists(broker.socket)
    states = []
    while select.select([broker.notify], [], [], 0)[0]:
        states.append(broker.notify.recv(4096))
    assert states == [b"STOPPING=1"], states
    start_again(broker)  # for the runner, which stops it


@test
def killed_and_started_again(broker):
    """The stale socket is replaced; the epoch grows; what asserted is delivered again."""
    epochs = []
    for _ in range(3):
        with broker.client(pages=True) as client:
            epochs.append(client.hello.epoch)
            sub = client.subscribe("demo", device="dev0")
            client.sim_assert("demo", "dev0", 1)
            assert sub.wait()
            broker.process.kill()
            broker.process.wait()
        start_again(broker)
    assert epochs == sorted(set(epochs)), epochs


@test
def many_at_once(broker):
    """On one stale path exactly one of them serves, and is the one that clients reach."""
    path = os.path.join(broker.directory.name, "one.sock")
    for _ in range(10):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
            stale.bind(path)
        brokers = [subprocess.Popen([PROGRAM, "--sim", "--socket", path], stderr=subprocess.PIPE,
                                    text=True) for _ in range(6)]
        try:
            said = [b.stderr.readline() for b in brokers]
            winners = [b for b, text in zip(brokers, said) if text.startswith("listening on")]
            assert len(winners) == 1, said
            assert all("another broker is running" in text for b, text in zip(brokers, said)
                       if b not in winners), said
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.connect(path)
                pid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                assert pid == winners[0].pid
        finally:
            for b in brokers:
                b.terminate()
                b.wait()
                b.stderr.close()
        assert os.listdir(broker.directory.name).count("one.sock") == 0


# ------------------------------------------------------------------------------------- reload

@test
def reload(broker):
    """What is unchanged lives on, what is gone is evicted, what is new is there, a bad file is nothing."""
    with Configured(CONFIG) as b, b.client() as client, b.client() as raiser:
        kept = client.subscribe("a", device="dev0", messages=True)
        gone = client.subscribe("b", messages=True)
        assert [line.name for line in client.lines()] == ["a", "b"]

        # A comment moves every line's number, and changes none.
        b.write("# moved\n" + CONFIG.replace("[line b]", "[line c]"))
        b.hang_up()
        evicted = client.next_event("evicted")
        assert evicted.subscription == gone.id and "removed" in evicted.reason.message, evicted
        assert [line.name for line in client.lines()] == ["a", "c"]
        raiser.sim_assert("a", "dev0", 1)
        ask = kept.wait()
        assert ask, "the line that was not changed has lost its subscriber"
        raiser.sim_assert("a", "dev0", 1, deassert=True)
        kept.answer(ask, HANDLED)
        assert "NOT_FOUND" in refusal(client.ask,
                                      unsubscribe=pb.Unsubscribe(subscription=gone.id))

        # A mistake is reported, with its place, to who asked and in the log.
        b.write(CONFIG + "\npolicy = fair\n")
        text = refusal(raiser.ask, reload=pb.Reload())
        assert f"{b.path}:" in text and "policy=fair" in text, text
        assert "policy=fair" in b.said()
        assert [line.name for line in client.lines()] == ["a", "c"]

        # A changed line is started anew: its subscribers are told.
        b.write(CONFIG.replace("device = dev1", "device = dev1\npolicy = chain"))
        raiser.ask(reload=pb.Reload())
        assert client.next_event("evicted").subscription == kept.id
        line = client.ask(get_line=pb.GetLine(line="a")).line.line
        assert line.policy == "chain" and line.subscribers == 0, line
        assert client.subscribe("a", messages=True)


@test
def each_absent_device_is_named(_):
    config = "[line w]\nsource = uio\ndevice = 0000:00:1f.7\ndevice = uio4711\n"
    with Configured(config) as b, b.client() as client:
        until = time.monotonic() + 10
        while not (problem := client.lines()[0].problem):
            assert time.monotonic() < until
        assert "0000:00:1f.7" in problem and "uio4711" in problem, problem
        assert "uio4711" in b.said()


@test
def reload_of_what_takes_a_restart(_):
    """It is refused, by the names of the keys, and nothing is half done."""
    with Configured(CONFIG) as b, b.client() as client:
        b.write("[broker]\nsocket = /tmp/other\ncpu = 0\n" + CONFIG.replace("[line b]", "[line c]"))
        text = refusal(client.ask, reload=pb.Reload())
        assert "socket=, cpu=: a change takes a restart" in text, text
        assert "socket=, cpu=: a change takes a restart" in b.said()
        assert [line.name for line in client.lines()] == ["a", "b"]
        b.write(CONFIG.replace("[line b]", "[line c]"))
        client.ask(reload=pb.Reload())
        assert [line.name for line in client.lines()] == ["a", "c"]


@test
def reload_in_flight(broker):
    """T30: a line is removed while its subscriber owes, over and over; nothing is left behind."""
    without = CONFIG.split("[line b]")[0]
    with Configured(CONFIG) as b, b.client(pages=True, own_eventfds=True) as client:
        def turn(**options):
            sub = client.subscribe("b", **options)
            client.sim_assert("b", "dev0", 1)
            assert sub.wait()
            b.write(without)
            client.ask(reload=pb.Reload())
            assert client.next_event("evicted").subscription == sub.id
            b.write(CONFIG)
            client.ask(reload=pb.Reload())
            sub.forget()
            del client.subs[sub.id]

        for _ in range(3):
            turn()
            turn(own_eventfds=True)
            turn(messages=True)
        fds, memory = b.fds(), b.memory()
        for _ in range(10):
            turn()
            turn(own_eventfds=True)
            turn(messages=True)
        assert b.fds() == fds, f"fds {fds} -> {b.fds()}"
        assert b.grown(memory) < 256 << 10, b.grown(memory)


@test
def reload_of_what_was_read_too_early(_):
    """Asked for again while the file is read, and it has changed: it is read again, for both."""
    with Configured(CONFIG) as b, b.client() as first, b.client() as second, b.client() as third:
        pipe = os.path.join(b.path + ".d", "last.conf")
        os.mkdir(os.path.dirname(pipe))
        os.mkfifo(pipe)
        reading = []

        def opened():
            """The opener has read the file, and waits for the rest of it."""
            with contextlib.suppress(OSError):
                reading.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            return reading

        numbers = [first.send(reload=pb.Reload())]
        until(opened, "it is not read")
        b.write(CONFIG.replace("[line b]", "[line c]"))
        numbers.append(second.send(reload=pb.Reload()))
        assert [line.name for line in third.lines()] == ["a", "b"]
        os.unlink(pipe)
        os.mkfifo(pipe)  # another one: what is opened next is not what ends now
        os.close(reading.pop())
        until(opened, "it is not read again")
        os.close(reading.pop())
        for client, number in zip((first, second), numbers):
            assert client.reply_to(number)[0].status.code == pb.STATUS_OK
            assert [line.name for line in client.lines()] == ["a", "c"]


@test
def a_line_goes_while_a_grant_is_waited_for(_):
    """The one who asked is told, and heard again."""
    uio = CONFIG + "[line u]\nsource = uio\ndevice = 0000:00:1f.7 name=d grant unsafe-dma\n"
    with Configured(uio) as b, b.client() as client, b.client() as other:
        b.write(CONFIG)
        with stopped(opener_of(b)):
            reload = other.send(reload=pb.Reload())
            # It is absent, and looked for again and again; while it is, a grant has to wait.
            with contextlib.suppress(TimeoutError):
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline:
                    number = client.send(grant_device=pb.GrantDevice(line="u", device="d"))
                    while not (answer := client._receive(1)):
                        pass
                    assert answer[0].status.code == pb.STATUS_GONE, answer
                raise AssertionError("it is not looked for")
        reply, _ = client.reply_to(number)
        assert reply.status.code == pb.STATUS_GONE and "closed" in reply.status.message, reply
        assert other.reply_to(reload)[0].status.code == pb.STATUS_OK
        assert [line.name for line in client.lines()] == ["a", "b"]


@test
def reload_without_a_file(broker):
    with broker.client() as client:
        assert "UNSUPPORTED" in refusal(client.ask, reload=pb.Reload())


@test
def the_opener_dies(broker):
    """It is said once to everybody who could want to know; interrupts are served as before."""
    with Configured(CONFIG) as b, b.client(pages=True) as client:
        sub = client.subscribe("a", device="dev0")
        os.kill(opener_of(b), signal.SIGKILL)
        b.notify.settimeout(10)
        status = b.notice()
        assert status.startswith("STATUS=the opener process has ended"), status
        for line in client.lines():
            assert "the opener process has ended" in line.problem, line
        for _ in range(2):
            assert "has ended" in refusal(client.ask, reload=pb.Reload())
        said = [x for x in b.said().splitlines() if x.startswith("the opener process has ended")]
        assert len(said) == 1, b.said()
        client.sim_assert("a", "dev0", 1)
        ask = sub.wait()
        client.sim_assert("a", "dev0", 1, deassert=True)
        sub.answer(ask, HANDLED)


# ------------------------------------------------------------------------------ the manager's side

@test
def watchdog_notices(broker):
    with Configured(CONFIG, env={"WATCHDOG_USEC": "200000"}) as b:
        b.notify.settimeout(5)
        started = time.monotonic()
        for _ in range(5):
            assert b.notice() == "WATCHDOG=1"
        assert 0.2 < time.monotonic() - started < 2


@test
def a_manager_that_does_not_read(broker):
    """Its queue fills up; the broker goes on."""
    with Configured(CONFIG, env={"WATCHDOG_USEC": "2000"}) as b, b.client() as client:
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            assert client.lines()


@test
def socket_activation(broker):
    path = os.path.join(broker.directory.name, "activated.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen()
        # systemd-socket-activate in three lines: fd 3, and the pid is only known after the fork.
        program = f'exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "{PROGRAM}" --sim'
        with subprocess.Popen(["/bin/sh", "-c", program], stdin=listening,
                              stderr=subprocess.DEVNULL) as process:
            try:
                from client import Client
                with Client(path) as client:
                    assert client.lines()[0].name == "demo"
            finally:
                process.terminate()
                assert process.wait(10) == 0
    assert os.path.exists(path), "the manager's socket is the manager's to remove"


def in_a_run_of_its_own(function):
    """In a child with an empty /run, so that it can have a journal."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)

    def child():
        assert libc.unshare(0x00020000) == 0, os.strerror(ctypes.get_errno())  # CLONE_NEWNS
        assert libc.mount(b"none", b"/", None, 1 << 14 | 1 << 18, None) == 0  # MS_REC|MS_PRIVATE
        assert libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, None) == 0
        function()
    as_user(os.geteuid(), os.getegid(), os.getgroups(), child)


@test
def journal(broker):
    """With structured fields, if stderr is the journal; and a full journal holds nobody up."""
    need_root("for a /run of its own")

    def with_a_journal():
        os.makedirs("/run/systemd/journal")
        path = os.path.join(broker.directory.name, "journaled.sock")
        ours, theirs = socket.socketpair()
        with ours, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind("/run/systemd/journal/socket")
            sock.settimeout(10)
            st = os.fstat(theirs.fileno())
            env = {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"}
            with subprocess.Popen([PROGRAM, "--sim", "--socket", path], stderr=theirs,
                                  env=env) as process:
                try:
                    entry = sock.recv(4096).decode()
                    assert entry == ("SYSLOG_IDENTIFIER=ptirq-broker\nPRIORITY=6\n"
                                     f"MESSAGE=listening on {path}\n"), entry
                    from client import Client
                    while "lines" not in entry:
                        entry = sock.recv(4096).decode()
                    with Client(path) as client:
                        client.grant("demo", "dev0").close()
                        entry = sock.recv(4096).decode()
                        assert "\nPTIRQ_LINE=demo\nPTIRQ_CLIENT=1\n" in entry, entry
                        for _ in range(2000):  # its queue is full long before
                            client.grant("demo", "dev0").close()
                finally:
                    process.terminate()
                    assert process.wait(10) == 0
    in_a_run_of_its_own(with_a_journal)


@test
def promptness(broker):
    """fifo-priority=, cpu= and mlock= take effect, and are for nobody else: not for the opener."""
    need_root("for real-time priority")
    text = "[broker]\nfifo-priority = 10\ncpu = 0\nmlock = yes\n" + CONFIG
    with Configured(text) as b:
        pid = b.process.pid
        said = b.said()
        if "fifo-priority=10:" not in said:
            for task in threads(b):
                assert os.sched_getscheduler(int(task)) == os.SCHED_FIFO
                assert os.sched_getparam(int(task)).sched_priority >= 10
        assert os.sched_getaffinity(pid) == {0}
        if "mlock=yes:" not in said:
            with open(f"/proc/{pid}/status") as f:
                locked = next(int(x.split()[1]) for x in f if x.startswith("VmLck"))
            assert locked > 0 or broker.sanitized()  # which make mlockall() do nothing
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            opener = int(f.read().split()[0])
        assert os.sched_getscheduler(opener) == os.SCHED_OTHER
        with b.client(pages=True) as client:
            sub = client.subscribe("a", device="dev0")
            client.sim_assert("a", "dev0", 1)
            assert sub.wait()


# ------------------------------------------------------------------------------------ commands

@test
def commands(broker):
    assert run("--version").stdout.startswith("ptirq-broker ")
    assert "--check-config" in run("--help").stdout
    for wrong in (["--nonsense"], ["--sim", "--config", "x"], ["extra"]):
        assert run(*wrong).returncode == 2, wrong
    with Configured(CONFIG) as b:
        good = run("--check-config", b.path)
        assert good.returncode == 0 and good.stdout == "2 lines, nothing wrong\n", good
        b.write("[line a]\nsource = sin\n")
        bad = run("--check-config", b.path)
        assert bad.returncode == 1 and bad.stderr == (
            f"{b.path}:2: source=sin: not one of sim, uio, helper\n"), bad
        b.write("[broker]\ncpu = 1023\n" + CONFIG)
        bad = run("--check-config", b.path)
        assert bad.returncode == 1 and re.match(
            re.escape(b.path) + r":2: cpu=1023: .*; the processors of this machine are 0 to \d+, "
            r"or write cpu=any$", bad.stderr), bad
        b.write(CONFIG)
    with Configured("[broker]\ncpu = 1023\n" + CONFIG) as b, b.client() as client:
        assert client.lines() and "cpu=1023: " in b.said()
    missing = run("--config", "/nonexistent/ptirq.conf")
    assert missing.returncode == 1 and "/nonexistent/ptirq.conf" in missing.stderr, missing


@test
def debug_output(broker):
    with Configured(CONFIG, env={"PTIRQ_DEBUG": "wire,arb,source"}) as b, b.client() as client:
        sub = client.subscribe("a", device="dev0", messages=True)
        client.sim_assert("a", "dev0", 1)
        ask = sub.wait()
        client.sim_assert("a", "dev0", 1, deassert=True)
        sub.answer(ask, HANDLED)
        said = b.said()
        for words in ("request 1 Hello", "reply 1 code 0\n", "event Epoch", "event Interrupt",
                      "FIRED unit=0", "ASK unit=0", "VERDICT unit=0", "UNMASK unit=0: done",
                      "UNQUIET_DEVICE device=0: done"):
            assert words in said, said
        assert re.search(r"SAMPLE_LEVEL unit=0 .*: deasserted", said), said


@test
def the_limit_of_descriptors_is_raised(broker):
    soft, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


@test
def without_standard_streams(broker):
    """The first client does not become the log."""
    path = os.path.join(broker.directory.name, "bare.sock")
    program = f'exec <&- >&- 2>&-; exec "{PROGRAM}" --sim --socket {path}'
    with subprocess.Popen(["/bin/sh", "-c", program]) as process:
        try:
            from client import Client
            client = None
            while not client:  # it cannot say that it is ready: its socket is there a little earlier
                assert process.poll() is None
                try:
                    client = Client(path)
                except (FileNotFoundError, ConnectionRefusedError):
                    time.sleep(0.002)
            with client:
                assert "NOT_FOUND" in refusal(client.subscribe, "none")
                client.grant("demo", "dev0").close()  # this is logged
                assert client.lines()
            links = {os.readlink(f"/proc/{process.pid}/fd/{n}") for n in range(3)}
            assert links == {"/dev/null"}, links
        finally:
            process.terminate()
            assert process.wait(10) == 0


@test
def with_nobody_reading_the_log(broker):
    path = os.path.join(broker.directory.name, "piped.sock")
    read, write = os.pipe()
    with subprocess.Popen([PROGRAM, "--sim", "--socket", path], stderr=write) as process:
        os.close(write)
        try:
            assert b"listening" in os.read(read, 4096)
            os.close(read)
            from client import Client
            with Client(path) as client:
                for _ in range(3):
                    client.grant("demo", "dev0").close()
                assert client.lines()
        finally:
            process.terminate()
            assert process.wait(10) == 0


@test
def its_last_word_counts(broker):
    """A10: a verdict and the end of who gave it, in one turn of the loop."""
    with broker.client(pages=True) as raiser:
        device = raiser.grant("demo", "dev0")
        client = broker.client(pages=True)
        sub = client.subscribe("demo", device="dev0")
        raiser.sim_assert("demo", "dev0", 1)
        ask = sub.wait()
        assert device.serve(1) == 1
        with stopped(broker.process.pid):
            sub.answer(ask, HANDLED)
            client.close()
        until(lambda: raiser.lines()[0].subscribers == 0, "it is still there")
        unit = raiser.stats(pb.STATS_UNITS)[0]
        assert unit.handled == 1, unit
        device.close()


@test
def an_eoi_of_what_is_no_more(broker):
    """Written, and the subscription given up, in one turn of the loop."""
    with broker.client(pages=True, own_eventfds=True) as client:
        for _ in range(5):
            sub = client.subscribe("demo", device="dev0", own_eventfds=True)
            with stopped(broker.process.pid):
                os.write(sub.resample, struct.pack("=Q", 1))
                number = client.send(unsubscribe=pb.Unsubscribe(subscription=sub.id))
            assert client.reply_to(number)[0].status.code == pb.STATUS_OK
            sub.forget()
            del client.subs[sub.id]


@test
def gone_while_it_waits_for_its_turn(broker):
    """Its request is one too many for the next turns of the loop, too, and by then it has ended."""
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(broker.client()) for _ in range(40)]
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            last = broker.client()
            theirs.send(b"connected")
            theirs.recv(1)
            last.send(list_lines=pb.ListLines())
            os._exit(0)
        with ours, theirs:
            ours.settimeout(10)
            ours.recv(9)
            with stopped(broker.process.pid):
                numbers = [client.send(list_lines=pb.ListLines()) for client in others]
                ours.send(b"!")
                os.waitpid(child, 0)
        for client, number in zip(others, numbers):
            assert client.reply_to(number)[0].status.code == pb.STATUS_OK
        until(lambda: len(others[0].stats(pb.STATS_CLIENTS)) == 40, "it is still there")


@test
def requests_sent_at_once(broker):
    """Replies come in their order, also if one has to wait for another process."""
    with Configured(CONFIG) as b, b.client() as client:
        numbers = []
        for _ in range(5):
            numbers.append(client.send(reload=pb.Reload()))
            numbers.append(client.send(list_lines=pb.ListLines()))
        for number in numbers:
            reply, _ = client.reply_to(number)
            assert reply.status.code == pb.STATUS_OK
        # And who does not wait for the answer is no problem either.
        for _ in range(20):
            with b.client() as hasty:
                hasty.send(reload=pb.Reload())
        assert client.lines()


# ------------------------------------------------------------------------------------- policy

POLICY = """
[line mine]
source = sim
device = dev0
allow-user = 1000

[line ours]
source = sim
device = dev0
allow-group = 2000
grant = yes

[line nobodys]
source = sim
device = dev0
"""


def start_as_user(uid, gid, groups, function):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups(groups)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            function()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def as_user(uid, gid, groups, function):
    assert os.waitpid(start_as_user(uid, gid, groups, function), 0)[1] == 0


@test
def policy(broker):
    need_root("to be several users")
    with Configured(POLICY) as b:
        os.chmod(b.directory.name, 0o755)

        def can(line):
            with b.client() as client:
                try:
                    client.subscribe(line, messages=True)
                    return True
                except Refused as e:
                    assert e.code == pb.STATUS_DENIED, e
                    return str(e)

        def first_user():
            assert can("mine") is True
            assert f"line nobodys does not allow uid 1000: add allow-user=1000" in can("nobodys")
            assert can("ours") is not True
            with b.client() as client:
                assert not client.hello.administrator
                assert "DENIED" in refusal(client.sim_assert, "mine", "dev0", 1)
                assert "DENIED" in refusal(client.ask, release=pb.Release(line="mine"))
                assert "DENIED" in refusal(client.ask, reload=pb.Reload())
                assert "grant=yes" in refusal(client.grant, "mine", "dev0")
                assert "DENIED" in refusal(client.grant, "ours", "dev0")
                assert "DENIED" in refusal(client.ask, watch=pb.Watch(line="ours"))
                client.ask(watch=pb.Watch())

        def group():
            assert can("ours") is True
            with b.client() as client:
                client.grant("ours", "dev0").close()
                assert "DENIED" in refusal(client.grant, "ours", "dev0", kind=pb.GRANT_SIM_PIN)

        as_user(1000, 1000, [], first_user)
        as_user(1001, 2000, [], group)
        as_user(1001, 1001, [5, 2000], group)
        with b.client() as root:
            assert root.hello.administrator
            for line in ("mine", "ours", "nobodys"):
                root.subscribe(line, messages=True)


@test
def who_the_others_are(broker):
    """A client's name is for everybody; its user and process for itself and for administrators."""
    need_root("to be several users")
    os.chmod(broker.directory.name, 0o755)

    def shown():
        with broker.client(name="asker") as client:
            client.subscribe("demo", device="dev1", messages=True)
            rows = client.stats(pb.STATS_CLIENTS) + client.stats(pb.STATS_SUBSCRIBERS)
            assert sorted(row.client_name for row in rows) == ["asker"] * 2 + ["other"] * 2, rows
            return {(row.client_name, row.pid, row.uid) for row in rows}

    def stranger():
        assert shown() == {("asker", os.getpid(), 1001), ("other", 2**32 - 1, 2**32 - 1)}

    def same_user():
        assert shown() == {("asker", os.getpid(), os.getuid()), ("other", other, os.getuid())}

    def unprivileged_other():
        with broker.client(name="other") as client:
            client.subscribe("demo", device="dev0", messages=True)
            os.write(ready, b"r")
            signal.pause()

    from_child, ready = os.pipe()
    other = start_as_user(1000, 1000, [], unprivileged_other)
    try:
        assert os.read(from_child, 1) == b"r"
        as_user(1001, 1001, [], stranger)
        as_user(1000, 1000, [], same_user)
        assert shown() == {("asker", os.getpid(), 0), ("other", other, 1000)}
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
        os.close(from_child)
        os.close(ready)


@test
def the_brokers_own_user_is_an_administrator(broker):
    need_root("to be several users")
    directory = broker.directory.name + ".user"
    os.mkdir(directory)
    os.chown(directory, 1000, 1000)
    path = os.path.join(directory, "run", "ptirq", "broker.sock")
    os.mkdir(os.path.join(directory, "run"))
    os.chown(os.path.join(directory, "run"), 1000, 1000)
    os.chmod(BUILD, os.stat(BUILD).st_mode | 0o111)
    env = {"XDG_RUNTIME_DIR": os.path.join(directory, "run")}
    process = subprocess.Popen([PROGRAM, "--sim"], env=env, user=1000, group=1000, extra_groups=[],
                               stderr=subprocess.PIPE, text=True)
    try:
        assert path in process.stderr.readline()

        def own():
            from client import Client
            with Client(path) as client:
                assert client.hello.administrator
                client.subscribe("demo", device="dev0", messages=True)
                client.sim_assert("demo", "dev0", 1)
        as_user(1000, 1000, [], own)
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()
        shutil.rmtree(directory)


# ------------------------------------------------------------------------------- administrators

POLLED = """
[line shared]
source = sim
mask = no
deadline = 10ms
allow-user = *
device = dev0
device = dev1
"""


@test
def subscribers_are_told_of_their_line(_):
    """One is silent and its device has no mask: the line is kept masked and polled, and that is said."""
    with Configured(POLLED) as b, b.client() as silent, b.client() as good, b.client() as raiser:
        silent.subscribe("shared", device="dev0", messages=True)
        sub = good.subscribe("shared", device="dev1", messages=True)
        raiser.sim_assert("shared", "dev0", 1)
        while not any(e.WhichOneof("event") == "line_state" for e in good.events):
            ask = sub.wait()
            assert ask, "neither asked nor told"
            sub.answer(ask, pb.VERDICT_NOT_MINE)
        told = good.next_event("line_state")
        assert (told.line, told.unit, told.state) == ("shared", 0, "polled"), told
        assert "silent" in told.text, told


@test
def release(broker):
    with broker.client(name="victim") as victim, broker.client() as root:
        sub = victim.subscribe("demo", device="dev0", messages=True)
        root.sim_assert("demo", "dev0", 1)
        assert sub.wait()
        root.ask(release=pb.Release(line="demo"))
        assert victim.next_event("evicted").subscription == sub.id
        # What it owed is owed no more; its device is quiet, and so the line need not be masked.
        device = root.ask(get_line=pb.GetLine(line="demo")).line.devices[0]
        unit = root.stats(pb.STATS_UNITS, "demo")[0]
        assert device.held and unit.state == "unclaimed" and unit.rounds == 1, (device, unit)
        root.sim_assert("demo", "dev0", 1, deassert=True)
        victim.subscribe("demo", device="dev0", messages=True)  # the client itself may go on
        root.ask(release=pb.Release(client=victim.hello.client))
        try:
            while True:
                victim._receive(10)
        except (Closed, ConnectionError):
            assert "administrator" in victim.evicted.reason.message
        assert root.ask(get_line=pb.GetLine(line="demo")).line.line.subscribers == 0


main(__name__)
