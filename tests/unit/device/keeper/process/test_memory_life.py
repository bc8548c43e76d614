"""A worker's memory over its life, from a bounded number of samples however long that is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from edgekit.device.keeper.process.cgroup import Leaf
from edgekit.device.keeper.process.growth import SampleRing
from edgekit.device.keeper.process.memory_gauge import Thresholds
from edgekit.device.keeper.process.memory_life import LifeContext, MemoryLife
from edgekit.schema.order import MemoryReading


def grows(leaf: Path, mib: float) -> None:
    (leaf / "memory.stat").write_text(f"anon {int(mib * (1 << 20))}\nshmem 0\nfile {int(50 * mib * (1 << 20))}\n")


def life_of(leaf: Path, told: list[MemoryReading] | None = None) -> MemoryLife:
    return MemoryLife(
        LifeContext(
            leaf=Leaf(leaf),
            process=Path("/nowhere"),
            thresholds=None if told is None else Thresholds(begin=85, end=75, limit=100),
            tell=[].append if told is None else told.append,
            degraded=lambda: False,
        )
    )


def uses(leaf: Path, current: int, inactive_file: int = 0) -> None:
    (leaf / "memory.current").write_text(f"{current}\n")
    (leaf / "memory.stat").write_text(f"anon {current - inactive_file}\ninactive_file {inactive_file}\n")


def test_a_worker_is_told_when_it_is_tight_and_how_tight(tmp_path: Path) -> None:
    told: list[MemoryReading] = []
    life = life_of(tmp_path, told)
    for at_s, current in enumerate((50, 84, 90)):
        uses(tmp_path, current)
        life.look(float(at_s))
    assert told == [MemoryReading(used_bytes=90, begin_bytes=85, end_bytes=75, limit_bytes=100, read_s=2.0)]
    uses(tmp_path, 60)
    life.look(3.0)
    assert told[-1].used_bytes == 60, "and that it is no more"


def test_pages_of_files_that_can_go_make_nothing_tight(tmp_path: Path) -> None:
    """Else a worker that writes clips would do without them for ever: they fill its cgroup to the limit."""
    told: list[MemoryReading] = []
    life = life_of(tmp_path, told)
    uses(tmp_path, 99, inactive_file=40)
    for at_s in range(10):
        life.look(float(at_s))
    assert told == []


def test_nothing_is_told_once_it_has_ended(tmp_path: Path) -> None:
    told: list[MemoryReading] = []
    (tmp_path / "memory.events").write_text("high 0\n")
    (tmp_path / "memory.pressure").write_text("")
    life = life_of(tmp_path, told)
    assert len(life.descriptors) == 2
    assert (tmp_path / "memory.pressure").read_text() == "some 150000 1000000\0"
    life.close()
    uses(tmp_path, 99)
    life.look(0.0)
    assert told == [] and life.descriptors == ()


def test_a_stall_that_the_kernel_told_of_is_told_whatever_is_used(tmp_path: Path) -> None:
    """Also where whoever waited for it has polled it away."""
    told: list[MemoryReading] = []
    (tmp_path / "memory.pressure").write_text("")
    life = life_of(tmp_path, told)
    uses(tmp_path, 5)
    life.look(0.0)
    assert told == []
    life.look(1.0, frozenset(life.descriptors))
    assert [(one.used_bytes, one.stalled) for one in told] == [(5, True)]
    life.close()


def test_a_kernel_without_stalls_or_events_is_looked_at_all_the_same(tmp_path: Path) -> None:
    told: list[MemoryReading] = []
    life = life_of(tmp_path, told)
    assert life.descriptors == ()
    uses(tmp_path, 99)
    life.look(0.0)
    assert len(told) == 1 and not told[0].stalled


def test_what_grows_is_told_per_hour(tmp_path: Path) -> None:
    life = life_of(tmp_path)
    assert life.growth() is None
    for second in range(3600):
        grows(tmp_path, 100 + 6 * second / 3600)
        life.look(float(second))
    found = life.growth()
    assert found is not None and found.bound_bytes is not None
    assert found.per_hour_bytes / (1 << 20) == pytest.approx(6.0, abs=0.1) and found.bound_bytes < 1 << 20
    assert found.samples > 300 and found.seconds == pytest.approx(1800, abs=10)


def test_nothing_is_said_of_one_that_began_just_now(tmp_path: Path) -> None:
    life = life_of(tmp_path)
    grows(tmp_path, 100)
    for at_s in (0.0, 6.0):
        life.look(at_s)
    found = life.growth()
    assert found is not None and found.bound_bytes is None


def test_one_that_has_gone_leaves_no_samples_of_zero(tmp_path: Path) -> None:
    life = life_of(tmp_path)
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
