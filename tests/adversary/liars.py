#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T33: a live client that says HANDLED while its own device asserts on, or NOT_MINE of its own interrupt."""
import contextlib
import os
import time

from adversary import LINE, Broker, Child, PatientBroker, main, neighbour, pb, test, until
from client import HANDLED, NOT_MINE

# Two devices that have a status but no mask of their own: what one does to the line, it does to both. Nobody
# is struck for being slow: strikes are for lies here.
SHARED = f"""
[line {LINE}]
source = sim
round-deadline = 20s
deadline = 10s
mask = no
grant = yes
allow-user = *
device = dev0
device = dev1
"""


class Shared(Broker):
    def __init__(self):
        super().__init__()
        path = os.path.join(self.directory.name, "ptirq.conf")
        with open(path, "w") as f:
            f.write(SHARED)
        self.args = ("--config", path, "--socket", self.socket)


def lie(broker, verdict):
    """Answers at once, and never serves."""
    with broker.client(pages=True, name="liar") as client:
        sub = client.subscribe(LINE, device="dev1")
        while True:
            ask = sub.wait()
            if ask:
                sub.answer(ask, verdict)


@contextlib.contextmanager
def liar(broker, raiser):
    """Subscribed; its device asserts."""
    child = Child(lie, broker, HANDLED)
    try:
        until(lambda: subscriber(raiser, "liar"), "the liar has not subscribed")
        raiser.sim_assert(LINE, "dev1", 1)
        yield
    finally:
        child.kill()


def subscriber(client, name):
    rows = client.stats(pb.STATS_SUBSCRIBERS)
    return next((row for row in rows if row.client_name == name), None)


def reports(watcher, what, timeout=20):
    """Reads the line's story up to the first record of @what."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        record = watcher.next_event("watch", timeout)
        if record.what == what:
            return record
    raise AssertionError(f"no '{what}'")


def honest(broker):
    with broker.client(pages=True, name="honest") as client:
        sub = client.subscribe(LINE, device="dev0")
        device = client.grant(LINE, "dev0")
        while True:
            ask = sub.wait()
            if ask:
                sub.answer(ask, HANDLED if device.serve(1) else NOT_MINE)


@test
def t33_handled_but_never_served(_):
    """It is found out: a lie, strikes, quarantine; and what is left of its device is bounded."""
    with Shared() as broker, broker.client() as raiser, broker.client(name="watcher") as watcher:
        # It is asked as well, whenever the liar is slow, and answers: a silent one would be struck.
        other = Child(honest, broker)
        until(lambda: subscriber(raiser, "honest"), "the honest one has not subscribed")
        watcher.ask(watch=pb.Watch(line=LINE))
        with liar(broker, raiser):
            for what in ("lie", "strike", "quarantined"):
                assert reports(watcher, what).client_name == "liar"
            watcher.ask(watch=pb.Watch(stop=True))
            row = subscriber(raiser, "liar")
            assert row.strikes >= 3 and row.state == "quarantined", row
            assert subscriber(raiser, "honest").strikes == 0
            other.kill()
            # Its device holds the line up, and nobody can quiet it: the line is throttled, never dead.
            with neighbour(broker) as good:
                good.interrupts(10)
                good.unmoved(ceiling=2)
                # And as good as new once the device is at rest.
                raiser.sim_assert(LINE, "dev1", 1, deassert=True)
                good.interrupts(5)
                good.took.clear()
                good.interrupts(100)
                good.unmoved()


@test
def t33_not_mine_of_its_own_interrupt(_):
    """The other one is asked in its place, over and over, and answers as it should: that is no fault."""
    with Shared() as broker, broker.client() as raiser, broker.client(name="watcher") as watcher:
        children = [Child(honest, broker), Child(lie, broker, NOT_MINE)]
        try:
            for name in "honest", "liar":
                until(lambda: subscriber(raiser, name), f"{name} has not subscribed")
            watcher.ask(watch=pb.Watch(line=LINE))
            raiser.sim_assert(LINE, "dev1", 1)
            for what in ("lie", "strike", "quarantined"):
                assert reports(watcher, what).client_name == "liar"
            watcher.ask(watch=pb.Watch(stop=True))
            assert subscriber(raiser, "honest").strikes == 0
            device = raiser.grant(LINE, "dev0")
            for _ in range(5):
                raiser.sim_assert(LINE, "dev0", 1)
                until(lambda: device.status() == 0, "the honest one is not asked any more")
            device.close()
        finally:
            for child in children:
                child.kill()


@test
def t33_alone_with_its_device(broker):
    """A unit of its own: it is reported, and hurts nobody but itself."""
    with neighbour(broker) as good, broker.client(name="watcher") as watcher:
        watcher.ask(watch=pb.Watch(line=LINE))
        with liar(broker, good.player):
            assert reports(watcher, "lie").client_name == "liar"
            watcher.ask(watch=pb.Watch(stop=True))
            good.interrupts(500)
            good.unmoved()
            assert subscriber(good.player, "liar").strikes == 0


main(__name__, PatientBroker)
