"""A disk that refuses a call, once or from then on, and what a board whose disk does so must say and run."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError
from tests.fakes.crash_story import BAD, FIRST, ONE, OTHER, TWO, activate, truth
from tests.fakes.keeper import Bench, outcome, pulse
from tests.fakes.recording import Call, RecordingFilesystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a disk refuses, and how."""

    kinds: tuple[str, ...]
    number: int
    every: int
    """One of so many calls is tried, from a first one on."""
    once: bool = True


FULL = Refusal(kinds=("write", "extend", "rename", "link", "mkdir"), number=errno.ENOSPC, every=7)
NO_SYNC = Refusal(kinds=("sync", "sync folder", "sync all"), number=errno.EIO, every=1)


class RefusingFilesystem(RecordingFilesystem):
    """Carries out a call and then says that it failed: half a write and a failed sync look like this."""

    def __init__(self, root: Path, *, at: int, refusal: Refusal) -> None:
        super().__init__(root)
        self._at, self._refusal = at, refusal
        self._seen = 0
        self.mended = False
        self.refused = False

    def note(self, call: Call) -> None:
        super().note(call)
        if self.mended or call.kind not in self._refusal.kinds:
            return
        self._seen += 1
        if self._seen == self._at or (self._seen > self._at and not self._refusal.once):
            self.refused = True
            raise OSError(self._refusal.number, "refused", call.path)


def boards(root: Path, refusal: Refusal, *, first: int) -> Iterator[tuple[Bench, RefusingFilesystem]]:
    """A board that runs the first release, whose disk refuses its `first` call of such kinds, or a later one, or..."""
    begin = Bench(root / "begin")
    begin.commit(OTHER)
    begin.commit(ONE)
    for at in range(first, 1000, refusal.every):
        shutil.copytree(root / "begin", root / "board")
        disk = RefusingFilesystem(root / "board", at=at, refusal=refusal)
        bench = Bench(root / "board", disk=disk)
        bench.starter.on_start = pulse
        bench.turn(times=3)
        yield bench, disk
        shutil.rmtree(root / "board")
        if not disk.refused:
            assert at > 5
            return


def deploy(bench: Bench) -> str:
    """Deploy the second release, and clear out.

    Returns:
        What whoever deploys is told.
    """
    try:
        bench.install(TWO)
        told = str(outcome(activate(bench, TWO, FIRST)))
    except (EdgekitError, OSError) as error:
        return str(error)
    with contextlib.suppress(OSError):  # a clearing out that fails is told to nobody but the journal
        bench.releases.clearing.collect(bench.keeper.references)
    return told


def check_refused_calls(root: Path, refusal: Refusal, *, first: int) -> None:
    """Memory and disk say the same at each of these calls, and afterwards all can be deployed."""
    outcomes = set()
    for bench, disk in boards(root, refusal, first=first):
        old = truth(bench, b"")
        told = deploy(bench)
        bench.turn(times=3)
        now = truth(bench, b"")
        assert ("is committed" in told) == (bench.current == TWO.digest), "what is on the disk decides what is told"
        assert bench.status("counter").healthy and bench.status("sorter").healthy
        again = Bench(root / "board")
        again.starter.on_start = pulse
        again.turn(times=3)
        assert truth(again, b"") == now, "a restart changes nothing"
        assert again.status("sorter").healthy
        disk.mended = True
        for release in (TWO, BAD):
            again.install(release)
            activate(again, release, FIRST)
            assert again.current == release.digest
        outcomes.add(now == old)
        for child in (*bench.starter.children, *again.starter.children):
            child.end(0)
    assert outcomes == {True, False}
