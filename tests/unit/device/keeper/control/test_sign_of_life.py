"""A keeper that reads many files before it answers an offer lets its client hear that it is at work."""

from __future__ import annotations

import itertools
from pathlib import Path

from edgekit.device.keeper.control.sign_of_life import EVERY_S
from edgekit.schema.control import Event
from tests.fakes.ear import Ear
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release

FILES = 60
RELEASE = make_release(extra={f"site/{number}.py": b"%d" % number for number in range(FILES)})


def heard_at_an_offer(bench: Bench) -> list[Event]:
    """What comes before the answer."""
    ear = Ear()
    ear.offer(bench, RELEASE)
    return ear.heard


def make_slow(bench: Bench) -> None:
    """Each look at the clock is a second later."""
    seconds = itertools.count()
    bench.store.clock = lambda: float(next(seconds))


def test_blobs_that_are_there_are_read_within_hearing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send(RELEASE)
    assert heard_at_an_offer(bench) == []
    make_slow(bench)
    heard = heard_at_an_offer(bench)
    assert {(event.kind, event.message) for event in heard} == {("progress", "reading files that are there")}
    assert len(heard) >= FILES / (EVERY_S + 2)


def test_so_are_the_files_of_a_release_that_runs_badly(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    make_slow(bench)
    assert heard_at_an_offer(bench) == [], "a release whose worker is healthy is not read anew"
    bench.starter.on_start = lambda child: child.end(1)
    bench.child().end(1)
    bench.turn(1.0, times=20)
    assert len(heard_at_an_offer(bench)) >= FILES / (EVERY_S + 2)
