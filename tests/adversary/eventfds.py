#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T1: what a client can do with the eventfds it shares with the broker."""
import fcntl
import os
import struct
import time

from adversary import LINE, Child, evicted, main, neighbour, pb, test, until
from client import DIRECT, HANDLED

MAXIMUM = struct.pack("=Q", 2**64 - 2)
ONE = struct.pack("=Q", 1)


def jam(fd):
    """The next write to it sleeps: its counter is full and the file description blocking."""
    os.write(fd, MAXIMUM)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)


def jammed(broker, raiser, own, path):
    """One attack, to its end: a client whose wake cannot be written is asked, and is gone."""
    with broker.client(pages=not own, own_eventfds=own, name="jammer") as client:
        sub = client.subscribe(LINE, device="dev1", own_eventfds=own, **path)
        jam(sub.wake if own else client.wake)
        raiser.sim_assert(LINE, "dev1", 1)
        reason = evicted(client)
        assert reason and "wake eventfd was held up" in reason, reason


def attack(broker, own, path, times):
    raiser = broker.client(name="raiser")
    for _ in range(times):
        jammed(broker, raiser, own, path)
        # The device asserts on; without a subscriber it is quiet.
        raiser.sim_assert(LINE, "dev1", 1, deassert=True)
    raiser.close()


TIMES = 20


def under_attack(broker, own, path):
    with neighbour(broker) as good:
        child = Child(attack, broker, own, path, TIMES)
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            good.interrupts(10)
        child.wait()
        good.interrupts(300)
        return good


def neighbours_do_not_notice(broker, own, **path):
    """10 ms; a machine that was busy with something else gets two more chances."""
    for chance in range(3):
        good = under_attack(broker, own, path)
        if good.p99() < 0.010:
            break
    good.unmoved(0.010)
    assert broker.said().count("wake eventfd was held up") == TIMES * (chance + 1), broker.said()
    # At the very write: not when a deadline has passed, or three looks at a direct unit, and it is asked.
    with broker.client() as client:
        unit = client.stats(pb.STATS_UNITS, LINE)[1]
        assert unit.device == "dev1" and unit.timeouts == 0, unit
    assert "does not serve" not in broker.said(), broker.said()


@test
def t01_a_wake_eventfd_that_blocks(broker):
    neighbours_do_not_notice(broker, own=False)


@test
def t01_a_subscriptions_own_wake_that_blocks(broker):
    neighbours_do_not_notice(broker, own=True)


@test
def t01_a_takers_wake_that_blocks(broker):
    neighbours_do_not_notice(broker, own=True, notify=True)


@test
def t01_a_direct_wake_that_blocks(broker):
    neighbours_do_not_notice(broker, own=True, direct=True)


@test
def t01_a_resample_that_blocks_when_it_is_taken_back(broker):
    """While it is direct it may do what it likes with it; then the broker is to read it."""
    with neighbour(broker) as good, broker.client(pages=True, own_eventfds=True) as client, \
            broker.client(pages=True) as second, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev1", own_eventfds=True, direct=True)
        until(lambda: sub.path() == DIRECT, "not direct")
        fcntl.fcntl(sub.resample, fcntl.F_SETFL, 0)
        other = second.subscribe(LINE, device="dev1")
        reason = evicted(client)
        assert reason and "resample eventfd" in reason, reason
        raiser.sim_assert(LINE, "dev1", 1)
        assert other.wait(), "who came after it is not asked"
        good.interrupts(100)
        good.unmoved()


@test
def t01_a_flood_of_resamples(broker):
    """Direct, and it unmasks without end what it does not serve: as many interrupts, all its own."""
    def flood():
        client = broker.client(pages=True, own_eventfds=True, name="flooder")
        sub = client.subscribe(LINE, device="dev1", own_eventfds=True, direct=True)
        client.sim_assert(LINE, "dev1", 1)
        until_time = time.monotonic() + 1.0
        while time.monotonic() < until_time:
            try:
                os.write(sub.resample, ONE)
            except BlockingIOError:
                pass
        overflow(sub.resample)

    with neighbour(broker) as good:
        child = Child(flood)
        ended = time.monotonic() + 1.0
        while time.monotonic() < ended:
            good.interrupts(5)
        child.wait()
        until(lambda: len(good.player.stats(pb.STATS_CLIENTS)) == 2, "the flooder is still there")
        good.unmoved()


@test
def t17_verdicts_of_a_taker_for_any_round(broker):
    """Woken or not, owing or not: they cost it its own slots, and the device is masked as long as it is."""
    def flood():
        client = broker.client(pages=True, own_eventfds=True, name="flooder")
        sub = client.subscribe(LINE, device="dev1", own_eventfds=True, notify=True)
        client.sim_assert(LINE, "dev1", 1)
        until_time = time.monotonic() + 1.0
        number = 0
        while time.monotonic() < until_time:
            number += 1
            client.pages.answer(sub.first_slot, number % 3 * 1000, 1 + number % 3)
            try:
                os.write(client.ack, ONE)
                os.write(sub.resample, ONE)
            except BlockingIOError:
                pass

    with neighbour(broker) as good:
        child = Child(flood)
        ended = time.monotonic() + 1.0
        while time.monotonic() < ended:
            good.interrupts(5)
        child.wait()
        until(lambda: len(good.player.stats(pb.STATS_CLIENTS)) == 2, "the flooder is still there")
        good.unmoved()


@test
def t17_a_taker_makes_up_interrupts(broker):
    """Nobody's word opens a round: neighbours on the unit would be masked, and throttled, for nothing."""
    with broker.client(pages=True, own_eventfds=True) as client:
        sub = client.subscribe(LINE, device="dev1", own_eventfds=True, notify=True)
        for number in (0, 0, 1, 2, 0, 3):
            client.pages.answer(sub.first_slot, number, HANDLED)
            os.write(client.ack, ONE)
            os.write(sub.resample, ONE)
            assert client.lines()
        for n in range(3):
            client.sim_assert(LINE, "dev1", 1)
            assert sub.wait()
            client.sim_assert(LINE, "dev1", 1, deassert=True)
            for number in (0, n + 1, n + 2, n + 3, 0):
                client.pages.answer(sub.first_slot, number, HANDLED)
                os.write(client.ack, ONE)
                assert client.lines()
        unit = client.stats(pb.STATS_UNITS, LINE)[1]
        assert unit.rounds == 3 and unit.state == "idle", unit


@test
def t01_a_full_wake_counts_as_delivered(broker):
    """Full, but not blocking: its holder is slow or odd, not hostile. It is asked like anybody."""
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev1")
        os.write(client.wake, MAXIMUM)
        raiser.sim_assert(LINE, "dev1", 1)
        assert sub.wait(), "not asked"
        assert not client.evicted


@test
def t01_a_blocking_wake_with_room_is_harmless(broker):
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev1")
        fcntl.fcntl(client.wake, fcntl.F_SETFL, 0)
        raiser.sim_assert(LINE, "dev1", 1)
        assert sub.wait(), "not asked"


def overflow(fd):
    """A counter can be driven to its maximum; one more is refused, so EPOLLERR takes the kernel's help.
    What a client can do is to fill it, again and again."""
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
    for data in (MAXIMUM, ONE, ONE):
        try:
            os.write(fd, data)
        except BlockingIOError:
            pass


@test
def t01_a_full_ack_eventfd(broker):
    """The broker never reads it; a full one notifies nobody, and hurts only its owner."""
    with neighbour(broker) as good, broker.client(pages=True) as client:
        client.subscribe(LINE, device="dev1")
        overflow(client.ack)
        good.interrupts(100)
        good.unmoved()


@test
def t01_a_blocking_ack_eventfd(broker):
    """Nobody reads it, so nobody sleeps in that."""
    with neighbour(broker) as good, broker.client(pages=True) as client:
        client.subscribe(LINE, device="dev1")
        fcntl.fcntl(client.ack, fcntl.F_SETFL, 0)
        os.write(client.ack, ONE)
        good.interrupts(100)
        good.unmoved()


@test
def t01_eventfds_that_block_from_the_start(broker):
    """Made blocking before the broker's watch of them has settled: a read of one would never end."""
    for own in (False, True):
        with neighbour(broker) as good, \
                broker.client(pages=not own, own_eventfds=own, name="early") as client:
            if own:
                fcntl.fcntl(client.subscribe(LINE, device="dev1", own_eventfds=True).resample,
                            fcntl.F_SETFL, 0)
            else:
                fcntl.fcntl(client.ack, fcntl.F_SETFL, 0)
            assert client.lines()
            good.interrupts(100)
            good.unmoved()


@test
def t01_a_flood_of_acks(broker):
    """News of every slot, over and over: it costs a look at the client's own slots."""
    def flood():
        client = broker.client(pages=True, name="flooder")
        sub = client.subscribe(LINE)
        news = client.pages.ack_header.to_broker
        until_time = time.monotonic() + 1.0
        while time.monotonic() < until_time:
            for w in range(16):
                client.pages.ack.store(news + 64 + 8 * w, 2**64 - 1)
            for slot in range(sub.first_slot, sub.first_slot + len(sub.units)):
                client.pages.answer(slot, 12345, 1)
            client.pages.ack.store(news, 2**64 - 1)
            try:
                os.write(client.ack, ONE)
            except BlockingIOError:
                pass

    with neighbour(broker) as good:
        child = Child(flood)
        ended = time.monotonic() + 1.0
        while time.monotonic() < ended:
            good.interrupts(5)
        child.wait()
        until(lambda: len(good.player.stats(pb.STATS_CLIENTS)) == 2, "the flooder is still there")
        good.unmoved()


main(__name__)
