#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ptirqctl, every verb, as a table and as JSON, and every exit status."""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from ptirq_test import BUILD, Broker, main, test  # noqa: E402
from client import HANDLED, pb  # noqa: E402

CTL = os.path.join(BUILD, "ctl", "ptirqctl")
FINE, NO, USAGE, NO_BROKER = range(4)


def start(broker, *args, **options):
    return subprocess.Popen([CTL, *args], env={**os.environ, "PTIRQ_SOCKET": broker.socket},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def ctl(broker, *args, status=FINE):
    """Its output; for a status other than FINE its sentence."""
    process = start(broker, *args)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status, f"{args}: {process.returncode}, not {status}: {err}{out}"
    if status == FINE:
        assert not err, err
        return out
    assert re.match(r"ptirqctl: .", err), f"a sentence: {err!r}"
    return err


def ctl_json(broker, *args, status=FINE):
    process = start(broker, "--json", *args)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status, f"{args}: {process.returncode}: {err}"
    document = json.loads(out)
    assert document["schema"] == f"ptirq.{args[0]}.v1", document
    return document


def table(text):
    """The rows of the last table: a dict each. Cells are found by where their titles begin or end."""
    lines = text.rstrip("\n").split("\n\n")[-1].split("\n")
    titles = lines[0].split()
    return titles, [dict(zip(titles, line.split())) for line in lines[1:]]


def listed(document, key):
    rows = document[key]
    assert isinstance(rows, list) and all(row["name"] for row in rows), document
    return {row["name"]: row for row in rows}


def interrupts(broker, n, device="dev0"):
    """A client that has served @n interrupts; it stays."""
    client = broker.client(pages=True, name="driver")
    sub = client.subscribe("demo", device=device)
    registers = client.grant("demo", device)
    for _ in range(n):
        ctl(broker, "sim", "assert", "demo", device, "0x3")
        ask = sub.wait()
        assert registers.serve(0xffffffff) == 3
        sub.answer(ask, HANDLED)
    registers.close()
    return client


# --------------------------------------------------------------------------------- what is there


@test
def status(broker):
    with interrupts(broker, 2):
        document = ctl_json(broker, "status")
        assert document["lines"] == 1 and document["subscribers"] == 1, document
        assert document["clients"] == 2 and document["handled"] == 2, document
        assert document["problems"] == [], document
        text = ctl(broker, "status")
        assert re.search(r"^ *lines: 1$", text, re.M), text
        assert re.search(r"^ *response p99: [0-9.]+ [um]?s$", text, re.M), text


@test
def lines(broker):
    titles, rows = table(ctl(broker, "lines"))
    assert titles[0] == "LINE" and rows[0]["LINE"] == "demo" and rows[0]["SOURCE"] == "sim", rows
    demo = listed(ctl_json(broker, "lines"), "lines")["demo"]
    assert demo["trigger"] == "level" and demo["devices"] == 3 and demo["units"] == 3, demo


@test
def show(broker):
    with interrupts(broker, 1):
        document = ctl_json(broker, "show", "demo")
        assert document["name"] == "demo" and document["policy"] == "learned", document
        assert set(listed(document, "devices")) == {"dev0", "dev1", "dev2"}
        assert document["devices"][0]["mask"] is True
        driver = listed(document, "subscribers")["driver"]
        assert driver["device"] == "dev0" and driver["handled"] == 1, driver
        assert driver["pid"] == os.getpid() and driver["uid"] == os.getuid(), driver
        text = ctl(broker, "show", "demo")
        assert re.search(r"^dev1 +soft +1 +yes +yes", text, re.M), text
        assert re.search(r"^driver +\d+ +\d+ ", text, re.M), text
    assert "no line nosuch" in ctl(broker, "show", "nosuch", status=NO)


@test
def clients(broker):
    with interrupts(broker, 3) as client:
        rows = listed(ctl_json(broker, "clients"), "clients")
        assert set(rows) == {"driver", "ptirqctl"}, rows
        assert rows["driver"]["client"] == client.hello.client
        assert rows["driver"]["lines"] == ["demo"] and rows["driver"]["handled"] == 3, rows
        assert rows["ptirqctl"]["lines"] == []
        _, rows = table(ctl(broker, "clients"))
        assert {row["CLIENT"] for row in rows} == {"driver", "ptirqctl"}, rows


@test
def stats(broker):
    with interrupts(broker, 4) as client:
        client.subscribe("demo", device="dev0")
        rows = ctl_json(broker, "stats")["stats"]
        assert [r["scope"] for r in rows] == ["broker", "line", "unit", "unit", "unit",
                                              "subscriber", "subscriber"], rows
        assert len({r["name"] for r in rows}) == len(rows), "each has a name of its own"
        by_name = {r["name"]: r for r in rows}
        assert by_name["demo"]["handled"] == by_name["demo/0"]["handled"] == 4
        assert by_name["demo/1"]["rounds"] == 0
        line = by_name["demo"]
        assert line["response_count"] == 4
        assert 0 < line["response_p50_ns"] <= line["response_p99_ns"] <= line["response_p999_ns"]
        assert line["response_max_ns"] > 0 and line["max_masked_ns"] > 0
        for name in ("response_count", "response_p50_ns", "response_p999_ns", "response_max_ns"):
            assert by_name["demo/0"][name] == line[name], (name, rows)
        assert by_name["demo/1"]["response_count"] == 0
        # A loaded machine may be late with an answer, but the sums hold.
        for name in ("eoi", "timeouts", "debts", "strikes", "stale", "retracted", "spurious",
                     "throttled", "forced"):
            assert line[name] == sum(by_name[f"demo/{unit}"][name] for unit in range(3)), rows
        assert "broker" not in listed(ctl_json(broker, "stats", "demo"), "stats")
        assert re.search(r"^demo/2 +dev2 ", ctl(broker, "stats", "demo"), re.M)
    assert "no line nosuch" in ctl(broker, "stats", "nosuch", status=NO)


@test
def watch(broker):
    with interrupts(broker, 0) as client:
        sub, = client.subs.values()
        for options in ([], ["--json"]):
            process = start(broker, *options, "watch", "--count", "2", "demo")
            # Asked again until it watches: what came before that it does not see.
            while process.poll() is None:
                ctl(broker, "sim", "assert", "demo", "dev0")
                ask = sub.wait(0.02)
                ctl(broker, "sim", "deassert", "demo", "dev0")
                if ask:
                    sub.answer(ask, HANDLED)
            out, err = process.communicate()
            assert process.returncode == FINE and not err, err
            if options:
                for line in out.splitlines():
                    record = json.loads(line)
                    assert record["schema"] == "ptirq.watch.v1" and record["line"] == "demo"
                    assert record["what"] and record["time_ns"] > 0, record
            else:
                assert len(out.splitlines()) == 3 and re.search(r" demo/0 ", out), out
    assert "no line nosuch" in ctl(broker, "watch", "nosuch", status=NO)


@test
def watch_ends_with_the_broker(_):
    with Broker() as broker:
        process = start(broker, "watch")
        with broker.client() as client:
            while not any(r.client_name == "ptirqctl" for r in client.stats(pb.STATS_CLIENTS)):
                pass
        broker.stop()
        _, err = process.communicate(timeout=10)
        assert process.returncode == NO_BROKER and err.startswith("ptirqctl: "), err


# ------------------------------------------------------------------------------------------ orders


@test
def release(broker):
    with interrupts(broker, 1) as client, broker.client(name="other") as other:
        ctl(broker, "release", "demo")
        assert client.next_event("evicted").subscription
        assert ctl_json(broker, "release", str(other.hello.client))["released"]
        assert other.next_event("evicted").subscription == 0
    ctl(broker, "release", "nosuch", status=NO)
    ctl(broker, "release", "999999", status=NO)


def configuration(directory, text):
    path = os.path.join(directory, "ptirq.conf")
    with open(path, "w") as f:
        f.write(text)
    return path


GOOD = "[line a]\nsource = sim\ndevice = x\n"
BAD = GOOD + "colour = red\n"


@test
def reload(broker):
    assert "configuration" in ctl(broker, "reload", status=NO)
    path = configuration(broker.directory.name, GOOD)
    configured = Broker()
    configured.args = ("--config", path, "--socket", configured.socket)
    with configured:
        configuration(broker.directory.name, GOOD + "[line b]\nsource = sim\ndevice = y\n")
        assert ctl_json(configured, "reload")["reloaded"] is True
        assert set(listed(ctl_json(configured, "lines"), "lines")) == {"a", "b"}
        configuration(broker.directory.name, BAD)
        assert f"{path}:4" in ctl(configured, "reload", status=NO)
        assert set(listed(ctl_json(configured, "lines"), "lines")) == {"a", "b"}


@test
def check(broker):
    path = configuration(broker.directory.name, GOOD)
    assert "yes" in ctl(broker, "check", path)
    assert ctl_json(broker, "check", path)["fine"] is True
    configuration(broker.directory.name, BAD)
    assert f"{path}:4" in ctl(broker, "check", path, status=NO)
    document = ctl_json(broker, "check", path, status=NO)
    assert document["fine"] is False and f"{path}:4" in document["message"], document
    ctl(broker, "check", path + ".none", status=NO)


# --------------------------------------------------------------------------------------------- sim


@test
def sim_by_hand(broker):
    with broker.client() as client:
        device = client.grant("demo", "dev1")
        assert ctl_json(broker, "sim", "assert", "demo", "dev1", "0x6")["bits"] == 6
        ctl(broker, "sim", "assert", "demo", "dev1")
        assert device.status() == 7
        assert ctl_json(broker, "sim", "deassert", "demo", "dev1", "2")["asserted"] is False
        assert device.status() == 5
        device.close()
    assert "nosuch" in ctl(broker, "sim", "assert", "demo", "nosuch", status=NO)


def logged(path):
    """Assertions of each (device, bit); the numbers of each must be 1, 2, 3 ..."""
    seen = {}
    with open(path) as log:
        for line in log:
            _, device, bit, n = line.split()
            seen[device, bit] = seen.get((device, bit), 0) + 1
            assert seen[device, bit] == int(n), line
    return seen


@test
def sim_run(broker):
    log = os.path.join(broker.directory.name, "raised")
    drivers = [subprocess.Popen(
        [os.path.join(BUILD, "examples", "driver_wait"), "--device", f"dev{n}", "--count", "400"],
        env={**os.environ, "PTIRQ_SOCKET": broker.socket}, stdout=subprocess.PIPE, text=True)
        for n in range(3)]
    try:
        for n in range(3):
            document = ctl_json(broker, "sim", "run", "--device", f"dev{n}", "--count", "400",
                                "--bits", "5", "--seed", str(n), "--drain", "20000", "--log", log)
            assert document["asserted"] == 400 and document["pending"] == 0, document
            assert listed(document, "devices") == {
                f"dev{n}": {"name": f"dev{n}", "asserted": 400, "pending": 0}}
            assert sum(logged(log).values()) == 400 and len(logged(log)) == 5
        for driver in drivers:
            assert driver.communicate(timeout=20)[0] == "served 400\n"
            assert driver.returncode == 0
    finally:
        for driver in drivers:
            driver.kill()
            driver.communicate()


@test
def sim_run_without_drivers(broker):
    """Each bit is raised once, and then it waits: for --drain, or for ever."""
    text = ctl_json(broker, "sim", "run", "--count", "6", "--bits", "2", "--rate", "1000")
    assert text["asserted"] == text["pending"] == 6, text
    process = start(broker, "--json", "sim", "run", "--bits", "3", "--drain", "1")
    with broker.client() as client:
        devices = [client.grant("demo", f"dev{n}") for n in range(3)]
        while any(d.status() != 7 for d in devices):
            pass
        for device in devices:
            device.close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == NO, "what is pending after --drain is no"
    assert json.loads(out)["asserted"] == 3 and json.loads(out)["pending"] == 9, (out, err)
    assert re.match("ptirqctl: 9 not served 1 ms after the last: .*show demo", err), err


# ------------------------------------------------------------------------------------ exit statuses


@test
def usage(broker):
    for args in (["nosuch"], ["show"], ["show", "a", "b"], ["lines", "x"], ["status", "x"],
                 ["clients", "x"], ["stats", "a", "b"], ["watch", "--count", "0"],
                 ["watch", "a", "b"], ["release"], ["reload", "x"], ["check"], ["sim"],
                 ["sim", "nosuch"], ["sim", "assert", "demo"],
                 ["sim", "assert", "demo", "dev0", "zero"], ["sim", "run", "--bits", "33"],
                 ["sim", "run", "--count", "-1"], ["sim", "run", "x"]):
        ctl(broker, *args, status=USAGE)
    for args, words in ((["sim", "run", "--bits", "33"], "--bits 33: not a number from 1 to 32"),
                        (["sim", "run", "--nosuch"], "sim run: '--nosuch' is no option"),
                        (["bind", "--nosuch", "00:05.0"], "bind: '--nosuch' is no option"),
                        (["watch", "demo", "x"], "'x' is too much"),
                        (["lines", "--socket", "x"], "'--socket' is too much: .* before the verb")):
        assert re.search(words, ctl(broker, *args, status=USAGE)), args
    for args in ([], ["--nosuch"], ["--socket"]):
        process = start(broker, *args)
        process.communicate(timeout=10)
        assert process.returncode == USAGE, args


@test
def help_and_version(broker):
    out = ctl(broker, "--help")
    for verb in ("status", "lines", "show", "clients", "stats", "watch", "release", "reload",
                 "check", "sim"):
        assert re.search(rf"^  {verb} ", out, re.M), verb
    for args in (["bind", "--help"], ["bind", "--persistent", "--help"], ["bind", "-h"]):
        said = ctl(broker, *args)
        assert said.startswith("ptirqctl bind ") and "--driver NAME" in said, said
        assert "sim" not in said and said.split("\n\n")[2] in out, said
    assert "--seed N" in ctl(broker, "sim", "run", "--help")
    assert ctl(broker, "lines", "--help").startswith("ptirqctl lines\n")
    assert re.match(r"ptirqctl \d+\.\d+", ctl(broker, "--version"))


@test
def no_broker(broker):
    process = start(broker, "--socket", broker.socket + ".none", "status")
    _, err = process.communicate(timeout=10)
    assert process.returncode == NO_BROKER and "start ptirq-broker" in err, err
    # What is wrong with the command line is said first.
    for verb in (["show"], ["sim", "assert", "demo"], ["watch", "--count", "no"], ["sim", "run", "x"]):
        process = start(broker, "--socket", broker.socket + ".none", *verb)
        _, err = process.communicate(timeout=10)
        assert process.returncode == USAGE, (verb, process.returncode, err)
    # A killed one leaves its socket, and nobody listens there.
    with Broker() as killed:
        killed.process.kill()
        killed.process.wait()
        assert "ptirq-broker" in ctl(killed, "lines", status=NO_BROKER)


@test
def socket_and_json_in_every_place(broker):
    process = subprocess.run([CTL, "-j", "-s", broker.socket, "lines"], capture_output=True,
                             env={**os.environ, "PTIRQ_SOCKET": "/nonexistent"}, timeout=10)
    assert process.returncode == FINE and json.loads(process.stdout)["lines"]
    assert json.loads(ctl(broker, "lines", "--json"))["lines"]
    assert json.loads(ctl(broker, "show", "--json", "demo"))["name"] == "demo"
    assert json.loads(ctl(broker, "sim", "run", "-j", "--count", "1"))["asserted"] == 1


main(__name__)
