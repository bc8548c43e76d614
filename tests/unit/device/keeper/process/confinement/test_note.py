"""The note's pipe: whatever becomes of a start, none of its ends stays open."""

from __future__ import annotations

import errno
import gc
import os
from pathlib import Path

import pytest

from edgekit.device.keeper.process import life
from edgekit.errors import RolloutError
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release
from tests.fakes.vitals import descriptors


@pytest.mark.parametrize("place", ["settings", "starter"])
def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def refuse(_content: bytes) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    if place == "settings":
        monkeypatch.setattr(life, "_readable", refuse)
    bench = Bench(tmp_path)
    bench.starter.error = RolloutError("it cannot be started", hint="wait")
    lone, release = bench.lone_supervisor(), make_release()
    bench.install(release)
    lone.start(bench.releases.trusted(release.digest))
    gc.collect()
    before = descriptors(os.getpid())
    lone.step()
    assert lone.process is None and lone.last_exit.startswith("did not start: ")
    assert descriptors(os.getpid()) == before
