#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""leftovers.py MARK: no process with MARK in its environment is left but our own ancestors.

What is just ending gets two seconds; what still runs then is named and killed, and that fails.
"""
import os
import signal
import sys
import time

GRACE = 2.0


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read()
    except OSError:  # gone meanwhile, or another user's
        return b""


def ancestors():
    pid = os.getpid()
    while pid > 1:
        yield pid
        pid = int(read(pid, "stat").rsplit(b")", 1)[1].split()[1])


def marked(mark, ours):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) not in ours and mark in read(pid, "environ").split(b"\0"):
            yield int(pid)


def main(mark):
    mark, ours = mark.encode(), set(ancestors())
    deadline = time.monotonic() + GRACE
    while left := list(marked(mark, ours)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for pid in left:
        print(f"left running: {pid}", read(pid, "cmdline").replace(b"\0", b" ").decode())
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
