"""A worker's memory over its life, from a bounded number of samples however long that is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from edgekit.device.keeper.process.growth import SampleRing
from edgekit.device.keeper.process.memory_life import MemoryLife


def grows(leaf: Path, mib: float) -> None:
    (leaf / "memory.stat").write_text(f"anon {int(mib * (1 << 20))}\nshmem 0\nfile {int(50 * mib * (1 << 20))}\n")


def test_what_grows_is_told_per_hour(tmp_path: Path) -> None:
    life = MemoryLife(tmp_path, Path("/nowhere"))
    assert life.growth() is None
    for second in range(3600):
        grows(tmp_path, 100 + 6 * second / 3600)
        life.look(float(second))
    found = life.growth()
    assert found is not None and found.bound_bytes is not None
    assert found.per_hour_bytes / (1 << 20) == pytest.approx(6.0, abs=0.1) and found.bound_bytes < 1 << 20
    assert found.samples > 300 and found.seconds == pytest.approx(1800, abs=10)


def test_nothing_is_said_of_one_that_began_just_now(tmp_path: Path) -> None:
    life = MemoryLife(tmp_path, Path("/nowhere"))
    grows(tmp_path, 100)
    for at_s in (0.0, 6.0):
        life.look(at_s)
    found = life.growth()
    assert found is not None and found.bound_bytes is None


def test_one_that_has_gone_leaves_no_samples_of_zero(tmp_path: Path) -> None:
    life = MemoryLife(tmp_path, Path("/nowhere"))
    grows(tmp_path, 100)
    for at_s in range(0, 100, 5):
        life.look(float(at_s))
    (tmp_path / "memory.stat").unlink()
    for at_s in range(100, 200, 5):
        life.look(float(at_s))
    found = life.growth()
    assert found is not None and found.per_hour_bytes == 0.0


def test_a_year_of_samples_takes_no_more_than_an_hour() -> None:
    ring = SampleRing(5.0, 8)
    for at_s in range(0, 100_000, 5):
        if ring.is_due(float(at_s)):
            ring.add(float(at_s), float(at_s))
        assert len(ring.samples) <= 8
    at = [one for one, _ in ring.samples]
    assert at == sorted(at) and at[-1] > 80_000 and at[0] < 30_000, "from the whole life, not from its end"
    gaps = {later - earlier for earlier, later in pairwise(at)}
    assert len(gaps) == 1, "evenly"
