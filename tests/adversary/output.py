#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""T4 and T5: clients that do not read what they are sent."""
import socket
import time

from adversary import LINE, Child, closed_in, evicted, main, neighbour, pb, test, until


@test
def t05_replies_that_nobody_reads(broker):
    """64 KiB of them, and it is over; the broker's memory stays as it was."""
    with neighbour(broker) as good:
        memory = broker.memory()
        for _ in range(20):
            client = broker.client(name="deaf")
            try:
                for _ in range(20000):
                    client.send(list_lines=pb.ListLines())
                raise AssertionError("20,000 unread replies were kept")
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                client.sock.close()
            good.interrupts(5)
        good.unmoved()
        grown = broker.grown(memory)
        assert grown < 1 << 20, grown
    assert "does not read what it is sent" in broker.said()


@test
def t05_interrupts_that_nobody_reads(broker):
    """By message, and never answered: the deadline has it in debt long before its queue is full."""
    with broker.client(name="mute") as mute, neighbour(broker) as good:
        mute.subscribe(LINE, device="dev0", messages=True)
        good.interrupts(200)
        assert broker.alive()


@test
def t05_a_watcher_that_does_not_read_loses_records(broker):
    """And is told how many, and is not evicted for it."""
    with broker.client(name="watcher") as watcher, neighbour(broker) as good:
        watcher.ask(watch=pb.Watch(line=LINE))
        good.interrupts(2000)
        dropped = 0
        records = 0
        watcher.sock.settimeout(2)
        while not dropped:
            good_before = records
            try:
                while True:
                    record = watcher.next_event("watch", timeout=0.2)
                    records += 1
                    dropped += record.dropped
            except (TimeoutError, AssertionError, socket.timeout):
                pass
            good.interrupts(5)
            assert records > good_before, "the watcher gets nothing any more"
        assert dropped > 100, dropped
        print(f"      {records} records, {dropped} dropped")


@test
def t04_descriptors_that_nobody_reads(broker):
    """One packet with fds at a time; who leaves it for 2 s is evicted; nobody else is held up."""
    with neighbour(broker) as good:
        good.player.grant(LINE, "dev1").close()  # its registers are made once
        before = broker.fds()
        client = broker.client(name="hoarder")
        started = time.monotonic()
        for _ in range(50):
            client.send(grant_device=pb.GrantDevice(line=LINE, device="dev1",
                                                    kind=pb.GRANT_REGISTERS))
        while time.monotonic() < started + 2.5:
            good.interrupts(10)
            with broker.client(pages=True):
                pass  # others' fds are sent all the same
        reason = closed_in(client, 10)
        assert "does not read the fds" in reason, reason
        until(lambda: broker.fds() <= before, f"fds {before} -> {broker.fds()}")
        good.unmoved()


@test
def t04_many_who_read_nothing(broker):
    """Each has one unread packet with fds; together they do not use up what the kernel allows us."""
    def silent():
        return [broker.raw() for _ in range(60)]

    hello = pb.Request(id=1, hello=pb.Hello(version_min=1, version_max=1,
                                            features=[pb.FEATURE_PAGES])).SerializeToString()
    with neighbour(broker) as good:
        socks = silent()
        for sock in socks:
            sock.send(hello)
        good.interrupts(50)
        with broker.client(pages=True):
            pass
        for sock in socks:
            sock.close()
        good.unmoved()


main(__name__)
