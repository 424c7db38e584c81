#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T3, T9, T10, T12, T17 in numbers: what a socket and patience can do. PTIRQ_ADVERSARY_COUNT says how
often (20,000; a million in the nightly run), while a neighbour in a process of its own is served.
"""
import array
import contextlib
import os
import select
import socket
import struct

from adversary import LINE, Child, PatientBroker, Refused, main, neighbour, pb, test, until
from client import HANDLED

MANY = int(os.environ.get("PTIRQ_ADVERSARY_COUNT", "20000"))
KIB = 1 << 10


@contextlib.contextmanager
def busy_neighbour(broker):
    """One who takes interrupts all the while; and once it has gone the broker holds as much as before."""
    with broker.client() as witness:
        for n in range(3):  # registers and pins are made once, and kept
            witness.grant(LINE, f"dev{n}").close()
            witness.grant(LINE, f"dev{n}", pb.GRANT_SIM_PIN).close()
        before = broker.fds()
        ours, theirs = socket.socketpair()

        def work():
            ours.close()
            with neighbour(broker) as good:
                theirs.send(b"ready")
                while not select.select([theirs], [], [], 0)[0]:
                    good.interrupt()
                good.unmoved()

        child = Child(work)
        theirs.close()
        assert ours.recv(5) == b"ready"
        try:
            yield
        finally:
            ours.close()
            child.wait()
        until(lambda: broker.fds() == before, f"fds {before} -> {broker.fds()}")


@contextlib.contextmanager
def flat_memory(broker, most=512 * KIB):
    before = broker.memory()
    yield
    grown = broker.grown(before)
    print(f"      memory: {grown // KIB:+} KiB", flush=True)
    assert grown < most, f"{grown // KIB} KiB more"


def last_words(sock):
    """Reads to the end of the connection; the reason of Evicted, if there was one."""
    reason = None
    while True:
        try:
            data = sock.recv(4096)
        except ConnectionResetError:
            continue  # said once, ahead of what is queued
        if not data:
            return reason
        message = pb.FromBroker.FromString(data)
        if message.event.HasField("evicted"):
            reason = message.event.evicted.reason


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


@test
def t03_fd_bombs(broker):
    """More descriptors than there is room for, on packets empty, too large and of the right size."""
    with open("/dev/null", "rb") as null, busy_neighbour(broker), flat_memory(broker):
        before, sent = broker.fds(), 0
        bomb = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 253))]
        for n in range(MANY):
            with broker.raw() as sock:
                # Who is not root may have too many in flight, or too many connections.
                try:
                    sock.sendmsg([b"x" * (0, 4097, 1)[n % 3]], bomb)
                except OSError:
                    continue
                sent += 1
                if sent % 1000 == 1:
                    assert last_words(sock).code in (pb.STATUS_INVALID, pb.STATUS_LIMIT)
        assert sent > MANY // 10, sent
        until(lambda: broker.fds() == before, f"fds {before} -> {broker.fds()}")


@test
def t09_deep_nesting(broker):
    """4 KiB of messages in messages, of every field: answered or refused, and soon over."""
    with busy_neighbour(broker):
        for number in range(1, 24):
            nested = b""
            while len(nested) < 4090:
                nested = field(number, nested)
            with broker.raw() as sock:
                with contextlib.suppress(BrokenPipeError):
                    sock.send(nested[-4096:])
                    sock.send(nested[:4096])
                    sock.shutdown(socket.SHUT_WR)
                last_words(sock)


@test
def t10_amplification(broker):
    """4 KiB that would unpack to 245 kB, and other shapes of it."""
    bombs = [
        b"\x12\x00" * 2048,                # 2,048 Hellos
        b"\x78\x00" * 2048,                # fields that nobody knows
        field(7, b"\x78\x00" * 2040),      # the same, in an Ack
        field(2, b"\x1a\x00" * 2040),      # features, by lists of none
        field(2, b"\x18\x01" * 2040),      # features, one by one
        field(2, field(3, b"\x01" * 4080)),  # features in one list
    ]
    with busy_neighbour(broker), flat_memory(broker):
        for n in range(MANY // 10):
            bomb = bombs[n % len(bombs)]
            assert len(bomb) <= 4096
            with broker.raw() as sock, contextlib.suppress(BrokenPipeError):
                sock.send(bomb)
                if n % 100 < len(bombs):
                    sock.shutdown(socket.SHUT_WR)
                    last_words(sock)


@test
def t12_repeated_subscribe(broker):
    """No more than the line's limit, whatever is repeated; and every one is given back."""
    with busy_neighbour(broker), \
            broker.client(pages=True, own_eventfds=True, name="attacker") as client:
        client.subscribe(LINE, device="dev1")
        fds = broker.fds()
        subscriptions, refusals = set(), 0
        with flat_memory(broker):
            for n in range(MANY):
                try:
                    reply = client.ask(subscribe=pb.Subscribe(line=LINE, device="dev1"))
                    subscriptions.add(reply.subscribe.subscription)
                except Refused as e:
                    assert e.code == pb.STATUS_LIMIT, e
                    refusals += 1
        print(f"      {len(subscriptions)} subscriptions, {refusals} refusals", flush=True)
        assert len(subscriptions) < 64 and broker.fds() == fds
        for number in subscriptions:
            client.ask(unsubscribe=pb.Unsubscribe(subscription=number))
        with flat_memory(broker):
            for n in range(MANY // 10):
                own = client.subscribe(LINE, device="dev1", own_eventfds=True)
                client.ask(unsubscribe=pb.Unsubscribe(subscription=own.id))
                own.forget()
                del client.subs[own.id]
        until(lambda: broker.fds() == fds, f"fds {fds} -> {broker.fds()}")


@test
def t17_nothing_changes(broker):
    """Stale, double and forged verdicts, by message and by page: the unit is as it was."""
    with busy_neighbour(broker), broker.client(pages=True, name="victim") as victim, \
            broker.client(pages=True, name="attacker") as attacker:
        sub = victim.subscribe(LINE, device="dev2")
        attacker.subscribe(LINE, device="dev1")
        device = victim.grant(LINE, "dev2")

        def unit():
            row, = [r for r in victim.stats(pb.STATS_UNITS, LINE) if r.device == "dev2"]
            return row.state, row.rounds, row.handled, row.not_mine, row.eoi, row.unhandled

        for n in range(max(20, MANY // 1000)):
            victim.sim_assert(LINE, "dev2", 1)
            ask = sub.wait()
            assert ask, n
            before = unit()
            for verdict in (0, 1, 2, 3, 4, 0x7fffffff, -1):
                try:
                    attacker.ask(ack=pb.Ack(subscription=sub.id, unit=ask.unit, round=ask.round,
                                            verdict=verdict))
                    raise AssertionError("taken, from another client")
                except Refused as e:
                    # It may have a subscription of that number itself, on another unit.
                    assert e.code in (pb.STATUS_NOT_FOUND, pb.STATUS_INVALID), e
            for slot in range(0, 1024, 7):
                attacker.pages.answer(slot, ask.round, HANDLED)
            os.write(attacker.ack, struct.pack("=Q", 1))
            for number in (ask.round - 1, ask.round + 1, ask.round + 2, ask.round ^ 1 << 31):
                sub.answer(pb.Interrupt(unit=ask.unit, round=number & 0xffffffff), HANDLED)
            assert unit() == before, (before, unit())
            assert device.serve(1) == 1
            sub.answer(ask, HANDLED)
            sub.answer(ask, HANDLED)
        assert sub.wait(0.1) is None
        assert unit()[0] == "idle" and unit()[2] == n + 1, unit()
        device.close()


main(__name__, PatientBroker)
