#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T28: the broker is killed as it enters a system call, each of those it makes in whatever a client may do. The device asserts on, as
devices do; the next broker starts on what the dead one left, and everything that was asserted is served."""
import collections
import os
import re
import subprocess

from adversary import LINE, Closed, Refused, main, pb, test, until
from client import EOI, HANDLED


class Device:
    """What is true of dev1, whoever is the broker: which bits were raised, and which of them served."""

    def __init__(self):
        self.raised = self.served = 0
        self.pending = set()

    def assert_(self, client):
        bit = self.raised % 32
        self.raised += 1
        self.pending.add(bit)  # before anybody is told
        client.sim_assert(LINE, "dev1", 1 << bit)

    def serve(self, registers):
        bits = registers.serve(0xffffffff)
        done = {bit for bit in self.pending if bits & 1 << bit}
        self.pending -= done
        self.served += len(done)


def everything(broker, device):
    """With every kind of subscription; the end of it, or the broker's."""
    try:
        with broker.client(pages=True, own_eventfds=True, name="everything") as client:
            client.ask(watch=pb.Watch(line=LINE))
            registers = client.grant(LINE, "dev1")
            try:
                for options, verdict in (({}, HANDLED), ({"messages": True}, HANDLED),
                                         ({"own_eventfds": True}, EOI)):
                    sub = client.subscribe(LINE, device="dev1", **options)
                    device.assert_(client)
                    # A wait in a page does not hear of the broker's end.
                    ask = sub.wait(timeout=0.2)
                    if ask:
                        device.serve(registers)
                        sub.answer(ask, verdict)
                    client.ask(unsubscribe=pb.Unsubscribe(subscription=sub.id))
                    sub.forget()
                    del client.subs[sub.id]
                client.stats(pb.STATS_SUBSCRIBERS)
            finally:
                registers.close()
    except (Closed, Refused, OSError):
        pass


def afterwards(broker, device, epochs):
    """A new client of the new broker is given all that is pending."""
    with broker.client(pages=True, name="heir") as client:
        epochs.append(client.hello.epoch)
        sub = client.subscribe(LINE, device="dev1")
        registers = client.grant(LINE, "dev1")
        device.assert_(client)
        client.sim_assert(LINE, "dev1", sum(1 << bit for bit in device.pending))
        while device.pending:
            ask = sub.wait()
            assert ask, f"{device.pending} are lost"
            device.serve(registers)
            sub.answer(ask, HANDLED)
        registers.close()
    assert device.raised == device.served, (device.raised, device.served)


def traced(broker, act, *options):
    """What strace says of its main thread's system calls during act()."""
    path = os.path.join(broker.directory.name, "trace")
    with subprocess.Popen(["strace", "-p", str(broker.process.pid), "-o", path, *options],
                          stderr=subprocess.PIPE, text=True) as strace:
        said = strace.stderr.readline()
        assert "attached" in said, said
        act()
        strace.terminate()
    with open(path) as f:
        return f.read()


def killed_at(broker, call, n, act):
    """False: act() did not take it that far this time."""
    pid = broker.process.pid
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        opener = f.read().split()
    traced(broker, act, "-e", f"inject={call}:signal=KILL:when={n}")
    try:
        assert broker.process.wait(0.2) == -9
    except subprocess.TimeoutExpired:
        return False
    for child in opener:
        until(lambda: not os.path.exists(f"/proc/{child}"), "its opener lives on")
    return True


def start_again(broker):
    broker.notify.close()
    os.unlink(os.path.join(broker.directory.name, "notify"))
    broker.log.close()
    broker.__enter__()


# By any of these the broker could get at what nobody gave it.
OPENING = {"open", "openat", "openat2", "creat", "socket", "connect", "bind", "execve", "execveat", "fork",
           "vfork", "clone", "clone3", "ptrace", "io_uring_setup", "pidfd_getfd"}


@test
def p12_nothing_is_opened_once_it_runs(broker):
    trace = traced(broker, lambda: everything(broker, Device()))
    calls = set(re.findall(r"^(\w+)\(", trace, re.MULTILINE))
    assert "recvmsg" in calls and not calls & OPENING, calls


@test
def t28_killed_at_each_system_call(broker):
    """The first, the second, one in the middle and the last of each kind."""
    device, epochs, deaths = Device(), [], 0
    afterwards(broker, device, epochs)
    trace = traced(broker, lambda: everything(broker, device))
    calls = collections.Counter(re.findall(r"^(\w+)\(", trace, re.MULTILINE))
    assert len(calls) > 10 and device.raised == device.served == 4, (calls, device.raised, device.served)
    for call, count in calls.items():
        for n in sorted({1, min(2, count), count // 2 + 1, count}):
            if killed_at(broker, call, n, lambda: everything(broker, device)):
                deaths += 1
                start_again(broker)
            afterwards(broker, device, epochs)
    print(f"      killed {deaths} times in {len(calls)} kinds of calls, {sum(calls.values())} a turn; "
          f"{device.raised} asserted, {device.served} served")
    assert deaths > 2 * len(calls), deaths
    assert len(set(epochs)) == deaths + 1 and epochs == sorted(epochs), epochs


main(__name__)
