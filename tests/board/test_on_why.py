"""`edgekit why` on a real kernel and a real disk: what only a board can suffer, and what it knows after its power went.

One board for all, and in this order: each test leaves the clock, the disk and the power as it found them.
"""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from tests.board.conftest import Edgekit, eventually, write

pytestmark = [pytest.mark.board, pytest.mark.long]


def why(edgekit: Edgekit, name: str, *words: str) -> Any:
    """What is told; asked again where an emulated board under load does not answer in time."""
    for _ in range(5):
        done = edgekit.run("why", name, *words, "--json")
        if done.code != 7:
            break
    assert done.code == 0, done.err
    return done.json


def last(edgekit: Edgekit, name: str, cause: str, *words: str) -> Any:
    """What is told once it has that cause."""
    eventually(lambda: (why(edgekit, name, *words)["last"] or {}).get("cause") == cause)
    return why(edgekit, name, *words)["last"]


def test_a_worker_beyond_its_memory(edgekit: Edgekit, provisioned: str) -> None:
    release = write(edgekit, "hungry", version="1.0.0", application="hungry", period_s=1.5)
    edgekit.ok("deploy", str(release), provisioned)
    found = last(edgekit, provisioned, "out_of_memory", "hungry")
    sentence = r"hungry 1\.0\.0 was restarted.*: it ran out of memory, with a peak of 64\.0 MiB at memory_max 64\.0 MiB"
    assert re.fullmatch(sentence, found["sentence"]), found["sentence"]
    assert found["happened"] == "restarted"
    edgekit.ok("stop", provisioned, "hungry")


def test_a_crash_loop(edgekit: Edgekit, provisioned: str) -> None:
    release = write(edgekit, "falls", version="1.0.0", application="loops")
    edgekit.ok("deploy", str(release), provisioned)
    found = last(edgekit, provisioned, "crash_loop", "loops")
    assert "it is in a crash loop: it ended" in found["sentence"] and "the sensor gave up" in found["sentence"]
    edgekit.ok("stop", provisioned, "loops")


def test_a_clock_that_jumped(edgekit: Edgekit, provisioned: str) -> None:
    before = edgekit.on_board(provisioned, "date +%s")
    edgekit.on_board(provisioned, "date -s '2035-01-01 00:00:00'")
    eventually(lambda: "the clock jumped" in edgekit.ok("logs", provisioned).out)
    refused = edgekit.run("deploy", str(write(edgekit, "healthy", version="1.1.0")), provisioned)
    assert refused.code == 6, refused.err
    found = last(edgekit, provisioned, "clock_jump", "sorter")
    assert "the device's clock jumped from 20" in found["sentence"]
    assert "to 2035-01-01" in found["sentence"] and "and by that clock" in found["sentence"]
    assert "timedatectl" in found["hint"]
    edgekit.on_board(provisioned, f"date -s @{before}")


def test_a_full_disk(edgekit: Edgekit, provisioned: str) -> None:
    free = int(edgekit.on_board(provisioned, "df --output=avail -B1 /var/lib/edgekit | tail -1"))
    edgekit.on_board(provisioned, f"fallocate -l {free - (1 << 20)} /var/lib/edgekit/filler")
    release = write(edgekit, "healthy", version="1.2.0", application="large", noise=os.urandom(4 << 20))
    refused = edgekit.run("deploy", str(release), provisioned)
    assert refused.code == 8, refused.err
    found = last(edgekit, provisioned, "disk_full", "large")
    edgekit.on_board(provisioned, "rm /var/lib/edgekit/filler")
    assert re.search(r"the disk is full \([\d.]+ .*free\)", found["sentence"]), found["sentence"]


def test_all_of_it_is_still_told_after_a_power_cut(edgekit: Edgekit, provisioned: str) -> None:
    before = {one: why(edgekit, provisioned, one)["last"]["sentence"] for one in ("hungry", "loops", "sorter")}
    edgekit.ok("board", "power-cut", "--name", provisioned)
    edgekit.ok("board", "up", "--name", provisioned)
    eventually(lambda: edgekit.run("status", provisioned).code == 0)
    for application, sentence in before.items():
        found = why(edgekit, provisioned, application)
        told = re.sub(r"\d+", "", found["last"]["sentence"])
        assert told == re.sub(r"\d+", "", sentence), "figures of the very last restart may be lost, and no more"
        assert found["since"][0]["happened"] == "power"
