#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T11, T12, T16, T17: requests and acks that are legal, forged, or far too many."""
import contextlib
import os
import random
import select
import struct
import time

from adversary import (LINE, NOBODY, Child, PatientBroker, main, need_root, neighbour, open_to_all, pb,
                       refused, test, until)
from client import HANDLED, NOT_MINE

ONE = struct.pack("=Q", 1)
HELLO = pb.Request(id=1, hello=pb.Hello(version_min=1, version_max=1)).SerializeToString()


@test
def t12_subscribe_and_unsubscribe_for_ever(broker):
    """10,000 times: flat memory, flat fds, and numbers that are never used twice in a row."""
    with broker.client(pages=True, own_eventfds=True) as client:
        def churn(n, **options):
            last = 0
            for _ in range(n):
                sub = client.subscribe(LINE, device="dev0", **options)
                assert sub.id != last
                last = sub.id
                client.ask(unsubscribe=pb.Unsubscribe(subscription=sub.id))
                sub.forget()
                del client.subs[sub.id]

        churn(2000)
        churn(200, own_eventfds=True)
        fds, memory = broker.fds(), broker.memory()
        churn(10000)
        churn(1000, own_eventfds=True)
        until(lambda: broker.fds() == fds, f"fds {fds} -> {broker.fds()}")
        assert broker.grown(memory) < 256 << 10, broker.grown(memory)


@test
def t12_the_same_subscription_over_and_over(broker):
    """Each is one of its own, up to the line's limit; then nothing changes any more."""
    with broker.client(pages=True) as client:
        subs = [client.subscribe(LINE, device="dev0") for _ in range(64)]
        assert len({s.id for s in subs}) == len({s.first_slot for s in subs}) == 64
        fds, memory = broker.fds(), broker.memory()
        for _ in range(5000):
            text = refused(pb.STATUS_LIMIT, client.subscribe, LINE, device="dev0")
        assert "max-subscribers" in text, text
        assert broker.fds() == fds and broker.grown(memory) < 128 << 10
        client.ask(unsubscribe=pb.Unsubscribe(subscription=subs[10].id))
        again = client.subscribe(LINE, device="dev0")
        assert again.first_slot == subs[10].first_slot and again.id != subs[10].id


@test
def t12_repeated_hello_watch_park(broker):
    with broker.client(pages=True) as client:
        sub = client.subscribe(LINE, device="dev0")
        fds, memory = broker.fds(), broker.memory()
        for _ in range(2000):
            client.ask(watch=pb.Watch(line=LINE))
            client.ask(park=pb.Park(subscription=sub.id))
        for _ in range(2000):
            client.ask(unpark=pb.Unpark(subscription=sub.id))
            client.ask(watch=pb.Watch(stop=True))
            reply, _ = client.reply_to(client.send(hello=pb.Hello(version_min=1, version_max=1)))
            assert reply.status.code == pb.STATUS_INVALID
        assert broker.fds() == fds and broker.grown(memory) < 128 << 10


@test
def t11_numbers_out_of_range(broker):
    odd = [0, 1, 2**31, 2**32 - 1]
    with broker.client(pages=True) as client:
        sub = client.subscribe(LINE, device="dev0")
        for number in odd + [sub.id + 1, sub.id ^ 0x400, sub.id | 0x80000000]:
            for request in ({"unsubscribe": pb.Unsubscribe(subscription=number)},
                            {"park": pb.Park(subscription=number)},
                            {"unpark": pb.Unpark(subscription=number)},
                            {"ack": pb.Ack(subscription=number, unit=0, round=1, verdict=1)}):
                reply, _ = client.reply_to(client.send(**request))
                assert reply.status.code == pb.STATUS_NOT_FOUND, (number, reply)
        for unit in [1, 2, 16, 255, 256, 2**32 - 1]:
            refused(pb.STATUS_INVALID, client.ask,
                    ack=pb.Ack(subscription=sub.id, unit=unit, round=1, verdict=1))
        for verdict in [0, 4, 255, 2**31 - 1]:
            refused(pb.STATUS_INVALID, client.ask,
                    ack=pb.Ack(subscription=sub.id, unit=0, round=1, verdict=verdict))
        for cursor in [64, 2**32, 2**63, 2**64 - 1]:
            for scope in range(5):
                client.ask(get_stats=pb.GetStats(scope=scope, cursor=cursor))
        client.ask(list_lines=pb.ListLines(cursor=2**32 - 1))
        refused(pb.STATUS_UNSUPPORTED, client.ask, get_stats=pb.GetStats(scope=77))
        refused(pb.STATUS_INVALID, client.subscribe, LINE, priority=256)
        refused(pb.STATUS_NOT_FOUND, client.subscribe, LINE, device="dev3")
        refused(pb.STATUS_NOT_FOUND, client.subscribe, "no-such-line")
        refused(pb.STATUS_NOT_FOUND, client.ask, release=pb.Release(client=2**64 - 1))
        refused(pb.STATUS_UNSUPPORTED, client.grant, LINE, "dev0", kind=9)


@test
def t16_t17_a_page_full_of_lies(broker):
    """Random news, random acks, into every word of the ack page: nobody is served less."""
    def liar():
        rng = random.Random(1)
        client = broker.client(pages=True, name="liar")
        sub = client.subscribe(LINE)
        page, header = client.pages.ack, client.pages.ack_header
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            for _ in range(50):
                offset = rng.randrange(64, page.size // 8 * 8 - 8) // 8 * 8
                page.store(offset, rng.getrandbits(64))
            ask = client.pages.slot(sub.first_slot)
            if ask:  # forged, from what it may well know
                for number in (ask.round + 1, ask.round - 1, ask.round ^ 1 << 31):
                    page.store(header.slots + 8 * sub.first_slot, (number % 2**32) << 32 | HANDLED)
            page.store(header.to_broker + 64, 2**64 - 1)
            page.store(header.to_broker, 2**64 - 1)
            try:
                os.write(client.ack, ONE)
            except BlockingIOError:
                pass

    with neighbour(broker, "dev2") as good:
        child = Child(liar)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            good.interrupts(5)
        child.wait()
        until(lambda: len(good.player.stats(pb.STATS_CLIENTS)) == 2, "the liar is still there")
        good.interrupts(50)


@test
def t17_verdicts_of_others_rounds(broker):
    """Two subscriptions on one device: the one that is not asked cannot answer for the other."""
    with broker.client(name="a") as a, broker.client(name="b") as b, broker.client() as raiser:
        first = a.subscribe(LINE, device="dev1", messages=True)
        device = a.grant(LINE, "dev1")
        raiser.sim_assert(LINE, "dev1", 1)
        ask = first.wait()
        second = b.subscribe(LINE, device="dev1", messages=True)  # a joiner owes nothing (A10)
        refused(pb.STATUS_STALE, b.ask, ack=pb.Ack(subscription=second.id, unit=1, round=ask.round,
                                                   verdict=HANDLED))
        refused(pb.STATUS_STALE, a.ask, ack=pb.Ack(subscription=first.id, unit=1, round=ask.round + 1,
                                                   verdict=HANDLED))
        device.serve(1)
        first.answer(ask, HANDLED)
        refused(pb.STATUS_STALE, a.ask, ack=pb.Ack(subscription=first.id, unit=1, round=ask.round,
                                                   verdict=NOT_MINE))
        device.close()


@test
def a_flood_of_requests(broker):
    """Promise 6: one client's flood of control messages leaves its neighbour nearly alone."""
    def flood():
        client = broker.client(name="flooder")
        ends = time.monotonic() + 1.5
        client.sock.setblocking(True)
        request = pb.Request(id=1, list_lines=pb.ListLines()).SerializeToString()
        while time.monotonic() < ends:
            for _ in range(20):
                client.sock.send(request)
            for _ in range(20):
                client.sock.recv(4096)

    with neighbour(broker) as good:
        good.interrupts(500)
        alone = good.p99()
        good.took.clear()
        child = Child(flood)
        ends = time.monotonic() + 1.5
        while time.monotonic() < ends:
            good.interrupts(20)
        child.wait()
        print(f"      neighbour: p99 {alone * 1e3:.3f} ms alone, {good.p99() * 1e3:.3f} ms beside it")
        good.unmoved()


@test
def t12_watchers_of_one_user(broker):
    """Each costs every interrupt a message or more: a few of them are enough for anybody but root."""
    need_root("to be several users")
    open_to_all(broker)

    def watch():
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(broker.client()) for _ in range(5)]
            for client in clients[:4] * 2:
                client.ask(watch=pb.Watch())
            assert "4" in refused(pb.STATUS_LIMIT, clients[4].ask, watch=pb.Watch())
            clients[0].ask(watch=pb.Watch(stop=True))
            clients[4].ask(watch=pb.Watch())
            refused(pb.STATUS_LIMIT, clients[0].ask, watch=pb.Watch())
            clients[1].close()
            until(lambda: len(clients[2].stats(pb.STATS_CLIENTS)) == 4, "it has gone")
            clients[0].ask(watch=pb.Watch())

    Child(watch, uid=NOBODY).wait()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(broker.client()).ask(watch=pb.Watch())


@test
def nobody_is_left_out_by_a_flood(broker):
    """More who always have something unread than the broker takes messages of in a turn: who is new is
    heard all the same."""
    ready, stop = os.pipe(), os.pipe()

    def flood():
        request = pb.Request(id=1, get_line=pb.GetLine(line="none")).SerializeToString()
        os.close(stop[1])
        socks = [broker.raw() for _ in range(20)]
        for sock in socks:
            sock.send(HELLO)
            sock.recv(4096), sock.recv(4096)
            sock.setblocking(False)
        os.write(ready[1], b"r")
        while not select.select([stop[0]], [], [], 0)[0]:
            for sock in socks:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(20):
                        sock.send(request)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sock.recv(4096)

    children = [Child(flood) for _ in range(2)]
    try:
        assert os.read(ready[0], 1) == os.read(ready[0], 1) == b"r"
        took = []
        for _ in range(50):
            started = time.monotonic()
            with broker.client(name="new") as new:
                assert new.lines()
            took.append(time.monotonic() - started)
    finally:
        os.close(stop[1])
        for child in children:
            child.wait()
    print(f"      to connect and to be answered took {max(took) * 1e3:.1f} ms at most")
    assert max(took) < 1, took
    for fd in (*ready, stop[0]):
        os.close(fd)


main(__name__, PatientBroker)
