# SPDX-License-Identifier: MIT
"""A client of ptirq-broker in Python: python3-protobuf, what protoc makes of ptirq.proto, and
docs/protocol.md; nothing of libptirq. The tests drive it; it also shows how short a client can be.

    client = Client(pages=True)
    sub = client.subscribe("demo", device="dev0")
    ask = sub.wait()
    ...serve the device...
    sub.answer(ask, HANDLED)
"""
import collections
import ctypes
import errno
import mmap
import os
import select
import socket
import struct
import time

import ptirq_pb2 as pb

HANDLED, NOT_MINE, EOI = pb.VERDICT_HANDLED, pb.VERDICT_NOT_MINE, pb.VERDICT_EOI
NOTIFIED, RETRACTED = 4, 32  # SLOT_NOTIFIED, SLOT_RETRACTED
BROKERED, NOTIFY, DIRECT = range(3)  # of a slot: which way its interrupts take
MESSAGE = 4096
FDS = 4
TIMEOUT = 10.0  # of anything that must come; a test that gets there has failed


class Refused(Exception):
    """A reply whose code is not STATUS_OK."""

    def __init__(self, status):
        super().__init__(f"{pb.StatusCode.Name(status.code)}: {status.message}")
        self.code = status.code


class Closed(Exception):
    """The broker has ended the connection; args[0] is its Evicted event, if it said why."""


def socket_path():
    own = os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "ptirq/broker.sock")
    return (os.environ.get("PTIRQ_SOCKET") or
            (own if os.path.exists(own) else "/run/ptirq/broker.sock"))


# ---------------------------------------------------------------------------- shared memory

SEQ_CST, ACQUIRE, RELEASE = 5, 2, 3


class Memory:
    """A shared mapping with the atomic operations of libatomic."""

    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int,
                           ctypes.c_int, ctypes.c_long]
    _libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    _atomic = ctypes.CDLL("libatomic.so.1")
    _uint = {4: ctypes.c_uint32, 8: ctypes.c_uint64}

    def __init__(self, fd, size=None, offset=0, writable=True):
        self.size = size or os.fstat(fd).st_size
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.base = self._libc.mmap(None, self.size, protection, mmap.MAP_SHARED, fd, offset)
        if self.base in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap")

    def close(self):
        if self.base:
            self._libc.munmap(self.base, self.size)
            self.base = None

    def _call(self, name, width, offset, *args):
        assert 0 <= offset <= self.size - width and offset % width == 0
        function = getattr(self._atomic, f"__atomic_{name}_{width}")
        function.restype = self._uint[width]
        values = [self._uint[width](a) for a in args[:-1]]
        return function(ctypes.c_void_p(self.base + offset), *values, ctypes.c_int(args[-1]))

    def load(self, offset, width=8):
        return self._call("load", width, offset, ACQUIRE)

    def store(self, offset, value, width=8):
        self._call("store", width, offset, value, RELEASE)

    def exchange(self, offset, value, width=8):
        return self._call("exchange", width, offset, value, SEQ_CST)

    def fetch_or(self, offset, value, width=8):
        return self._call("fetch_or", width, offset, value, SEQ_CST)

    def fetch_and(self, offset, value, width=8):
        return self._call("fetch_and", width, offset, value, SEQ_CST)

    def bytes(self, offset, size):
        return ctypes.string_at(self.base + offset, size)


Header = collections.namedtuple(
    "Header", "magic major minor size epoch count stride slots to_client to_broker vectors")
HEADER = struct.Struct("<8sHHIQIIIIII16x")


class Pages:
    """The two pages of one epoch."""

    def __init__(self, irq_fd, ack_fd):
        self.irq, self.ack = Memory(irq_fd, writable=False), Memory(ack_fd)
        self.irq_header, self.ack_header = self._header(self.irq), self._header(self.ack)
        assert self.irq_header.epoch == self.ack_header.epoch

    @staticmethod
    def _header(page):
        header = Header._make(HEADER.unpack(page.bytes(0, HEADER.size)))
        assert header.magic == b"ptirqpg1" and header.major == 1, header
        assert header.slots + header.count * header.stride <= header.size <= page.size, header
        return header

    def close(self):
        self.irq.close()
        self.ack.close()

    def news(self):
        """The slots that have changed."""
        base = self.ack_header.to_client
        words = self.ack.exchange(base, 0)
        for w in bits_of(words):
            for bit in bits_of(self.ack.exchange(base + 64 + 8 * w, 0)):
                yield 64 * w + bit

    def slot(self, slot):
        """An Interrupt as the slot has it, or None if there was none yet."""
        at = self.irq_header.slots + self.irq_header.stride * slot
        while True:
            number = self.irq.load(at, 4)
            if number == 0 and self.irq.load(at + 16) == 0:
                return None
            event = pb.Interrupt(
                round=number, flags=self.irq.load(at + 4, 4), fired_at_ns=self.irq.load(at + 8),
                count=self.irq.load(at + 16), status=self.irq.load(at + 32, 4),
                unit=self.irq.load(at + 36, 4))
            if number and self.irq.load(at, 4) == number:
                return event

    def path(self, slot):
        return self.irq.load(self.irq_header.slots + self.irq_header.stride * slot + 40, 4)

    def missed(self, slot):
        return self.irq.load(self.irq_header.slots + self.irq_header.stride * slot + 24)

    def answer(self, slot, number, verdict):
        """True: write the ack eventfd."""
        news = self.ack_header.to_broker
        self.ack.store(self.ack_header.slots + self.ack_header.stride * slot,
                       number << 32 | verdict)
        self.ack.fetch_or(news + 64 + slot // 64 * 8, 1 << slot % 64)
        return self.ack.fetch_or(news, 1 << slot // 64) == 0


class PlainPages(Pages):
    """The same with loads and stores only, as docs/protocol.md allows: every slot is looked at."""

    def __init__(self, *fds):
        super().__init__(*fds)
        self.own = set()
        self._libc = ctypes.CDLL(None)
        # membarrier(MEMBARRIER_CMD_GLOBAL): on x86-64 number 324, on arm64 283.
        self._membarrier = {"x86_64": 324, "aarch64": 283}[os.uname().machine]

    def news(self):
        self.ack.store(self.ack_header.to_client, 0)
        assert self._libc.syscall(self._membarrier, 1, 0, 0) == 0
        return sorted(self.own)

    def answer(self, slot, number, verdict):
        news = self.ack_header.to_broker
        word, bit = news + 64 + slot // 64 * 8, 1 << slot % 64
        self.ack.store(self.ack_header.slots + self.ack_header.stride * slot,
                       number << 32 | verdict)
        self.ack.store(word, self.ack.load(word) | bit)
        self.ack.store(news, self.ack.load(news) | 1 << slot // 64)
        return True


def bits_of(word):
    while word:
        yield (word & -word).bit_length() - 1
        word &= word - 1


class SoftDevice:
    """The registers of a soft device, for its driver and for who plays it."""

    def __init__(self, region, fd, pin=None, unmasked=None):
        self.memory = Memory(fd, region.size, region.offset)
        os.close(fd)
        self.pin, self.unmasked = pin, unmasked

    def close(self):
        self.memory.close()
        for fd in (self.pin, self.unmasked):
            if fd is not None:
                os.close(fd)
        self.pin = self.unmasked = None

    def status(self):
        return self.memory.load(0, 4)

    def mask(self):
        return self.memory.load(4, 4)

    def serve(self, bits):
        """Takes these bits out of the status; which of them were set."""
        return self.memory.fetch_and(0, ~bits & 0xffffffff, 4) & bits

    def raise_(self, bits):
        self.memory.fetch_or(0, bits, 4)
        os.write(self.pin, struct.pack("=Q", 1))


# -------------------------------------------------------------------------------- connection

class Client:
    def __init__(self, path=None, pages=False, own_eventfds=False, plain=False, name="client.py"):
        self.next_id = 1
        self.events = collections.deque()
        self.subs = {}
        self.pages = None
        self.make_pages = PlainPages if plain else Pages
        self.wake = self.ack = None
        self.evicted = None
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(path or socket_path())
        self.fds = []
        features = ([pb.FEATURE_PAGES] if pages else []) + (
            [pb.FEATURE_OWN_EVENTFDS] if own_eventfds else [])
        reply, fds = self.ask_fds(hello=pb.Hello(version_min=1, version_max=1, features=features,
                                                 name=name))
        self.hello = reply.hello
        assert list(self.hello.features) == features, self.hello
        if pages:
            self.wake, self.ack = fds
            try:
                while self.pages is None:
                    self._receive(TIMEOUT)
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        for fd in (self.wake, self.ack):
            if fd is not None:
                os.close(fd)
        self.wake = self.ack = None
        if self.pages:
            self.pages.close()
            self.pages = None
        for sub in self.subs.values():
            sub.forget()
        self.subs = {}

    # Messages

    def _receive(self, timeout):
        """One packet: a reply with its fds, or None after an event, which is noted."""
        self.sock.settimeout(timeout)
        try:
            data, fds, flags, _ = socket.recv_fds(self.sock, MESSAGE, FDS, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:  # something of ours was left unread; what was said follows
            return self._receive(timeout)
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        if not data:
            raise Closed(self.evicted)
        message = pb.FromBroker.FromString(data)
        if message.HasField("reply"):
            return message.reply, fds
        kind = message.event.WhichOneof("event")
        if kind == "epoch":
            if fds:
                old, self.pages = self.pages, self.make_pages(*fds)
                if old:
                    old.close()
        elif kind == "interrupt" and message.event.interrupt.subscription in self.subs:
            self.subs[message.event.interrupt.subscription].asks.append(message.event.interrupt)
        else:
            if kind == "evicted" and not message.event.evicted.subscription:
                self.evicted = message.event.evicted
            self.events.append(message.event)
        for fd in fds:
            os.close(fd)
        return None

    def send(self, **request):
        """Sends, does not wait; the id."""
        number = self.next_id
        self.next_id += 1
        self.sock.send(pb.Request(id=number, **request).SerializeToString())
        return number

    def reply_to(self, number):
        deadline = time.monotonic() + TIMEOUT
        while True:
            answer = self._receive(max(0.001, deadline - time.monotonic()))
            if answer:
                assert answer[0].id == number, "replies come in order, one for each request"
                return answer

    def ask_fds(self, **request):
        reply, fds = self.reply_to(self.send(**request))
        if reply.status.code != pb.STATUS_OK:
            assert not fds
            raise Refused(reply.status)
        return reply, fds

    def ask(self, **request):
        reply, fds = self.ask_fds(**request)
        assert not fds
        return reply

    def next_event(self, kind, timeout=TIMEOUT):
        """The next event of that kind; those before it are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self.events:
                event = self.events.popleft()
                if event.WhichOneof("event") == kind:
                    return getattr(event, kind)
            assert self._receive(max(0.001, deadline - time.monotonic())) is None

    # What clients do

    def subscribe(self, line, **fields):
        reply, fds = self.ask_fds(subscribe=pb.Subscribe(line=line, **fields))
        sub = Subscription(self, reply.subscribe, fds, bool(fields.get("messages")))
        self.subs[sub.id] = sub
        return sub

    def grant(self, line, device, kind=pb.GRANT_REGISTERS):
        reply, fds = self.ask_fds(
            grant_device=pb.GrantDevice(line=line, device=device, kind=kind))
        return SoftDevice(reply.grant.regions[0], *fds)

    def sim_assert(self, line, device, bits, deassert=False):
        self.ask(sim_assert=pb.SimAssert(line=line, device=device, bits=bits, deassert=deassert))

    def stats(self, scope, line=""):
        rows, cursor = [], 0
        while True:
            reply = self.ask(get_stats=pb.GetStats(scope=scope, line=line, cursor=cursor))
            rows += reply.stats.rows
            cursor = reply.stats.next_cursor
            if not cursor:
                return rows

    def lines(self):
        lines, cursor = [], 0
        while True:
            reply = self.ask(list_lines=pb.ListLines(cursor=cursor))
            lines += reply.lines.lines
            cursor = reply.lines.next_cursor
            if not cursor:
                return lines

    def take_news(self):
        """Page: gives each subscription what its slots have."""
        for slot in self.pages.news():
            for sub in self.subs.values():
                if sub.first_slot <= slot < sub.first_slot + len(sub.units):
                    sub.look(slot)


class Subscription:
    def __init__(self, client, reply, fds, messages):
        self.client, self.messages = client, messages
        self.id, self.units, self.first_slot = (reply.subscription, list(reply.units),
                                                reply.first_slot)
        self.asks = collections.deque()
        self.taken = {}  # slot -> round
        self.wake, self.resample = fds if fds else (None, None)
        if not messages and isinstance(client.pages, PlainPages):
            client.pages.own.update(range(self.first_slot, self.first_slot + len(self.units)))

    def forget(self):
        for fd in (self.wake, self.resample):
            if fd is not None:
                os.close(fd)
        self.wake = self.resample = None

    def look(self, slot):
        """At a slot that may have news."""
        ask = self.client.pages.slot(slot)
        if ask and ask.round != self.taken.get(slot):
            self.taken[slot] = ask.round
            ask.subscription = self.id
            self.asks.append(ask)

    def wait(self, timeout=TIMEOUT):
        """The next ask, an Interrupt; None when the time is over."""
        deadline = time.monotonic() + timeout
        while not self.asks:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                self._wait_once(left)
            except TimeoutError:
                return None
        return self.asks.popleft()

    def _wait_once(self, timeout):
        if self.messages:
            assert self.client._receive(timeout) is None, "a reply that nobody waits for"
            return
        if self.wake is None:
            self.client.take_news()  # what came before this
            if self.asks:
                return
        wake = self.client.wake if self.wake is None else self.wake
        if not wait_readable(wake, timeout):
            return
        drain(wake)
        if self.wake is None:
            self.client.take_news()
        else:
            path = self.path()
            for slot in range(self.first_slot, self.first_slot + len(self.units)):
                self.look(slot)
            if path == DIRECT:
                self.asks.clear()  # of the past
            elif path == NOTIFY and self.asks and self.asks[-1].flags & RETRACTED:
                # It is over, so it is not what was woken for; to be answered all the same.
                self.asks.clear()
                self.taken.clear()
            if not self.asks and path != BROKERED:
                # The source was faster than the broker, or does not tell it at all.
                self.asks.append(pb.Interrupt(unit=self.units[0], flags=NOTIFIED))

    def path(self):
        return self.client.pages.path(self.first_slot) if self.client.pages else BROKERED

    def answer(self, ask, verdict):
        if self.messages:
            self.client.ask(ack=pb.Ack(subscription=self.id, unit=ask.unit, round=ask.round,
                                       verdict=verdict))
            return
        path = self.path()
        if not ask.round and path != DIRECT:
            # Perhaps there is a number now.
            self.look(self.first_slot)
            ask = self.asks.popleft() if self.asks else ask
        if self.wake is not None and (verdict == EOI or not ask.round and path != NOTIFY):
            os.write(self.resample, struct.pack("=Q", 1))
        else:
            slot = self.first_slot + self.units.index(ask.unit)
            if self.client.pages.answer(slot, ask.round, verdict):
                os.write(self.client.ack, struct.pack("=Q", 1))


def wait_readable(fd, timeout):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def drain(fd):
    """Reads an eventfd; how often it was written, 0 if not at all."""
    try:
        return struct.unpack("=Q", os.read(fd, 8))[0]
    except OSError as e:
        if e.errno != errno.EAGAIN:
            raise
        return 0
