#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""house.py RULE: one rule over every file of the repository; prints what breaks it.

spdx      the first lines name the licence, MIT but for what runs inside the kernel
includes  includes go down a floor, never up (docs/architecture.md)
words     the repository speaks of no workplace
python    every script compiles
names     the tests that documents name are there: docs/threats.md, the traces of docs/arbitration.md,
          tests/skips.allow; and what needs root may be skipped
"""
import os
import re
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PRUNED = {"build", ".git", "__pycache__"}


def files():
    for where, dirs, names in os.walk(ROOT):
        dirs[:] = sorted(d for d in dirs if d not in PRUNED)
        for name in sorted(names):
            path = os.path.join(where, name)
            if name != ".git" and not os.path.islink(path):
                yield os.path.relpath(path, ROOT)


def text(path):
    with open(os.path.join(ROOT, path), "rb") as f:
        raw = f.read()
    try:
        return None if b"\0" in raw else raw.decode("utf-8")
    except UnicodeDecodeError:  # a fuzzer's input
        return None


# ------------------------------------------------------------------------------------------ spdx

# Formats without comments, generated baselines and inputs.
SPDX_FREE = re.compile(r"^(LICENSE|LICENSES/.*|tests/fuzz/corpus/.*)$")
IN_KERNEL = re.compile(r"^(kmod-uio-ext/|tests/vm/.*(kmod|module)[^/]*/)")


def rule_spdx():
    for path in files():
        body = text(path)
        if body is None or SPDX_FREE.match(path):
            continue
        found = re.search(r"SPDX-License-Identifier: (\S+)", "\n".join(body.split("\n")[:3]))
        wanted = "GPL-2.0" if IN_KERNEL.match(path) and path.endswith((".c", ".h")) else "MIT"
        if not found:
            yield f"{path}: no SPDX-License-Identifier in its first lines"
        elif not found.group(1).startswith(wanted) and not IN_KERNEL.match(path):
            yield f"{path}: {found.group(1)}, not {wanted}"


# -------------------------------------------------------------------------------------- includes

# What the files of a floor may name, most special floor first. Directories end in /; "own" is
# the file's own directory.
FREESTANDING = {"stdint.h", "stdbool.h", "stddef.h", "stdalign.h", "stdnoreturn.h", "limits.h"}
FLOORS = [
    ("proto/", {"proto/"}),
    ("broker/arb/", {"broker/arb/", "proto/limits.h"}),
    ("broker/source/", {"broker/source/", "broker/config.h", "broker/edge_poll.h", "broker/fd_watch.h",
                        "broker/log.h", "broker/opener.h", "broker/watchdog.h", "proto/",
                        "kmod-uio-ext/ptirq_uio_abi.h"}),
    ("broker/session/", {"broker/session/", "broker/config.h", "broker/edge_poll.h", "broker/fd_watch.h",
                         "broker/log.h", "proto/"}),
    ("broker/", {"broker/", "proto/"}),
    ("client-lib/", {"client-lib/", "proto/"}),
    ("ctl/", {"ctl/", "client-lib/include/ptirq.h", "client-lib/include/ptirq-admin.h",
              "kmod-uio-ext/ptirq_uio_abi.h"}),
    ("examples/", {"examples/", "client-lib/include/ptirq.h"}),
    ("demo/", {"demo/", "client-lib/include/ptirq.h", "client-lib/include/ptirq-admin.h"}),
]
ARB_SYSTEM = FREESTANDING | {"string.h", "assert.h"}  # mem* and assert; arb_calls.sh checks the calls
NO_UV = ("proto/", "broker/arb/", "client-lib/", "ctl/")
INCLUDE = re.compile(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", re.M)


# Where #include "..." looks after the file's own directory (cmake/Language.cmake, ptirq's PUBLIC).
QUOTED = ["", "client-lib/include"]


def resolve(path, name):
    """The repository's file that the include means, or None for a system header."""
    for directory in [os.path.dirname(path)] + QUOTED:
        candidate = os.path.normpath(os.path.join(directory, name))
        if os.path.isfile(os.path.join(ROOT, candidate)):
            return candidate
    return None


def rule_includes():
    one_file = {"pb-c": set(), "libsystemd": set()}
    for path in files():
        if not path.endswith((".c", ".h")):
            continue
        floor = next(((f, may) for f, may in FLOORS if path.startswith(f)), None)
        for quote, name in INCLUDE.findall(text(path)):
            if name.endswith(".pb-c.h"):
                one_file["pb-c"].add(path)
                continue
            if floor is None:
                continue
            if name.startswith("systemd/") and path.startswith("broker/"):
                one_file["libsystemd"].add(path)
            if name == "uv.h" and path.startswith(NO_UV):
                yield f"{path}: libuv belongs to the I/O floor"
            target = resolve(path, name) if quote == '"' or name.startswith("ptirq") else None
            if target is None:
                if path.startswith("broker/arb/") and name not in ARB_SYSTEM:
                    yield f"{path}: <{name}> in the pure core"
            elif not any(target.startswith(m) if m.endswith("/") else target == m
                         for m in floor[1]):
                yield f"{path}: {target} is not below {floor[0]}"
    for what, users in one_file.items():
        if len(users) > 1:
            yield f"{what} is seen by more than one file: {', '.join(sorted(users))}"


# ----------------------------------------------------------------------------------------- words

WORKPLACE = re.compile(r"\.\./shared|(?<![\w.])/(?:work|Users)/|/home/\w+/")


def rule_words():
    for path in files():
        for number, line in enumerate((text(path) or "").split("\n"), 1):
            if WORKPLACE.search(line):
                yield f"{path}:{number}: {line.strip()}"


# ---------------------------------------------------------------------------------------- python


def rule_python():
    for path in files():
        body = text(path)
        if body and (path.endswith(".py") or re.match(r"#!.*python", body)):
            try:
                compile(body, path, "exec")
            except SyntaxError as e:
                yield f"{path}:{e.lineno}: {e.msg}"


# ----------------------------------------------------------------------------------------- names

PYTHON_TEST = re.compile(r"^@test\ndef (\w+)\(.*\n((?:\n|[ \t].*\n)*)", re.M)
CRITERION_TEST = re.compile(r"^Test\(\w+, (\w+)", re.M)


def tests():
    """stage -> the names of its programs, as their sources are called, and of what they test one by one."""
    stages = {}
    for path in files():
        parts = path.split(os.sep)
        if parts[0] != "tests" or len(parts) < 3:
            continue
        names = stages.setdefault(parts[1], set())
        if parts[2] in ("scenarios", "traces") or path.endswith((".py", ".c")):
            names.add(os.path.splitext(parts[-1])[0])
        if path.endswith((".py", ".c")):
            names.update(name for name, _ in PYTHON_TEST.findall(text(path)))
            names.update(CRITERION_TEST.findall(text(path)))
    return stages


def threats(stages):
    """Of a row's last column: `program`s, after their stage, with (tests) or a word about them."""
    one_test = re.compile(r"\w+_\w*\*?")
    for row in re.findall(r"^\| (T\d+) .*\| (.*) \|$", text("docs/threats.md"), re.M):
        stage = None
        for found in re.finditer(r"`([^`]+)`|\(([^)]*)\)|(\w+)", re.sub(r"\([^)]*`[^)]*\)", "", row[1])):
            program, remark, word = found.groups()
            if word in stages:
                stage = stages[word]
            elif program and (not stage or program not in stage):
                yield f"docs/threats.md: {row[0]}: no test {program}"
            for name in one_test.findall(remark or ""):
                # A sentence may name a function of the broker's.
                if f"{name}()" in row[1]:
                    continue
                if not any(t == name or name.endswith("*") and t.startswith(name[:-1]) for t in stage or ()):
                    yield f"docs/threats.md: {row[0]}: no test {name}"


def rule_names():
    stages = tests()
    yield from threats(stages)
    traces = {os.path.basename(p)[:-len(".trace")] for p in files() if p.endswith(".trace")}
    named = set(re.findall(r"(?<![\w*])\*(\w+)\*(?![\w*])", text("docs/arbitration.md")))
    for name in sorted(n for n in named if "_" in n and n not in traces):
        yield f"docs/arbitration.md: no trace {name}"
    for name in sorted(traces - named):
        yield f"docs/arbitration.md does not name the trace {name}"
    allowed = {line.split("#")[0].strip() for line in text("tests/skips.allow").split("\n")} - {""}
    may_skip = {"systemd"}
    for path in files():
        if path.startswith("tests/") and path.endswith(".py"):
            script = os.path.splitext(os.path.basename(path))[0]
            for name, body in PYTHON_TEST.findall(text(path)):
                if re.search(r"\bneed_\w+\(|raise Skipped\(", body):
                    may_skip.add(f"{script}::{name}")
    for name in sorted(may_skip ^ allowed):
        yield f"tests/skips.allow: {name}: " + ("never skipped" if name in allowed else "missing")


def main(rule):
    broken = list(globals()[f"rule_{rule}"]())
    print("\n".join(broken) or f"{rule}: clean")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
