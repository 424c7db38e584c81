#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The examples against the broker: every one serves what is asserted, they outlive the broker, and
the wait of the fastest makes no system call but epoll_wait and the write of the ack eventfd."""
import contextlib
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from ptirq_test import BUILD, Broker, Skipped, main, pb, test  # noqa: E402

COUNT = 500


def start(broker, example, *args, wrapper=()):
    return subprocess.Popen(
        [*wrapper, os.path.join(BUILD, "examples", example), *args],
        env={**os.environ, "PTIRQ_SOCKET": broker.socket},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def ended_by_us(drivers):
    """They would wait for another broker for ever, also when the test has failed."""
    try:
        yield drivers
    finally:
        for driver in drivers:
            driver.kill()
            driver.communicate()


def play(broker, device, count, *args):
    process = subprocess.run(
        [os.path.join(BUILD, "ctl", "ptirqctl"), "sim", "run", "--device", device,
         "--count", str(count), "--bits", "3", *args],
        env={**os.environ, "PTIRQ_SOCKET": broker.socket}, capture_output=True, text=True,
        timeout=50)
    assert process.returncode == 0, process.stderr + process.stdout


def ended(process, said=f"served {COUNT}\n"):
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, said), (process.returncode, out, err)


def serves(broker, example, device):
    driver = start(broker, example, "--device", device, "--count", str(COUNT))
    play(broker, device, COUNT, "--drain", "20000")
    ended(driver)


@test
def driver_wait(broker):
    serves(broker, "driver_wait", "dev0")


@test
def driver_handler(broker):
    serves(broker, "driver_handler", "dev1")


@test
def loop_uv(broker):
    serves(broker, "loop_uv", "dev2")


@test
def loop_sdevent(broker):
    serves(broker, "loop_sdevent", "dev0")


@test
def all_at_once(broker):
    examples = ("driver_wait", "dev0"), ("driver_handler", "dev1"), ("loop_uv", "dev2")
    drivers = [start(broker, example, "--device", device, "--count", "200")
               for example, device in examples]
    for _, device in examples:
        play(broker, device, 200, "--drain", "20000")
    for driver in drivers:
        ended(driver, "served 200\n")


@test
def what_asserts_before_the_driver_comes(broker):
    play(broker, "dev0", 3)
    ended(start(broker, "driver_wait", "--device", "dev0", "--count", "3"), "served 3\n")


@test
def no_such_device(broker):
    for example in ("driver_wait", "driver_handler", "loop_uv", "loop_sdevent"):
        driver = start(broker, example, "--device", "nosuch")
        _, err = driver.communicate(timeout=10)
        assert driver.returncode == 1 and "nosuch" in err, err


def stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(") ")[2][0]


def until(condition, what, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what


def subscribed(broker, n):
    """The drivers whose subscriptions the broker knows."""
    with broker.client() as client:
        until(lambda: sum(line.subscribers for line in client.lines()) == n,
              lambda: f"{client.lines()}")


@test
def over_a_restart(_):
    """The broker is killed, and another takes its place: nobody has to do anything."""
    with Broker() as first, ended_by_us([
            start(first, example, "--device", device)
            for example, device in (("driver_wait", "dev0"), ("driver_handler", "dev1"),
                                    ("loop_uv", "dev2"), ("loop_sdevent", "dev0"))]) as drivers:
        subscribed(first, 4)
        first.process.kill()
        first.process.wait()
        second = Broker()
        second.socket = first.socket
        with second:
            subscribed(second, 4)
            with second.client() as client:
                # Soft devices live as long as their broker: the new one's are served.
                for device in range(3):
                    client.sim_assert("demo", f"dev{device}", 1)
                until(lambda: sum(row.handled > 0 for row in client.stats(pb.STATS_SUBSCRIBERS))
                      >= 3, lambda: f"{client.stats(pb.STATS_SUBSCRIBERS)}")
            assert all(driver.poll() is None for driver in drivers)


def need_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        raise Skipped(f"needs KVM: {error}") from None


@test
def vmm_irqfd(broker):
    """A guest of KVM serves: by irqfd and resamplefd, the verdict is its end of interrupt."""
    need_kvm()
    vmm = start(broker, "vmm_irqfd", "--device", "dev0", "--count", str(COUNT))
    subscribed(broker, 1)
    play(broker, "dev0", COUNT - 1, "--drain", "20000")
    with broker.client() as client:
        rows = client.stats(pb.STATS_SUBSCRIBERS)
        assert len(rows) == 1 and rows[0].eoi, rows
        client.sim_assert("demo", "dev0", 1)
    ended(vmm)


@test
def vmm_irqfd_over_a_restart(_):
    need_kvm()
    with Broker() as first:
        vmm = start(first, "vmm_irqfd", "--device", "dev0", "--count", "100")
        subscribed(first, 1)
        play(first, "dev0", 50, "--drain", "20000")
        first.process.kill()
        first.process.wait()
        second = Broker()
        second.socket = first.socket
        with second:
            subscribed(second, 1)
            play(second, "dev0", 50, "--drain", "20000")
            ended(vmm, "served 100\n")


@test
def released(broker):
    """Whom the broker evicts is told so and ends, also where interrupts come by a handler."""
    with ended_by_us([start(broker, example) for example in
                      ("driver_wait", "driver_handler", "loop_uv", "loop_sdevent")]) as drivers:
        subscribed(broker, 4)
        with broker.client() as client:
            client.ask(release=pb.Release(line="demo"))
        for driver in drivers:
            _, err = driver.communicate(timeout=20)
            assert driver.returncode == 1 and "an administrator released the line" in err, err


@test
def stopped_and_continued(broker):
    """By Ctrl-Z or a debugger: that ends the wait, and nothing else."""
    with ended_by_us([
            start(broker, example, "--device", device, "--count", "1") for example, device in
            (("driver_wait", "dev0"), ("driver_handler", "dev1"), ("loop_sdevent", "dev2"))]) as drivers:
        subscribed(broker, 3)
        for driver in drivers:
            # Asleep, stopped, asleep again.
            for sent, state in ((signal.SIGCONT, "S"), (signal.SIGSTOP, "T"), (signal.SIGCONT, "S")):
                driver.send_signal(sent)
                until(lambda: driver.poll() is not None or stat(driver.pid) == state,
                      lambda: f"not in state {state}")
                assert driver.poll() is None, driver.communicate()
        with broker.client() as client:
            for device in range(3):
                client.sim_assert("demo", f"dev{device}", 1)
        for driver in drivers:
            ended(driver, "served 1\n")


@test
def system_calls_of_the_wait(broker):
    trace = os.path.join(broker.directory.name, "trace")
    # LeakSanitizer is a tracer itself.
    asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    driver = start(broker, "driver_wait", "--device", "dev0", "--count", str(COUNT),
                   wrapper=("env", f"ASAN_OPTIONS={asan}", "strace", "-f", "-o", trace))
    play(broker, "dev0", COUNT, "--drain", "30000")
    ended(driver)
    with open(trace) as f:
        calls = [re.sub(r"^\d+ +", "", line) for line in f]
    # From the registers' mapping to the last answer.
    first = max(n for n, call in enumerate(calls) if "4096, PROT_READ|PROT_WRITE, MAP_SHARED" in call)
    last = max(n for n, call in enumerate(calls) if re.match(r"write\(\d+, .*, 8\) ", call))
    hot = [call for call in calls[first + 1:last + 1] if not call.startswith("close(")]
    other = [call for call in hot if not call.startswith(("epoll_wait(", "write("))]
    assert not other, other[:10]
    writes = sum(call.startswith("write(") for call in hot)
    # Several bits may be served at once, and what a wait finds already there costs nothing.
    assert writes <= COUNT and len(hot) <= 3 * COUNT, (writes, len(hot))


main(__name__)
