#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""criterion_tests.py BUILD STAGE: the programs of a stage that are Criterion's, one a line."""
import json
import subprocess
import sys

build, stage = sys.argv[1:]
listing = subprocess.run(
    ["ctest", "--test-dir", build, "--show-only=json-v1", "-L", f"^{stage}$"],
    check=True, capture_output=True, text=True).stdout
for test in json.loads(listing)["tests"]:
    labels = next((p["value"] for p in test["properties"] if p["name"] == "LABELS"), [])
    if "criterion" in labels:
        print(test["command"][0])
