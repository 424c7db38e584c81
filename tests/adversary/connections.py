#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T2, T3, T6 to T8, T20 to T23: coming, going, and being somebody else."""
import array
import os
import resource
import select
import signal
import socket
import subprocess
import time

from adversary import (LINE, NOBODY, Broker, Child, Closed, evicted, main, need_root, neighbour,
                       open_to_all, pb, test, until)

HELLO = pb.Request(id=1, hello=pb.Hello(version_min=1, version_max=1, name="raw")).SerializeToString()


def hello(sock):
    sock.send(HELLO)
    return pb.FromBroker.FromString(sock.recv(4096))


def closed(sock, timeout=10):
    """The connection has ended; what was said before."""
    sock.settimeout(timeout)
    said = []
    while True:
        try:
            data = sock.recv(4096)
        except ConnectionResetError:
            continue
        if not data:
            sock.close()
            return said
        said.append(pb.FromBroker.FromString(data))


def steady(broker, before):
    until(lambda: broker.fds() == before, f"fds {before} -> {broker.fds()}")


@test
def t02_t03_descriptors_from_a_client(broker):
    before = broker.fds()
    fds = array.array("i", [0] * 200)
    for n in range(2000):
        with broker.raw() as sock:
            if n % 2:
                hello(sock)
            try:
                sock.sendmsg([HELLO], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            except OSError:
                pass  # too many in flight, or it has hung up on us
            if n % 100 == 0:
                said = closed(sock)
                assert said and "descriptors" in said[-1].event.evicted.reason.message, said
    steady(broker, before)


@test
def t06_no_hello_within_two_seconds(broker):
    before = broker.fds()
    started = time.monotonic()
    socks = [broker.raw() for _ in range(50)]
    for sock in socks:
        assert "Hello" in closed(sock)[-1].event.evicted.reason.message
    took = time.monotonic() - started
    assert 1.9 < took < 5, took
    steady(broker, before)


@test
def t06_connections_of_one_user(broker):
    """The 65th is told so; others, and root, come in as before."""
    need_root("to be several users")
    open_to_all(broker)

    def many():
        socks = [broker.raw() for _ in range(64)]
        assert all(hello(s).reply.status.code == pb.STATUS_OK for s in socks)
        said = closed(broker.raw())
        assert said[0].event.evicted.reason.code == pb.STATUS_LIMIT, said
        assert "64 connections" in said[0].event.evicted.reason.message
        socks.pop().close()
        until(lambda: hello_works(broker), "no place although one has gone")

    def one():
        assert hello(broker.raw()).reply.status.code == pb.STATUS_OK

    first = Child(many, uid=NOBODY)
    first.wait()
    Child(one, uid=NOBODY - 1).wait()
    one()


def hello_works(broker):
    try:
        with broker.raw() as sock:
            return hello(sock).HasField("reply")
    except OSError:
        return False


@test
def t08_root_gets_in_when_all_places_are_taken(broker):
    need_root("to be several users")
    open_to_all(broker)
    ready, done = os.pipe(), os.pipe()

    def hold(n):
        socks = [broker.raw() for _ in range(n)]
        granted = sum(hello(s).HasField("reply") for s in socks)
        os.write(ready[1], bytes([granted]))
        os.read(done[0], 1)

    children = [Child(hold, 62, uid=NOBODY - i) for i in range(4)]
    assert sum(os.read(ready[0], 1)[0] for _ in range(4)) == 248
    refused = Child(lambda: refused_for_room(broker), uid=1)
    refused.wait()
    with broker.client(name="root") as client:
        assert client.hello.administrator
    # Who comes when the reserve is used up, too, is not turned away: it waits until somebody goes.
    inside = [broker.raw() for _ in range(8)]
    assert all(hello(s).HasField("reply") for s in inside)
    outside = broker.raw()
    outside.send(HELLO)
    assert not select.select([outside], [], [], 0.2)[0]
    inside.pop().close()
    assert pb.FromBroker.FromString(outside.recv(4096)).HasField("reply")
    for sock in (*inside, outside):
        sock.close()
    os.write(done[1], b"1234")
    for child in children:
        child.wait()
    for fd in ready + done:
        os.close(fd)


def refused_for_room(broker):
    said = closed(broker.raw())
    assert "no room" in said[0].event.evicted.reason.message, said


@test
def t07_out_of_descriptors(broker):
    """EMFILE: new clients wait or are refused, the others go on, and room is used when there is some."""
    with neighbour(broker) as good:
        good.interrupts(10)
        used = broker.fds()
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (used + 10, used + 10))
        clients, waiting = [], []
        for _ in range(12):
            sock = broker.raw()
            sock.send(HELLO)
            (clients if select.select([sock], [], [], 0.2)[0] else waiting).append(sock)
        assert waiting, "nobody had to wait"
        good.interrupts(100)
        good.unmoved()
        for sock in clients:
            sock.close()
        for sock in waiting[:1]:
            sock.settimeout(10)
            assert sock.recv(4096), "a waiting client was forgotten"
        for sock in waiting:
            sock.close()
        assert broker.alive()
        until(lambda: broker.fds() == used, f"fds {used} -> {broker.fds()}")


@test
def t20_killed_between_ask_and_verdict(broker):
    """Death is a verdict: the device is quiet before anything is unmasked, and the others go on."""
    asked = os.pipe()

    def victim():
        client = broker.client(pages=True, name="victim")
        sub = client.subscribe(LINE, device="dev1")
        os.write(asked[1], b"s")
        assert sub.wait()
        os.write(asked[1], b"a")
        signal.pause()

    with neighbour(broker) as good, broker.client() as raiser:
        child = Child(victim)
        assert os.read(asked[0], 1) == b"s"
        raiser.sim_assert(LINE, "dev1", 1)
        assert os.read(asked[0], 1) == b"a"
        good.interrupts(20)
        child.kill()

        def held():
            devices = raiser.ask(get_line=pb.GetLine(line=LINE)).line.devices
            return [d.held for d in devices if d.name == "dev1"] == [True]
        until(held, "the dead client's device is not quiet")
        good.interrupts(20)
        # Whoever comes next gets what was pending.
        with broker.client(pages=True) as heir:
            sub = heir.subscribe(LINE, device="dev1")
            assert sub.wait(), "what the dead one left was lost"
    for fd in asked:
        os.close(fd)


@test
def t21_a_child_that_keeps_the_socket(broker):
    """The process that connected has ended: so has the session, whoever inherited its socket."""
    before = broker.fds()
    stay, connected = os.pipe(), os.pipe()

    def parent():
        broker.client(pages=True, name="parent").subscribe(LINE, device="dev1")
        if os.fork() == 0:
            os.write(connected[1], b"c")
            os.read(stay[0], 1)  # holds the socket, and says nothing
            os._exit(0)

    child = Child(parent)
    assert os.read(connected[0], 1) == b"c"
    child.wait()
    steady(broker, before)
    os.write(stay[1], b"x")
    for fd in stay + connected:
        os.close(fd)


@test
def t23_empty_bad_and_large_packets(broker):
    bad = [b"\0" * 4096, b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", os.urandom(4096), b"x" * 5000,
           b"\x08\x01" + b"\x12" * 4000]
    with neighbour(broker) as good:
        before = broker.fds()
        for n in range(60):
            with broker.raw() as sock:
                if n % 2:
                    hello(sock)
                sock.send(bad[n % len(bad)])
                if bad[n % len(bad)][:1] != b"\0":
                    closed(sock)
            good.interrupt()
        steady(broker, before)


@test
def t23_connections_that_go_at_once(broker):
    before = broker.fds()
    for _ in range(2000):
        broker.raw().close()
    steady(broker, before)


@test
def t22_t17_a_subscription_is_its_clients(broker):
    """Its number is worth nothing on another connection."""
    with broker.client(name="owner") as owner, broker.client(name="thief") as thief:
        sub = owner.subscribe(LINE, device="dev1", messages=True)
        for request in ({"unsubscribe": pb.Unsubscribe(subscription=sub.id)},
                        {"park": pb.Park(subscription=sub.id)},
                        {"ack": pb.Ack(subscription=sub.id, unit=1, round=1, verdict=1)}):
            reply, _ = thief.reply_to(thief.send(**request))
            assert reply.status.code == pb.STATUS_NOT_FOUND, reply


@test
def t35_a_second_broker_on_the_same_socket(broker):
    second = subprocess.run([broker.process.args[0], "--sim"], env={"PTIRQ_SOCKET": broker.socket},
                            capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "another broker is running" in second.stderr, second
    assert "--socket PATH" in second.stderr, second
    with broker.client() as client:
        assert client.lines()


main(__name__)
