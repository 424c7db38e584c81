#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client that is none of ours' library: every way to take an interrupt and to answer it."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ptirq_test import Client, PatientBroker, Refused, main, pb, test  # noqa: E402
from client import EOI, HANDLED, NOT_MINE, RETRACTED, drain, wait_readable  # noqa: E402

LINE = "demo"
ROUNDS = 50


def refused(code, function, *args, **fields):
    try:
        function(*args, **fields)
    except Refused as e:
        assert e.code == code, e
        return str(e)
    raise AssertionError(f"not refused with {pb.StatusCode.Name(code)}")


def row_of(client, sub):
    rows = [r for r in client.stats(pb.STATS_SUBSCRIBERS, LINE) if r.subscription == sub.id
            and r.client == client.hello.client]
    assert len(rows) == 1, rows
    return rows[0]


def unit_of(client, device):
    return next(r for r in client.stats(pb.STATS_UNITS, LINE) if r.device == device)


def serve(broker, client, verdict, rounds=ROUNDS, **subscribe):
    """An administrator raises one bit after the other; the client serves each, and is asked for each."""
    sub = client.subscribe(LINE, device="dev0", **subscribe)
    device = client.grant(LINE, "dev0")
    with broker.client(name="raiser") as raiser:
        last = 0
        for n in range(rounds):
            bit = 1 << n % 32
            raiser.sim_assert(LINE, "dev0", bit)
            ask = sub.wait()
            assert ask, f"nothing came for interrupt {n}"
            assert ask.round != last and ask.unit in sub.units and ask.count == n + 1, ask
            assert ask.fired_at_ns > 0 and not ask.flags & RETRACTED, ask
            last = ask.round
            assert device.serve(0xffffffff) == bit
            sub.answer(ask, verdict)
        # Once more: when it is asked, the last verdict has been taken.
        raiser.sim_assert(LINE, "dev0", 1)
        ask = sub.wait()
        device.serve(1)
        row = row_of(client, sub)
        assert row.asks == rounds + 1, row
        assert (row.eoi if verdict == EOI else row.handled) == rounds, row
        assert row.response.count == rounds and 0 < row.response.p50_ns <= row.response.max_ns, row
        assert row.timeouts == row.strikes == row.stale == row.not_mine == 0, row
        sub.answer(ask, verdict)
    device.close()


@test
def messages(broker):
    with broker.client() as client:
        assert client.wake is None and client.pages is None, "no descriptor unless asked for"
        serve(broker, client, HANDLED, messages=True)


@test
def pages(broker):
    with broker.client(pages=True) as client:
        serve(broker, client, HANDLED)


@test
def pages_with_plain_loads_and_stores(broker):
    with broker.client(pages=True, plain=True) as client:
        serve(broker, client, HANDLED)


@test
def eventfds_of_its_own(broker):
    with broker.client(pages=True, own_eventfds=True) as client:
        serve(broker, client, EOI, own_eventfds=True)


@test
def three_drivers_on_one_line(broker):
    """One with messages, two with pages; whose it is not says so, and no interrupt goes astray."""
    with broker.client() as a, broker.client(pages=True) as b, broker.client(pages=True) as c, \
            broker.client(name="raiser") as raiser:
        drivers = []
        for n, client in enumerate((a, b, c)):
            sub = client.subscribe(LINE, device=f"dev{n}", messages=client is a)
            drivers.append((sub, client.grant(LINE, f"dev{n}")))
        for n in range(3 * ROUNDS):
            raiser.sim_assert(LINE, f"dev{n % 3}", 1 << n % 32)
            sub, device = drivers[n % 3]
            ask = sub.wait()
            assert ask, f"interrupt {n}"
            assert device.serve(0xffffffff) == 1 << n % 32
            sub.answer(ask, HANDLED)
        assert sum(r.handled for r in raiser.stats(pb.STATS_UNITS, LINE)) >= 3 * ROUNDS - 1
        for sub, device in drivers:
            device.close()


@test
def two_drivers_of_one_device(broker):
    """Nobody can tell whose it is: the first says NOT_MINE, the other is asked."""
    with broker.client(pages=True) as a, broker.client() as b, broker.client() as raiser:
        first = a.subscribe(LINE, device="dev1")
        second = b.subscribe(LINE, device="dev1", messages=True)
        device = b.grant(LINE, "dev1")
        for n in range(10):
            raiser.sim_assert(LINE, "dev1", 1)
            ask = first.wait(0.05)  # not always asked: the broker learns
            if ask:
                first.answer(ask, NOT_MINE)
            ask = second.wait()
            assert ask, n
            assert device.serve(1) == 1
            second.answer(ask, HANDLED)
        device.close()


@test
def a_level_stays(broker):
    """Not served, but HANDLED: it fires again, and again, until it is served."""
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev0")
        device = client.grant(LINE, "dev0")
        raiser.sim_assert(LINE, "dev0", 5)
        first = sub.wait()
        assert device.serve(1) == 1
        sub.answer(first, HANDLED)
        second = sub.wait()
        assert second.round != first.round
        assert device.serve(4) == 4 and device.status() == 0
        sub.answer(second, HANDLED)
        assert sub.wait(0.1) is None
        device.close()


@test
def a_player_with_the_pin(broker):
    """Raises through shared memory, waits for the unmask: the broker is never asked."""
    with broker.client(pages=True) as client, broker.client() as player:
        sub = client.subscribe(LINE, device="dev2")
        device = client.grant(LINE, "dev2")
        pin = player.grant(LINE, "dev2", pb.GRANT_SIM_PIN)
        drain(pin.unmasked)
        for n in range(ROUNDS):
            pin.raise_(1 << n % 32)
            ask = sub.wait()
            assert ask, n
            assert device.serve(0xffffffff) == 1 << n % 32
            sub.answer(ask, HANDLED)
            assert wait_readable(pin.unmasked, 10)
            drain(pin.unmasked)
        device.close()
        pin.close()


@test
def late(broker):
    """Who does not answer in time still owes a verdict, and may give it late."""
    for pages in (False, True):
        with broker.client(pages=pages) as client, broker.client() as raiser:
            sub = client.subscribe(LINE, device="dev0", messages=not pages, deadline_ns=20_000_000)
            device = client.grant(LINE, "dev0")
            raiser.ask(watch=pb.Watch(line=LINE))
            raiser.sim_assert(LINE, "dev0", 1)
            ask = sub.wait()
            while raiser.next_event("watch").what != "timeout":
                pass
            if pages:
                assert client.pages.missed(sub.first_slot) == 1
            row = row_of(client, sub)
            assert row.debts == (row.state == "debt"), row
            device.serve(1)
            sub.answer(ask, HANDLED)
            # Its debt is paid: it is asked again.
            raiser.sim_assert(LINE, "dev0", 2)
            again = sub.wait()
            assert again, "still in debt"
            device.serve(2)
            sub.answer(again, HANDLED)
            deadline = time.monotonic() + 10
            while (row := row_of(client, sub)).state != "ok":  # the last answer may be on its way
                assert time.monotonic() < deadline, row
            assert row.timeouts >= 1 and row.stale >= 1 and row.strikes >= 1, row  # more on a loaded machine
            unit = unit_of(client, "dev0")
            assert row.debts == unit.debts == 0 and unit.forced >= 1, (row, unit)
            device.close()


@test
def retracted(broker):
    """Both are asked, the second one serves: the first one need not answer any more."""
    for pages in (False, True):
        with broker.client(pages=pages) as a, broker.client() as b, broker.client() as raiser:
            first = a.subscribe(LINE, device="dev1", messages=not pages)
            second = b.subscribe(LINE, device="dev1", messages=True)
            device = b.grant(LINE, "dev1")
            raiser.sim_assert(LINE, "dev1", 1)
            ask, other = first.wait(), second.wait()
            assert ask and other and ask.round == other.round
            raiser.ask(watch=pb.Watch(line=LINE))
            device.serve(1)
            second.answer(other, HANDLED)
            while raiser.next_event("watch").what != "resolved":
                pass
            if pages:
                slot = a.pages.slot(first.first_slot)
                assert slot.round == ask.round and slot.flags & RETRACTED, slot
                assert a.pages.missed(first.first_slot) == 1
            else:
                gone = a.next_event("retracted")
                assert (gone.subscription, gone.unit, gone.round) == (first.id, ask.unit, ask.round)
            assert row_of(a, first).retracted == 1 and row_of(b, second).retracted == 0
            device.close()


@test
def nobody_s_interrupt(broker):
    """Once the level goes by itself; then it stays, and the unit is throttled, for longer each time."""
    with broker.client() as client:
        sub = client.subscribe(LINE, device="dev0", messages=True)
        client.sim_assert(LINE, "dev0", 1)
        ask = sub.wait()
        client.sim_assert(LINE, "dev0", 1, deassert=True)
        sub.answer(ask, NOT_MINE)
        unit = unit_of(client, "dev0")
        assert (unit.rounds, unit.not_mine, unit.unhandled, unit.spurious) == (1, 1, 1, 1), unit
        client.sim_assert(LINE, "dev0", 1)
        for _ in range(2000):  # eight within 100 ms, on a machine that may be busy
            ask = sub.wait()
            assert ask, unit
            sub.answer(ask, NOT_MINE)
            unit = unit_of(client, "dev0")
            if unit.throttled == 2:
                break
        assert unit.unhandled > 8 and unit.spurious == 1 and unit.throttled_ns >= 1_000_000, unit


@test
def verdicts_not_owed(broker):
    with broker.client() as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev0", messages=True)
        device = client.grant(LINE, "dev0")
        raiser.sim_assert(LINE, "dev0", 1)
        ask = sub.wait()
        for field, value in (("round", ask.round - 1), ("round", ask.round + 7), ("verdict", 9),
                             ("verdict", 0), ("unit", 15), ("unit", 1 << 31)):
            forged = pb.Ack(subscription=sub.id, unit=ask.unit, round=ask.round, verdict=HANDLED)
            setattr(forged, field, value)
            try:
                client.ask(ack=forged)
            except Refused as e:
                assert e.code in (pb.STATUS_STALE, pb.STATUS_INVALID, pb.STATUS_NOT_FOUND), e
            else:
                raise AssertionError(f"taken: {field} = {value}")
        for subscription in (0, sub.id + 1, 0xffffffff):
            refused(pb.STATUS_NOT_FOUND, client.ask, ack=pb.Ack(
                subscription=subscription, unit=ask.unit, round=ask.round, verdict=HANDLED))
        device.serve(1)
        sub.answer(ask, HANDLED)
        refused(pb.STATUS_STALE, sub.answer, ask, HANDLED)
        device.close()


@test
def acks_that_want_no_answer(broker):
    """With id 0: taken in silence, and refused aloud."""
    with broker.client() as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev0", messages=True)
        device = client.grant(LINE, "dev0")
        raiser.sim_assert(LINE, "dev0", 1)
        ask = sub.wait()
        device.serve(1)
        ack = pb.Request(ack=pb.Ack(subscription=sub.id, unit=ask.unit, round=ask.round,
                                    verdict=HANDLED)).SerializeToString()
        client.sock.send(ack)
        assert client.lines(), "the next answer is to the next request"
        assert row_of(client, sub).handled == 1
        client.sock.send(ack)
        reply, _ = client.reply_to(0)
        assert reply.status.code == pb.STATUS_STALE, reply
        device.close()


@test
def parked(broker):
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev0")
        device = client.grant(LINE, "dev0")
        client.ask(park=pb.Park(subscription=sub.id))
        raiser.sim_assert(LINE, "dev0", 1)
        assert sub.wait(0.1) is None
        client.ask(unpark=pb.Unpark(subscription=sub.id))
        ask = sub.wait()
        assert ask and device.serve(1) == 1
        sub.answer(ask, HANDLED)
        client.ask(unsubscribe=pb.Unsubscribe(subscription=sub.id))
        refused(pb.STATUS_NOT_FOUND, client.ask, unsubscribe=pb.Unsubscribe(subscription=sub.id))
        device.close()


@test
def lines_and_answers(broker):
    with broker.client() as client:
        assert client.hello.version == 1 and client.hello.administrator, client.hello
        assert client.hello.client and client.hello.epoch, client.hello
        line, = client.lines()
        assert (line.name, line.source, line.trigger, line.devices) == (LINE, "sim", "level", 3)
        reply = client.ask(get_line=pb.GetLine(line=LINE)).line
        assert [d.name for d in reply.devices] == ["dev0", "dev1", "dev2"]
        assert all(d.present and d.grantable for d in reply.devices)
        for code, request in (
                (pb.STATUS_NOT_FOUND, dict(get_line=pb.GetLine(line="none"))),
                (pb.STATUS_NOT_FOUND, dict(subscribe=pb.Subscribe(line="none", messages=True))),
                (pb.STATUS_NOT_FOUND, dict(subscribe=pb.Subscribe(line=LINE, device="none",
                                                                  messages=True))),
                (pb.STATUS_INVALID, dict(subscribe=pb.Subscribe(line=LINE, messages=True,
                                                                priority=256))),
                (pb.STATUS_UNSUPPORTED, dict(get_stats=pb.GetStats(scope=77))),
                (pb.STATUS_INVALID, dict(subscribe=pb.Subscribe(
                    line=LINE, messages=True, own_eventfds=True))),
                (pb.STATUS_INVALID, dict(hello=pb.Hello(version_min=1, version_max=1)))):
            assert len(refused(code, client.ask, **request)) > len("STATUS_NOT_FOUND: "), request
        refused(pb.STATUS_UNSUPPORTED, client.ask, subscribe=pb.Subscribe(
            line=LINE, own_eventfds=True))
        # A request of tomorrow, field 99; and none at all.
        for tomorrow in (b"\x08\x4d\x9a\x06\x00", b"\x08\x4d"):
            client.sock.send(tomorrow)
            reply, _ = client.reply_to(77)
            assert reply.status.code == pb.STATUS_UNSUPPORTED, reply
        broker_row, = client.stats(pb.STATS_BROKER)
        assert {r.client for r in client.stats(pb.STATS_CLIENTS)} == {client.hello.client}


@test
def versions(broker):
    for low, high, code in ((1, 1, pb.STATUS_OK), (0, 9, pb.STATUS_OK), (2, 9, pb.STATUS_VERSION),
                            (0, 0, pb.STATUS_VERSION)):
        with broker.raw() as sock:
            sock.send(pb.Request(id=5, hello=pb.Hello(version_min=low, version_max=high))
                      .SerializeToString())
            reply = pb.FromBroker.FromString(sock.recv(4096)).reply
            assert (reply.id, reply.status.code) == (5, code), reply


@test
def watching(broker):
    with broker.client() as watcher, broker.client(pages=True, name="driver") as client:
        sub = client.subscribe(LINE, device="dev0")
        device = client.grant(LINE, "dev0")
        watcher.ask(watch=pb.Watch(line=LINE))
        watcher.sim_assert(LINE, "dev0", 1)
        ask = sub.wait()
        device.serve(1)
        sub.answer(ask, HANDLED)
        seen = {}
        while "resolved" not in seen:
            record = watcher.next_event("watch")
            seen[record.what] = record
        assert {"fired", "ask", "verdict", "resolved"} <= set(seen), set(seen)
        assert seen["ask"].round == seen["verdict"].round == ask.round
        assert seen["verdict"].client_name == "driver" and seen["verdict"].detail == "handled"
        assert seen["verdict"].took_ns > 0
        watcher.ask(watch=pb.Watch(line=LINE, stop=True))
        device.close()


@test
def edge_triggered_wake(broker):
    """EPOLLET and no read: every interrupt is an event."""
    import select
    with broker.client(pages=True) as client, broker.client() as raiser:
        sub = client.subscribe(LINE, device="dev0")
        device = client.grant(LINE, "dev0")
        with select.epoll() as epoll:
            epoll.register(client.wake, select.EPOLLIN | select.EPOLLET)
            client.take_news()
            for n in range(ROUNDS):
                raiser.sim_assert(LINE, "dev0", 1)
                while not sub.asks:
                    assert epoll.poll(10), n
                    client.take_news()
                device.serve(1)
                sub.answer(sub.asks.popleft(), HANDLED)
            assert struct.unpack("=Q", os.read(client.wake, 8))[0] >= ROUNDS, "nobody has read it"
        device.close()


main(__name__, PatientBroker)
