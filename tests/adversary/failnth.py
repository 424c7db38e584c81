#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T7, T22: every allocation and system call of the broker's that can run out of something does so once, in
the middle of everything a client may do. That client may be refused or lose its connection; its neighbour
and who comes next may not, and nothing is left behind."""
import mmap
import os
import signal
import socket
import struct

from adversary import (LINE, NOBODY, Broker, Child, Closed, Refused, Skipped, main, need_root,
                       open_to_all, pb, re_used, test, until)
from client import EOI, HANDLED
from ptirq_test import BUILD

SHIM = os.path.join(BUILD, "tests", "adversary", "libfailnth.so")


class Failing(Broker):
    def __init__(self):
        super().__init__()
        path = os.path.join(self.directory.name, "failnth")
        with open(path, "w+b") as f:
            f.truncate(16)
            self.page = mmap.mmap(f.fileno(), 16)
        self.env = {"LD_PRELOAD": SHIM, "PTIRQ_FAILNTH": path}

    def arm(self, n):
        self.page[0:8] = struct.pack("=q", n)

    def failed(self):
        return struct.unpack("=q", self.page[8:16])[0]

    def __exit__(self, *args):
        self.page.close()
        super().__exit__(*args)


def everything(broker):
    """What a client may do, with every kind of subscription."""
    client = None
    try:
        client = broker.client(pages=True, own_eventfds=True, name="everything")
        client.ask(watch=pb.Watch(line=LINE))
        device = client.grant(LINE, "dev1")
        try:
            for options, verdict in (({}, HANDLED), ({"messages": True}, HANDLED),
                                     ({"own_eventfds": True}, EOI),
                                     ({"own_eventfds": True, "notify": True}, HANDLED),
                                     ({"own_eventfds": True, "direct": True}, HANDLED)):
                if "direct" in options:  # not while it is watched
                    client.ask(watch=pb.Watch(stop=True))
                sub = client.subscribe(LINE, device="dev1", **options)
                client.sim_assert(LINE, "dev1", 1)
                ask = sub.wait(timeout=0.3)
                device.serve(1)
                if ask:
                    sub.answer(ask, verdict)
                client.ask(unsubscribe=pb.Unsubscribe(subscription=sub.id))
            client.stats(pb.STATS_SUBSCRIBERS)
        finally:
            device.close()
    except (Refused, Closed, OSError, AssertionError):
        pass  # it may be told no, or be thrown out
    finally:
        if client:
            client.close()


def healthy(broker, neighbour):
    """The neighbour gets its interrupt, and so does somebody new."""
    client, sub, device = neighbour
    client.sim_assert(LINE, "dev0", 1)
    ask = sub.wait()
    assert ask, "the neighbour's interrupt did not come"
    assert device.serve(1)
    sub.answer(ask, HANDLED)
    with broker.client(pages=True) as new:
        other = new.subscribe(LINE, device="dev1")
        registers = new.grant(LINE, "dev1")
        new.sim_assert(LINE, "dev1", 1)
        assert other.wait(), "a new client's interrupt did not come"
        registers.serve(1)
        registers.close()


@test
def t07_each_call_fails_once(_):
    with Failing() as broker:
        if broker.sanitized():
            raise Skipped("the sanitizers have an allocator of their own")
        with broker.client(pages=True, name="neighbour") as client:
            neighbour = client, client.subscribe(LINE, device="dev0"), client.grant(LINE, "dev0")
            everything(broker)
            healthy(broker, neighbour)
            until(lambda: len(client.stats(pb.STATS_CLIENTS)) == 1, "somebody is left")
            fds, memory = broker.fds(), broker.memory()
            n, hits = 1, 0
            while True:
                before = broker.failed()
                broker.arm(n)
                Child(everything, broker).wait()
                broker.arm(0)
                assert broker.alive(), f"the {n}th call's failure was its end:\n{broker.said()}"
                healthy(broker, neighbour)
                if broker.failed() == before:
                    break
                hits += 1
                n += 1
            until(lambda: len(client.stats(pb.STATS_CLIENTS)) == 1, "somebody is left")
            until(lambda: broker.fds() == fds, f"fds {fds} -> {broker.fds()}")
            assert broker.memory() - memory < 256 << 10, broker.memory() - memory
            neighbour[2].close()
            print(f"      {hits} calls failed, one after the other")
            assert hits > 40, hits


def as_root_instead(broker, nth):
    """Connects as nobody, and is gone; root's process has its number when the broker looks. What it
    is told, until it is thrown out."""
    answers = []

    def connect():
        sock.connect(broker.socket)
        sock.send(pb.Request(id=1, hello=pb.Hello(version_min=1, version_max=1)).SerializeToString())

    def ask():
        broker.arm(nth)
        broker.process.send_signal(signal.SIGCONT)
        try:
            sock.send(pb.Request(id=2, release=pb.Release(line=LINE)).SerializeToString())
            while len(answers) < 2 and (data := sock.recv(4096)):
                message = pb.FromBroker.FromString(data)
                if message.HasField("reply"):
                    answers.append(message.reply)
        except OSError:
            pass
        broker.arm(0)

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(10)
        broker.process.send_signal(signal.SIGSTOP)
        try:
            child = Child(connect, uid=NOBODY)
            child.wait()
            re_used(child.pid, ask)
        finally:
            broker.process.send_signal(signal.SIGCONT)
    return answers


@test
def t22_a_re_used_pid(_):
    """Before it is accepted, a client's pid becomes root's. One of the calls that fail is the one that
    kernels before 6.5 lack: then its pid is all that the broker has, and it must be worth nothing."""
    need_root("to be several users")
    with Failing() as broker:
        open_to_all(broker)
        fds, answered = broker.fds(), 0
        for nth in range(12):
            answers = as_root_instead(broker, nth)
            assert not any(answer.hello.administrator for answer in answers), answers
            if len(answers) == 2:
                answered += 1
                assert answers[1].status.code == pb.STATUS_DENIED, answers
        print(f"      answered {answered} times, as nobody")
        assert answered or broker.sanitized()
        until(lambda: broker.fds() == fds, f"fds {fds} -> {broker.fds()}")


main(__name__)
