#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A skip counts only if it is allowed; what did not pass did not pass."""
import os
import subprocess
import sys
import tempfile

TALLY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "tally.py")
REPORT = """<testsuite>
<testcase name="good" status="run"><system-out>[PASS] a::b: (0.00s)</system-out></testcase>
<testcase name="crit" status="run"><system-out>[SKIP] kvm::irqfd: no /dev/kvm
</system-out></testcase>
<testcase name="script" status="notrun"><system-out>skip: no network
</system-out></testcase>
<testcase name="bad" status="fail"><failure message="Failed"/><system-out>why</system-out></testcase>
<testcase name="unbuilt" status="notrun"><system-out>Unable to find executable</system-out></testcase>
</testsuite>"""

CASES = [
    # allowed skips, counts
    ("", "2 4 0"),
    ("script # why\n", "2 3 1"),
    ("script\nkvm::irqfd\n", "2 2 2"),
]


def main():
    with tempfile.TemporaryDirectory() as d:
        def write(name, text):
            path = os.path.join(d, name)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return path

        report = write("report.xml", REPORT)
        for allow, wanted in CASES:
            out = subprocess.run([sys.executable, TALLY, report, write("allow", allow)],
                                 capture_output=True, text=True, check=False).stdout
            if out.splitlines()[0] != wanted:
                sys.exit(f"allowed {allow!r}: wanted {wanted}, got:\n{out}")
        for nothing in (os.path.join(d, "none"), write("empty.xml", "<testsuite/>")):
            out = subprocess.run([sys.executable, TALLY, nothing, write("allow", "")],
                                 capture_output=True, text=True, check=False).stdout
            if not out.startswith("0 1 0"):
                sys.exit(f"no tests must be a failure: {out}")


main()
