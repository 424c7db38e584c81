#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A11: past the broker and back. The software line relays by itself, so that no kernel is needed."""
import contextlib
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ptirq_test import BUILD, Broker, Refused, main, pb, test  # noqa: E402
from client import (BROKERED, DIRECT, EOI, HANDLED, NOT_MINE, NOTIFY, drain,  # noqa: E402
                    wait_readable)

NAMES = {BROKERED: "brokered", NOTIFY: "notify", DIRECT: "direct"}
DEVICES = "device = dev0\ndevice = dev1\ndevice = dev2\nallow-user = *\ngrant = yes\n"
PATIENT = "round-deadline = 20s\ndeadline = 10s\n"
CONFIG = (f"[line apart]\nsource = sim\ndirect = yes\n{PATIENT}{DEVICES}"
          f"[line quick]\nsource = sim\ndirect = yes\nround-deadline = 40ms\n{DEVICES}"
          f"[line busy]\nsource = sim\ndirect = yes\nround-deadline = 200ms\n{DEVICES}"
          f"[line no]\nsource = sim\n{DEVICES}" + "".join(
              f"[line {policy}]\nsource = sim\nmask = no\npolicy = {policy}\n{PATIENT}{DEVICES}"
              for policy in ("learned", "chain", "broadcast")) +
          f"[line late]\nsource = sim\nmask = no\npolicy = broadcast\nround-deadline = 2s\n"
          f"{DEVICES}")


class PathBroker(Broker):
    def __init__(self):
        super().__init__()
        path = os.path.join(self.directory.name, "ptirq.conf")
        with open(path, "w") as f:
            f.write(CONFIG)
        self.args = ("--config", path, "--socket", self.socket)


def until(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.001)


class Driver:
    """A client with one subscription and its device."""

    def __init__(self, broker, line, device, **fields):
        self.client = broker.client(pages=True, own_eventfds=True, name=f"driver-{device}")
        self.line, self.name = line, device
        self.sub = self.client.subscribe(line, device=device, own_eventfds=True, **fields)
        self.device = self.client.grant(line, device)

    def serve(self, timeout=10):
        """Waits for one, serves it; what it served."""
        ask = self.sub.wait(timeout)
        assert ask, f"{self.name} was not woken"
        served = self.device.serve(0xffffffff)
        self.sub.answer(ask, HANDLED if served else NOT_MINE)
        return served

    def row(self):
        return next(r for r in self.client.stats(pb.STATS_SUBSCRIBERS, self.line)
                    if r.subscription == self.sub.id and r.client == self.client.hello.client)

    def on(self, path):
        until(lambda: self.sub.path() == path, f"{self.name} is not {NAMES[path]}")
        assert self.row().path == NAMES[path], self.row()

    def close(self):
        self.device.close()
        self.client.close()


@contextlib.contextmanager
def drivers(broker, *wanted):
    """(line, device, fields) each, and somebody who raises."""
    with contextlib.ExitStack() as stack:
        made = []
        for line, device, fields in wanted:
            made.append(Driver(broker, line, device, **fields))
            stack.callback(made[-1].close)
        yield stack.enter_context(broker.client(name="raiser")), *made


def rounds(client, line):
    return sum(r.rounds for r in client.stats(pb.STATS_UNITS, line))


def resolved(watcher):
    """How the round ended that is on, or to come: it is counted, or it was served before anybody was asked."""
    while (event := watcher.next_event("watch")).what != "resolved":
        pass
    return event.detail


@test
def direct_alone(broker):
    with drivers(broker, ("apart", "dev1", {"direct": True})) as (raiser, driver):
        driver.on(DIRECT)
        before = rounds(raiser, "apart")
        for n in range(50):
            raiser.sim_assert("apart", "dev1", 1 << n % 32)
            assert driver.serve() == 1 << n % 32
        assert rounds(raiser, "apart") == before, "the broker has seen them"
        unit = raiser.stats(pb.STATS_UNITS, "apart")[1]
        assert unit.path == unit.state == "direct", unit
        device = raiser.ask(get_line=pb.GetLine(line="apart")).line.devices[1]
        assert device.path == "direct", device


@test
def in_a_slot_of_somebody_else(broker):
    """What an earlier subscription was asked there is not this one's."""
    with broker.client(pages=True, own_eventfds=True) as client:
        device = client.grant("apart", "dev1")
        for fields in ({}, {"direct": True}, {"notify": True}, {"direct": True}):
            sub = client.subscribe("apart", device="dev1", own_eventfds=True, **fields)
            assert sub.first_slot == 0 and client.pages.slot(0) is None
            client.sim_assert("apart", "dev1", 1)
            ask = sub.wait()
            assert device.serve(1) == 1
            sub.answer(ask, HANDLED)
            client.ask(unsubscribe=pb.Unsubscribe(subscription=sub.id))
        device.close()


@test
def only_where_policy_lets_it(broker):
    with drivers(broker, ("no", "dev0", {"direct": True})) as (raiser, driver):
        driver.on(BROKERED)
        raiser.sim_assert("no", "dev0", 1)
        assert driver.serve() == 1


@test
def somebody_joins_and_leaves(broker):
    with drivers(broker, ("apart", "dev1", {"direct": True})) as (raiser, first):
        first.on(DIRECT)
        for _ in range(3):
            second = Driver(broker, "apart", "dev1")
            first.on(BROKERED)
            raiser.sim_assert("apart", "dev1", 2)
            # Whoever of the two is asked first: the other one is asked for the rest.
            ready = first if wait_readable(first.sub.wake, 1) else second
            assert ready.serve() == 2
            second.close()
            first.on(DIRECT)
            raiser.sim_assert("apart", "dev1", 4)
            assert first.serve() == 4


@test
def demoted_in_the_middle(broker):
    """Fired, not yet served, and then shared: the holder is asked, whatever it was told already."""
    with drivers(broker, ("apart", "dev1", {"direct": True})) as (raiser, first):
        first.on(DIRECT)
        raiser.sim_assert("apart", "dev1", 1)
        assert wait_readable(first.sub.wake, 10)
        second = Driver(broker, "apart", "dev1")
        first.on(BROKERED)
        ask = first.sub.wait()
        assert ask.round and first.device.serve(0xffffffff) == 1
        first.sub.answer(ask, HANDLED)
        until(lambda: first.row().handled == 1, "its verdict does not count")
        # Woken while direct, answered when it was not any more.
        second.close()
        first.on(DIRECT)
        raiser.sim_assert("apart", "dev1", 1)
        ask = first.sub.wait()
        assert not ask.round
        second = Driver(broker, "apart", "dev1")
        first.on(BROKERED)
        assert first.device.serve(0xffffffff) == 1
        first.sub.answer(ask, HANDLED)
        until(lambda: first.row().handled == 2, "its verdict does not count")
        assert first.row().timeouts == 0
        second.close()
        first.on(DIRECT)


@test
def the_watched_is_not_direct(broker):
    with drivers(broker, ("apart", "dev1", {"direct": True})) as (raiser, driver):
        driver.on(DIRECT)
        raiser.ask(watch=pb.Watch(line="quick"))
        driver.on(DIRECT)
        raiser.ask(watch=pb.Watch(line="apart"))
        driver.on(BROKERED)
        raiser.sim_assert("apart", "dev1", 1)
        while raiser.next_event("watch").what != "fired":
            pass
        assert driver.serve() == 1
        raiser.ask(watch=pb.Watch(stop=True))
        driver.on(DIRECT)
        with broker.client() as watcher:
            watcher.ask(watch=pb.Watch())
            driver.on(BROKERED)
        driver.on(DIRECT)


@test
def parked_and_back(broker):
    with drivers(broker, ("apart", "dev1", {"direct": True})) as (raiser, driver):
        driver.on(DIRECT)
        driver.client.ask(park=pb.Park(subscription=driver.sub.id))
        driver.on(BROKERED)
        raiser.sim_assert("apart", "dev1", 1)
        assert not wait_readable(driver.sub.wake, 0.05)
        driver.client.ask(unpark=pb.Unpark(subscription=driver.sub.id))
        assert driver.serve() == 1
        driver.on(DIRECT)


@test
def silent_and_direct(broker):
    """A5: taken back, asked, and in debt; whoever then answers has it again."""
    with drivers(broker, ("quick", "dev1", {"direct": True})) as (raiser, driver):
        driver.on(DIRECT)
        raiser.sim_assert("quick", "dev1", 1)
        until(lambda: driver.row().timeouts, "it is left alone")
        assert "was direct and does not serve" in broker.said()
        # On a machine that is slow to look it is struck thrice by then.
        until(lambda: driver.row().state in ("debt", "quarantined"), "not in debt")
        assert driver.row().path == "brokered"
        deadline = time.monotonic() + 10
        while driver.sub.path() != DIRECT:
            if ask := driver.sub.wait(0.05):
                driver.device.serve(0xffffffff)
                driver.sub.answer(ask, HANDLED)
            assert time.monotonic() < deadline, "it does not get it back"
        raiser.sim_assert("quick", "dev1", 2)
        assert driver.serve() == 2


@test
def a_busy_one_stays_direct(broker):
    """It is masked at most looks, but not under the same interrupt."""
    with drivers(broker, ("busy", "dev1", {"direct": True})) as (raiser, driver):
        driver.on(DIRECT)
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            raiser.sim_assert("busy", "dev1", 1)
            time.sleep(0.01)
            assert driver.serve() == 1
        assert driver.row().asks == 0 and driver.sub.path() == DIRECT


def shared(broker, line):
    """Three takers: whoever has it serves it, whatever the policy; the others say so."""
    takers = [(line, f"dev{d}", {"notify": True}) for d in range(3)]
    with drivers(broker, *takers) as (raiser, *three):
        for driver in three:
            driver.on(NOTIFY)
        raiser.ask(watch=pb.Watch(line=line))
        ends = []
        for n in range(60):
            owner = three[n % 3]
            raiser.sim_assert(line, owner.name, 1 << n % 32)
            until(lambda: all(wait_readable(d.sub.wake, 0) for d in three), "not all are woken")
            served = [driver.serve() for driver in three]
            assert served == [1 << n % 32 if d is owner else 0 for d in three], served
            # The next one comes when this one is over.
            ends.append(resolved(raiser))
        rows = [driver.row() for driver in three]
        # Some are served before the broker has looked: then nobody has to be asked.
        assert len(ends) == ends.count("handled") + ends.count("void"), ends
        assert all(r.timeouts == r.strikes == r.stale == 0 for r in rows), rows
        unit = raiser.stats(pb.STATS_UNITS, line)[0]
        assert unit.rounds == sum(r.handled for r in rows) == ends.count("handled"), (unit, rows)
        assert unit.unhandled == 0 and unit.path == "notify", unit


@test
def shared_learned(broker):
    shared(broker, "learned")


@test
def shared_chain(broker):
    shared(broker, "chain")


@test
def shared_broadcast(broker):
    shared(broker, "broadcast")


@test
def takers_and_others(broker):
    """One that the source wakes beside one that the broker does, each for its own."""
    with drivers(broker, ("learned", "dev0", {"notify": True}),
                 ("learned", "dev1", {})) as (raiser, taker, other):
        taker.on(NOTIFY)
        other.on(BROKERED)
        for n in range(20):
            raiser.sim_assert("learned", f"dev{n % 2}", 1)
            served = []
            while not served:
                for driver in (taker, other):
                    if wait_readable(driver.sub.wake, 0.01) and driver.serve():
                        served.append(driver)
            assert served == [(taker, other)[n % 2]]
        assert taker.row().timeouts == other.row().timeouts == 0


@test
def a_taker_with_nothing_but_its_eventfds(broker):
    """As a virtual machine: woken by the source, and its EOI is for the round that it was woken for."""
    with drivers(broker, ("learned", "dev0", {"notify": True})) as (raiser, driver):
        raiser.ask(watch=pb.Watch(line="learned"))
        for n in range(100):
            raiser.sim_assert("learned", "dev0", 1)
            assert wait_readable(driver.sub.wake, 10)
            drain(driver.sub.wake)
            # Before the broker has looked, now and then: then nobody has to be asked.
            if n % 2:
                until(lambda: driver.row().asks > n // 2, "not asked")
            assert driver.device.serve(1) == 1
            os.write(driver.sub.resample, b"\1\0\0\0\0\0\0\0")
            resolved(raiser)
        row = driver.row()
        assert 50 <= row.eoi == row.asks <= 100, row


@test
def a_silent_taker(broker):
    """It is a debtor as anybody, is woken on, and pays with the answer to a newer round."""
    with drivers(broker, *[("late", f"dev{d}", {"notify": True}) for d in range(2)]) as \
            (raiser, good, mute):
        def goes_on_until(condition, what):
            deadline = time.monotonic() + 10
            while not condition():
                if ask := good.sub.wait(0.01):
                    good.sub.answer(ask, NOT_MINE)
                assert time.monotonic() < deadline, what

        raiser.sim_assert("late", "dev1", 2)
        goes_on_until(lambda: mute.row().timeouts, "it is waited for for ever")
        row = mute.row()
        # In debt, unless this machine was slow to look, and it is being probed.
        assert row.state in ("debt", "owes") and row.path == "notify", row
        assert mute.serve() == 2
        goes_on_until(lambda: mute.row().state == "ok", "its debt is not paid")
        assert good.row().timeouts == 0, good.row()


@test
def a_taker_among_many_units(broker):
    with drivers(broker) as (raiser,):
        for fields in ({"own_eventfds": True, "direct": True}, {"own_eventfds": True, "notify": True},
                       {"direct": True}, {"notify": True, "device": "dev0"},
                       {"own_eventfds": True, "notify": True, "resample": True, "device": "dev0"}):
            with broker.client(pages=True, own_eventfds=True) as client:
                try:
                    client.subscribe("apart", **fields)
                except Refused as e:
                    assert e.code == pb.STATUS_INVALID, e
                else:
                    raise AssertionError(f"{fields} was not refused")


@test
def a_guest_is_direct(broker):
    with drivers(broker, ("apart", "dev0", {"direct": True, "resample": True})) as (raiser, guest):
        guest.on(DIRECT)
        raiser.sim_assert("apart", "dev0", 1)
        ask = guest.sub.wait()
        assert guest.device.serve(1) == 1
        guest.sub.answer(ask, EOI)
        raiser.sim_assert("apart", "dev0", 2)
        assert guest.serve() == 2


def flight(broker, line, *devices):
    """Asserted is served while somebody comes and goes; what the program says of it."""
    run = subprocess.run([os.path.join(BUILD, "tests", "integration", "path_flight"),
                          broker.socket, line, "1.5", *devices],
                         capture_output=True, text=True, timeout=60)
    print("      " + run.stdout.strip().replace("\n", "\n      "))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "evicted" not in broker.said(), broker.said()
    with broker.client() as client:
        for row in client.stats(pb.STATS_UNITS, line):
            assert row.timeouts == 0, row
    return run.stdout


@test
def in_flight_direct(broker):
    said = flight(broker, "apart", "dev1:d")
    assert int(re.search(r"(\d+) changes", said)[1]) > 20, said


@test
def in_flight_direct_and_notify(broker):
    said = flight(broker, "apart", "dev1:dn")
    assert int(re.search(r"(\d+) changes", said)[1]) > 20, said


@test
def in_flight_shared(broker):
    flight(broker, "learned", "dev0:dn", "dev1:n", "dev2:-")


@test
def in_flight_shared_by_all(broker):
    flight(broker, "broadcast", "dev0:n", "dev1:n", "dev2:n")


main(__name__, PathBroker)
