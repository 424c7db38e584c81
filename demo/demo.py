#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo: one level-triggered line, three drivers, one of which goes silent half-way.

Starts a broker on a software line, three drivers and a generator that plays the devices, each a
process of its own, and shows what happens. The summary is made from the generator's own log and the
drivers' own logs; what the broker counts decides nothing.

    demo.py --build DIR [--json] [--seconds N]
"""

import argparse
import collections
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LINE = "demo"
RATE = 600  # interrupts a second, over all devices
DRIVERS = (("alice", "dev0"), ("bob", "dev1"), ("carol", "dev2"))
SILENT = "carol"
READY_S = 10  # for anything to start or to end
RED, GREEN, DIM, BOLD, PLAIN = "\033[31m", "\033[32m", "\033[2m", "\033[1m", "\033[0m"


class Demo:
    """The processes, in the order in which they start; ends them all, whatever happens."""

    def __init__(self, build):
        self.build = pathlib.Path(build)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ptirq-demo-"))
        self.environment = dict(os.environ, PTIRQ_SOCKET=str(self.dir / "socket"))
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(READY_S)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self.dir)

    def start(self, program, *arguments, name=None, **options):
        path = self.build / program
        process = subprocess.Popen([name or path.name, *arguments], executable=path,
                                   env=self.environment, text=True, **options)
        self.processes.append(process)
        return process

    def start_broker(self):
        """Returns when it says that it is ready, as it would say to systemd."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.dir / "notify"))
            notify.settimeout(READY_S)
            self.environment["NOTIFY_SOCKET"] = str(self.dir / "notify")
            broker = self.start("broker/ptirq-broker", "--sim", stderr=open(self.dir / "broker.log", "w"))
            del self.environment["NOTIFY_SOCKET"]
            while b"READY=1" not in notify.recv(4096):
                pass
        return broker

    def start_driver(self, name, device):
        """Returns when it is subscribed."""
        driver = self.start("demo/demo-driver", LINE, device, str(self.dir / name), name=name,
                            stdout=subprocess.PIPE)
        if driver.stdout.readline() != "ready\n":
            sys.exit(f"demo: {name} did not start")
        return driver

    def ctl(self, *arguments):
        out = subprocess.run([self.build / "ctl/ptirqctl", "--json", *arguments], check=True,
                             env=self.environment, stdout=subprocess.PIPE, text=True).stdout
        return json.loads(out)

    def subscribers(self):
        rows = self.ctl("stats", LINE)["stats"]
        return {row["name"].split()[1]: row for row in rows if row["scope"] == "subscriber"}


# ---- the logs ------------------------------------------------------------------------------------

def read_asserted(path):
    """The generator's log: (device, bit) -> times at which it was raised, in ns."""
    raised = collections.defaultdict(list)
    for row in path.read_text().splitlines():
        at, device, bit, _ = row.split()
        raised[device, int(bit)].append(int(at))
    return raised


def read_served(path):
    """A driver's log: bit -> times at which it was served, in ns; and whether it ended while it hung."""
    served, hangs = collections.defaultdict(list), False
    for row in path.read_text().splitlines():
        at, what = row.split()
        if what.isdigit():
            served[int(what)].append(int(at))
        else:
            hangs = what == "hangs"
    return served, hangs


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def compare(directory):
    """A bit is raised only when it was seen to be 0: the n-th raise is the n-th service. What nobody has
    served is held if its driver hangs to this day, and else it is lost."""
    raised = read_asserted(directory / "generator")
    rows = {}
    for name, device in DRIVERS:
        served, hangs = read_served(directory / name)
        row = rows[name] = {"asserted": 0, "served": 0, "held": 0, "lost": 0, "took": []}
        for bit in set(served) | {b for d, b in raised if d == device}:
            up, done = raised[device, bit], served[bit]
            row["asserted"] += len(up)
            row["served"] += len(done)
            missing = len(up) - len(done)
            row["held" if hangs and missing > 0 else "lost"] += abs(missing)
            row["took"] += [b - a for a, b in zip(up, done)]
    return rows


class Records:
    """The lines of `ptirqctl --json watch`, as they come."""

    def __init__(self, pipe):
        self.fd = pipe.fileno()
        self.rest = b""
        os.set_blocking(self.fd, False)

    def within(self, seconds):
        """Those that come in the next @seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                *lines, self.rest = (self.rest + os.read(self.fd, 65536)).split(b"\n")
                yield from map(json.loads, lines)


# ---- what is to be seen --------------------------------------------------------------------------

def micros(ns):
    return f"{ns / 1e6:.1f} ms" if ns >= 1e6 else f"{ns / 1e3:.0f} us"


class View:
    """A picture that is drawn over and over on a terminal; plain lines anywhere else."""

    def __init__(self, seconds):
        self.live = sys.stdout.isatty()
        self.seconds = seconds
        self.begin = time.monotonic()
        self.notes = collections.deque(maxlen=6)
        self.rounds = collections.OrderedDict()
        self.late = set()
        self.handled = {name: collections.deque(maxlen=8) for name, _ in DRIVERS}
        if self.live:
            sys.stdout.write("\033[?25l\033[2J")

    def now(self):
        return time.monotonic() - self.begin

    def note(self, text):
        line = f"{self.now():6.2f} s  {text}"
        self.notes.append(line)
        if not self.live:
            print(line, flush=True)

    def record(self, record):
        """One thing that the broker did; a round's are put together into one row."""
        what, key = record["what"], (record["unit"], record["round"])
        text = {"resolved": "unmasked", "ask": f"asks {record['client_name']}"}.get(what)
        if what == "verdict":
            text = f"{record['client_name']}: {record['detail']} after {micros(record['took_ns'])}"
        elif what == "timeout":
            text = f"{record['client_name']} TIMED OUT"
        self.tell(what, record["client_name"])
        if text:
            self.rounds.setdefault(key, []).append(text)
            self.rounds.move_to_end(key)
            while len(self.rounds) > 6:
                self.rounds.popitem(last=False)

    def tell(self, what, client):
        """The steps that lead to quarantine and out of it, as notes."""
        if what == "timeout":
            self.note(f"the broker gave {client} another chance: no answer" if client in self.late else
                      f"{client} did not answer in time: its device is held quiet, the others go on")
            self.late.add(client)
        elif what == "quarantined":
            self.note(f"{client} is quarantined: three strikes, chances come ever more rarely")
        elif what == "late":
            self.note(f"{client} answers at last: trusted again, its device is free")
            self.late.discard(client)

    def draw(self, subscribers, devices, silent):
        now = self.now()
        rows = [f"{BOLD}ptirq{PLAIN}   line {LINE}: one level-triggered wire, {len(DRIVERS)} devices, "
                f"{len(DRIVERS)} drivers {now:15.1f} of {self.seconds} s", "",
                f"{DIM}driver   device   interrupts  rate/s      p50      p99  timeouts  now{PLAIN}"]
        for name, device in DRIVERS:
            row = subscribers[name]
            seen = self.handled[name]
            seen.append((now, row["handled"]))
            rate = (seen[-1][1] - seen[0][1]) / max(seen[-1][0] - seen[0][0], 0.1)
            state = f"{GREEN}answers{PLAIN}"
            if devices[device]["held"]:
                state = f"{RED}silent: timed out, {device} is held quiet{PLAIN}"
            elif name == silent:
                state = f"{RED}silent{PLAIN}"
            rows.append(f"{name:8} {device:8} {row['handled']:10,} {rate:7.0f} "
                        f"{micros(row['response_p50_ns']):>8} {micros(row['response_p99_ns']):>8} "
                        f"{row['timeouts']:9}  {state}")
        rows += ["", f"{DIM}the latest rounds: who is asked, who answers{PLAIN}"]
        rows += [f"  dev{unit} round {number:<6} {' -> '.join(steps)}"
                 for (unit, number), steps in self.rounds.items()]
        rows += [""] * (13 - len(rows)) + [f"{DIM}what happened{PLAIN}"]
        rows += [f"  {note}" for note in self.notes]
        # Lines do not wrap: the picture stays in place on a narrow terminal.
        sys.stdout.write("\033[?7l\033[H" + "".join(f"{row}\033[K\n" for row in rows)
                         + "\033[J\033[?7h")
        sys.stdout.flush()

    def line(self, subscribers):
        parts = [f"{name} {subscribers[name]['handled']:,} served, {subscribers[name]['timeouts']} timeouts"
                 for name, _ in DRIVERS]
        print(f"{self.now():6.2f} s  {'; '.join(parts)}", flush=True)

    def close(self):
        if self.live:
            sys.stdout.write("\033[?25h\n")


# ---- the story -----------------------------------------------------------------------------------

def tell(demo, view, drivers, generator, watch, seconds):
    """Until the generator has ended: draw, and let one driver hang for the middle third."""
    steps = [(seconds / 3, "hang"), (seconds * 2 / 3, "return")]
    silent, next_line = None, 5.0
    records = Records(watch.stdout)
    while generator.poll() is None:
        for record in records.within(0.25):
            view.record(record)
        if steps and view.now() >= steps[0][0]:
            step = steps.pop(0)[1]
            silent = SILENT if step == "hang" else None
            drivers[SILENT].send_signal(signal.SIGUSR1 if silent else signal.SIGUSR2)
            view.note(f"{SILENT} " + ("hangs: no answer to anything from now on" if silent
                                      else "wakes up, and serves what was held for it"))
        subscribers = demo.subscribers()
        devices = {row["name"]: row for row in demo.ctl("show", LINE)["devices"]}
        if view.live:
            view.draw(subscribers, devices, silent)
        elif view.now() >= next_line:
            next_line += 5
            view.line(subscribers)


def run(arguments):
    with Demo(arguments.build) as demo:
        demo.start_broker()
        drivers = {name: demo.start_driver(name, device) for name, device in DRIVERS}
        watch = demo.start("ctl/ptirqctl", "--json", "watch", LINE, stdout=subprocess.PIPE)
        view = View(arguments.seconds) if not arguments.json else Silent(arguments.seconds)
        view.note("three drivers share the line; a generator asserts their devices at random")
        generator = demo.start("ctl/ptirqctl", "sim", "run", "--line", LINE, "--rate", str(RATE), "--count",
                               str(RATE * arguments.seconds), "--bits", "4", "--log",
                               str(demo.dir / "generator"), stdout=subprocess.DEVNULL)
        try:
            tell(demo, view, drivers, generator, watch, arguments.seconds)
        finally:
            view.close()
        if generator.returncode:
            sys.exit(f"demo: the generator ended with {generator.returncode}")
        return summary(demo, drivers)


class Silent(View):
    """For --json: nothing is shown."""

    def __init__(self, seconds):
        super().__init__(seconds)
        self.live = False

    def note(self, text):
        pass

    def line(self, subscribers):
        pass


def summary(demo, drivers):
    """What was held is served first, for as long as it takes but no longer than READY_S."""
    deadline = time.monotonic() + READY_S
    while any(row["lost"] or row["held"] for row in compare(demo.dir).values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    subscribers = demo.subscribers()
    units = [row for row in demo.ctl("stats", LINE)["stats"] if row["scope"] == "unit"]
    for driver in drivers.values():
        driver.terminate()
        driver.wait(READY_S)
    rows = compare(demo.dir)
    return {
        "schema": "ptirq.demo.v1",
        "asserted": sum(row["asserted"] for row in rows.values()),
        "served": sum(row["served"] for row in rows.values()),
        "lost": sum(row["lost"] for row in rows.values()),
        "held": sum(row["held"] for row in rows.values()),
        "max_masked_us": max(row["max_masked_ns"] for row in units) // 1000,
        "throttled_us": sum(row["throttled_ns"] for row in units) // 1000,
        "drivers": [{"name": name, "handled": rows[name]["served"],
                     "timeouts": subscribers[name]["timeouts"],
                     "p50_us": percentile(rows[name]["took"], 0.5) // 1000,
                     "p99_us": percentile(rows[name]["took"], 0.99) // 1000}
                    for name, _ in DRIVERS],
    }


def main():
    parser = argparse.ArgumentParser(description="three drivers share one line, one goes silent")
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--json", action="store_true", help="only the summary, as ptirq.demo.v1")
    parser.add_argument("--seconds", type=int, default=20)
    arguments = parser.parse_args()
    if not 3 <= arguments.seconds <= 3600:
        parser.error("--seconds takes 3 to 3600")
    try:
        result = run(arguments)
    except KeyboardInterrupt:
        return 130  # as a shell would; everything has been ended
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print(f"\nfrom the generator's log and the drivers' own logs:\n"
              f"  asserted {result['asserted']:,}   served {result['served']:,}   "
              f"lost {result['lost']}   held {result['held']}")
        for row in result["drivers"]:
            print(f"  {row['name']:8} served {row['handled']:6,}   timeouts {row['timeouts']}   "
                  f"assert to service: p50 {row['p50_us']} us, p99 {row['p99_us']:,} us")
        print(f"  longest masked {result['max_masked_us']:,} us, throttled {result['throttled_us']:,} us")
    good = result["lost"] == 0 and result["held"] == 0 and result["asserted"] == result["served"] > 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
