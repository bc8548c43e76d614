"""A committed release that is not healthy in three boots is left for the one before; health clears the count."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.boot_count import MOST_BOOTS
from edgekit.device.keeper.update import releases
from edgekit.device.keeper.update.activation import State
from edgekit.device.keeper.update.release_files import read_plan
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from tests.fakes.child import FakeChild
from tests.fakes.keeper import Bench, make_layout, pulse
from tests.fakes.releases import make_plan, make_release

FIRST = make_release("healthy", plan=make_plan(version="1.0.0"))
SECOND = make_release("healthy", plan=make_plan(version="2.0.0"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board with two releases, the second one committed."""
    bench = Bench(tmp_path, boot="commit")
    bench.commit(FIRST)
    bench.commit(SECOND)
    return tmp_path


def saved(root: Path) -> State:
    file = make_layout(root).state_file("sorter")
    return from_message(State, file.read_bytes(), "state.json")


def come_up(root: Path, boot: str, *, healthy: bool = False, turns: int = 3, seconds: float = 0.1) -> Bench:
    """The board boots, its worker is started, and then the power goes."""
    bench = Bench(root, boot=boot)
    if healthy:
        bench.starter.on_start = pulse
    bench.turn(seconds, times=turns)
    return bench


def test_the_fourth_boot_is_one_of_the_release_before(root: Path) -> None:
    for number in range(MOST_BOOTS):
        bench = come_up(root, f"boot {number}")
        assert bench.current == SECOND.digest and saved(root).boots == number + 1
    bench = come_up(root, "one too many")
    assert bench.current == FIRST.digest
    assert FIRST.digest in " ".join(bench.child().argv)
    failure = bench.status().last_failure
    assert failure and (failure.digest, failure.version) == (SECOND.digest, "2.0.0")
    assert failure.reason == f"sorter 2.0.0 ({SECOND.digest[:12]}) was not healthy in 3 starts of the device"
    assert bench.application().state.previous is None, "nothing to roll back to: that release is no good"
    assert any(": back to sorter 1.0.0" in line.text for line in bench.journal.tail(50))
    bench.recorder.flush()
    *_, told = bench.recorder.told("sorter")
    assert (told.kind, told.version, told.reason) == ("rolled_back", "2.0.0", failure.reason)


def test_the_count_is_on_disk_before_the_worker_starts(root: Path) -> None:
    found: list[int] = []
    bench = Bench(root, boot="b")

    def starts(_child: FakeChild) -> None:
        found.append(from_message(State, bench.layout.state_file("sorter").read_bytes(), "state.json").boots)

    bench.starter.on_start = starts
    bench.turn(times=2)
    assert found[0] == 1


def test_health_clears_it_and_a_moment_of_health_does_not(root: Path) -> None:
    settle_s = make_plan().health.settle_s
    come_up(root, "boot 0")
    come_up(root, "boot 1", healthy=True, turns=2, seconds=settle_s / 10)
    assert saved(root).boots == 2
    come_up(root, "boot 2", healthy=True, turns=6, seconds=settle_s / 2)
    assert saved(root).boots == 0
    for number in range(MOST_BOOTS):
        assert come_up(root, f"later {number}").current == SECOND.digest


def test_a_keeper_that_is_started_anew_in_one_boot_counts_once(root: Path) -> None:
    for _ in range(3 * MOST_BOOTS):
        come_up(root, "the same boot")
    assert saved(root).boots == 1
    for _ in range(2 * MOST_BOOTS):
        come_up(root, "")
    assert saved(root).boots == 1, "where boots have no names nothing is counted"


def test_a_release_before_that_is_no_good_either_is_not_gone_back_to(root: Path) -> None:
    for number in range(MOST_BOOTS):
        come_up(root, f"boot {number}")
    layout = make_layout(root)
    (layout.release(FIRST.digest) / "plan.json").unlink()
    bench = come_up(root, "boot 3")
    assert bench.current == SECOND.digest
    assert any("cannot take its place" in line.text for line in bench.journal.tail(50))


def test_without_a_release_before_it_goes_on(tmp_path: Path) -> None:
    Bench(tmp_path, boot="commit").commit(FIRST)
    for number in range(2 * MOST_BOOTS):
        assert come_up(tmp_path, f"boot {number}").current == FIRST.digest


def test_what_was_stopped_is_not_counted(root: Path) -> None:
    bench = Bench(root, boot="stop")
    bench.keeper.stop("sorter")
    bench.turn(times=6)
    for number in range(2 * MOST_BOOTS):
        assert come_up(root, f"boot {number}").current == SECOND.digest


def test_a_new_commit_begins_anew(root: Path) -> None:
    come_up(root, "boot 0")
    come_up(root, "boot 1")
    Bench(root, boot="boot 2").commit(make_release("healthy", plan=make_plan(version="3.0.0")))
    assert (saved(root).boots, saved(root).boot) == (0, "")


def test_a_disk_that_takes_nothing_keeps_no_release_from_running(root: Path) -> None:
    bench = Bench(root, boot="b")

    def refuse(_path: Path, _data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    bench.disk.write = refuse  # type: ignore[method-assign]
    bench.starter.on_start = pulse
    bench.turn(times=5)
    assert bench.view().unhealthy_because == ()


def test_a_boot_in_which_the_release_could_not_even_be_read_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = make_layout(root).release(SECOND.digest)

    def read(path: Path) -> WorkerPlan:
        if path == bad:
            raise OSError(5, "Input/output error")
        return read_plan(path)

    monkeypatch.setattr(releases, "read_plan", read)
    for number in range(MOST_BOOTS):
        come_up(root, f"boot {number}")
    assert saved(root).boots == MOST_BOOTS
    assert come_up(root, "one too many").current == FIRST.digest
