#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The bench measures what it says it measures, from end to end; its figures, on this machine and now, are
nobody's business here."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from ptirq_test import BUILD, main, test  # noqa: E402

PATHS = ["direct: no broker, no arbitration", "brokered, shared page", "brokered, protobuf messages",
         "brokered, shared page, 1,024 lines (ratio to 2)"]


def bench(broker, *arguments):
    path = os.path.join(broker.directory.name, "bench.json")
    process = subprocess.run(
        [os.path.join(BUILD, "bench", "ptirq-bench"), "--broker", os.path.join(BUILD, "broker", "ptirq-broker"),
         "--rounds", "1", "--samples", "100", "--json", path, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert not process.stderr, process.stderr
    with open(path) as f:
        document = json.load(f)
    assert document["schema"] == "ptirq.bench.v1" and document["samples"] == 100, document
    assert process.returncode == (1 if document["broken_targets"] else 0), process
    return process.stdout, document


@test
def everything_is_measured(broker):
    text, document = bench(broker)
    assert [row["name"] for row in document["paths"]] == PATHS, document
    assert [row.get("target") for row in document["paths"]] == [None, 2.6, 4.0, 1.2], document
    assert [row["name"].split()[1] for row in document["subscribers"]] == ["1", "4", "16", "64"]
    for row in document["paths"] + document["subscribers"]:
        assert row["name"] in text
        for times in row["round_trip"], row["one_way"]:
            assert 0 < times["p50_ns"] <= times["p99_ns"] <= times["p999_ns"], row
        # There and back takes longer than there.
        assert row["one_way"]["p50_ns"] < row["round_trip"]["p50_ns"], row
    assert document["paths"][0]["ratio"] == 1 < document["paths"][1]["ratio"], document
    assert [row["active_lines"] for row in document["bursts"]] == [1, 16, 64], document
    assert all(row["per_second"] > 0 for row in document["bursts"]), document
    assert all(document["memory"][f"{what}_bytes"] > 0 for what in ("idle", "line", "client")), document


@test
def one_part_alone(broker):
    _, document = bench(broker, "memory")
    assert "memory" in document and "paths" not in document, document


main(__name__)
