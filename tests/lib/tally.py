#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tally.py REPORT SKIPS-ALLOWED: what a ctest run came to.

First line "passed failed skipped", then one block for each failure (with the tail of its output)
and one line for each skip. A skip that tests/skips.allow does not name is a failure. Criterion
programs print their skips ("[SKIP] suite::test: reason") and pass; other tests print
"skip: reason" and exit 77.
"""
import re
import sys
import xml.etree.ElementTree as ET

TAIL = 30
ANSI = re.compile(r"\x1b\[[0-9;]*m")
CRITERION_SKIP = re.compile(r"^\[SKIP\] (\w+::\w+): ?(.*)$", re.M)
PLAIN_SKIP = re.compile(r"^skip: *(.*)$", re.M)


def allowed_skips(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.split("#", 1)[0].strip() for line in f]
    return {line for line in lines if line}


def main(report, allow):
    allowed = allowed_skips(allow)
    passed, failures, skips = 0, [], []
    try:
        cases = list(ET.parse(report).getroot().iter("testcase"))
    except (OSError, ET.ParseError) as e:
        print("0 1 0")
        print(f"  FAIL  ctest left no report: {e}")
        return 1
    if not cases:
        failures.append(("ctest", "there is no such test", []))

    for case in cases:
        name = case.get("name")
        out = ANSI.sub("", case.findtext("system-out") or "")
        status = case.get("status")
        if status == "run":
            passed += 1
            skips += CRITERION_SKIP.findall(out)
        elif status == "notrun" and PLAIN_SKIP.search(out):
            skips.append((name, PLAIN_SKIP.search(out).group(1)))
        else:
            failure = case.find("failure")
            why = failure.get("message") if failure is not None else status
            failures.append((name, why, out.splitlines()[-TAIL:]))

    for name, reason in list(skips):
        if name not in allowed:
            skips.remove((name, reason))
            failures.append((name, f"skipped and not in {allow}: {reason}", []))

    print(passed, len(failures), len(skips))
    if passed:
        print(f"  ok    {passed} tests")
    for name, reason in skips:
        print(f"  skip  {name}: {reason}")
    for name, why, tail in failures:
        print(f"  FAIL  {name}: {why or 'failed'}")
        for line in tail:
            print(f"        {line}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
