#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The demo, short: nothing is lost; and its summary is one that can tell what is."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from ptirq_test import BUILD, main, test  # noqa: E402
DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
sys.path.insert(0, str(DEMO))
import demo  # noqa: E402


def compared(generator, **served):
    """The summary's rows for logs that are made up."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        (path / "generator").write_text(generator)
        for name, _ in demo.DRIVERS:
            (path / name).write_text(served.get(name, ""))
        return demo.compare(path)


def run(*arguments):
    return subprocess.run([sys.executable, DEMO / "demo.py", "--build", BUILD, "--seconds", "3",
                           *arguments], stdout=subprocess.PIPE, check=True, timeout=60,
                          text=True).stdout


@test
def all_served(_):
    row = compared("100 dev0 0 1\n200 dev0 3 1\n", alice="150 0\n260 3\n")["alice"]
    assert (row["lost"], row["held"], row["took"]) == (0, 0, [50, 60]), row


@test
def one_lost(_):
    row = compared("100 dev1 0 1\n200 dev1 0 2\n", bob="150 0\n")["bob"]
    assert (row["lost"], row["held"]) == (1, 0), row


@test
def held_for_one_that_hangs(_):
    """By its own account: one that has come back has no excuse."""
    raised = "100 dev1 0 1\n200 dev1 0 2\n"
    row = compared(raised, bob="150 0\n160 hangs\n")["bob"]
    assert (row["lost"], row["held"]) == (0, 1), row
    row = compared(raised, bob="150 0\n160 hangs\n190 wakes\n")["bob"]
    assert (row["lost"], row["held"]) == (1, 0), row


@test
def served_by_the_wrong_driver(_):
    rows = compared("100 dev1 0 1\n", alice="150 0\n")
    assert (rows["bob"]["lost"], rows["alice"]["lost"]) == (1, 1), rows


@test
def nothing_is_lost(_):
    result = json.loads(run("--json"))
    assert result["schema"] == "ptirq.demo.v1"
    assert result["asserted"] == result["served"] > 1000, result
    assert (result["lost"], result["held"]) == (0, 0), result
    silent = next(row for row in result["drivers"] if row["name"] == demo.SILENT)
    assert silent["timeouts"] > 0, result


@test
def a_generator_that_gives_up(_):
    """What it has asserted until then is served, and still it is no success."""
    with tempfile.TemporaryDirectory() as directory:
        build = pathlib.Path(directory)
        for name in ("broker", "demo"):
            (build / name).symlink_to(pathlib.Path(BUILD) / name)
        (build / "ctl").mkdir()
        ctl = build / "ctl/ptirqctl"
        ctl.write_text(f"""#!/bin/sh
[ "$1 $2" = "sim run" ] || exec {BUILD}/ctl/ptirqctl "$@"
{BUILD}/ctl/ptirqctl "$@" --count 50
exit 1
""")
        ctl.chmod(0o755)
        process = subprocess.run([sys.executable, DEMO / "demo.py", "--build", build, "--seconds", "3"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True)
        assert process.returncode == 1 and "generator" in process.stderr, process


@test
def plain_lines_without_a_terminal(_):
    out = run()
    assert "\033" not in out, out
    assert "carol did not answer in time" in out, out
    assert "lost 0   held 0" in out, out


main(__name__)
