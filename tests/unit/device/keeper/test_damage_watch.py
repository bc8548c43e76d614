"""A committed release that cannot be read when the keeper starts, or rots: the one before takes over, or it goes on."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgekit.device.keeper.update import releases
from edgekit.device.keeper.update.release_files import read_plan
from edgekit.errors import RolloutError
from edgekit.schema.plan import WorkerPlan
from tests.fakes.child import FakeChild
from tests.fakes.keeper import Bench, make_layout, outcome, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release

ENGINE = "engines/net.onnx"
FIRST = make_release(extra={ENGINE: b"weights"})
SECOND = make_release(plan=make_plan(version="2.0.0"), extra={ENGINE: b"other weights"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A board with two releases, the second one committed."""
    bench = Bench(tmp_path)
    bench.commit(FIRST)
    bench.commit(SECOND)
    return tmp_path


def harm(root: Path, release: FakeRelease, how: str) -> None:
    """Take something of an installed release away."""
    folder = make_layout(root).release(release.digest)
    match how:
        case "file":
            (folder / ENGINE).unlink()
        case "cut":
            (folder / ENGINE).chmod(0o644)
            (folder / ENGINE).write_bytes(b"")
        case "rot":
            (folder / ENGINE).chmod(0o644)
            (folder / ENGINE).write_bytes((folder / ENGINE).read_bytes().swapcase())
        case "plan":
            (folder / "plan.json").unlink()
        case "manifest":
            (folder / "manifest.json").chmod(0o644)
            (folder / "manifest.json").write_bytes(b"{}")
        case "folder":
            folder.rename(folder.with_name("elsewhere"))


def come_up(root: Path, *, seconds: float = 0.5, turns: int = 20) -> Bench:
    """A new keeper on that board, whose releases are healthy."""
    bench = Bench(root)
    bench.starter.on_start = pulse
    turn(bench, seconds, turns)
    return bench


def turn(bench: Bench, seconds: float, turns: int) -> None:
    """Let the loop turn; what reads releases whole is through by the next turn."""
    for _ in range(turns):
        bench.turn(seconds)
        look = bench.application()._driver._damage._examination
        if look:
            look._thread.join(60)


@pytest.mark.parametrize("how", ["file", "cut", "plan", "manifest", "folder"])
def test_a_damaged_release_is_left_for_a_whole_one_before(root: Path, how: str) -> None:
    harm(root, SECOND, how)
    bench = come_up(root)
    assert bench.current == FIRST.digest and bench.status().healthy
    failure = bench.status().last_failure
    assert failure and failure.digest == SECOND.digest
    assert "sorter 2.0.0" in failure.reason and "is damaged on the device" in failure.reason
    bench.recorder.flush()
    told = bench.recorder.told("sorter")
    assert [(one.kind, one.version, one.cause) for one in told[-1:]] == [("rolled_back", "2.0.0", "damaged")]
    assert told[-1].reason == failure.reason
    assert come_up(root).status().healthy, "that is committed"


def test_without_a_release_before_it_stays_dark_says_so_once_and_is_mended(tmp_path: Path) -> None:
    Bench(tmp_path).commit(FIRST)
    harm(tmp_path, FIRST, "file")
    bench = come_up(tmp_path)
    assert not bench.starter.children
    assert "engines/net.onnx is missing or cut" in bench.status().unhealthy_because[0]
    assert sum("cannot be started" in line.text for line in bench.journal.tail(1000)) == 1
    bench.commit(FIRST)
    assert bench.status().healthy


def test_two_damaged_releases_leave_it_dark(root: Path) -> None:
    harm(root, FIRST, "cut")
    harm(root, SECOND, "file")
    bench = come_up(root)
    assert bench.current == SECOND.digest and not bench.starter.children
    assert bench.status().unhealthy_because


def test_a_release_before_that_is_no_good_is_tried_once(root: Path) -> None:
    harm(root, SECOND, "file")
    bench = Bench(root)
    bench.starter.on_start = lambda child: child.end(1)
    turn(bench, 1.0, 300)
    assert bench.current == SECOND.digest and bench.state_phase == "running"
    assert [FIRST.digest in " ".join(child.argv) for child in bench.starter.children] == [True]
    bench.install(SECOND)
    bench.starter.on_start = pulse
    turn(bench, 60.0, 2)
    assert bench.current == SECOND.digest and bench.status().healthy, "mended, it is started again"


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_plan_that_cannot_be_read_now_is_read_again(root: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Path] = []

    def read(path: Path) -> WorkerPlan:
        tries.append(path)
        if len(tries) < 3:
            raise OSError(number, "not now")
        return read_plan(path)

    monkeypatch.setattr(releases, "read_plan", read)
    bench = come_up(root, seconds=0.1, turns=2)
    assert "not now" in bench.status().unhealthy_because[0]
    turn(bench, 1.0, 1)
    assert len(tries) == 2, "the second try a second later"
    turn(bench, 0.5, 3)
    assert len(tries) == 2, "the third one two seconds after that"
    turn(bench, 0.5, 4)
    assert bench.current == SECOND.digest and bench.status().healthy


def test_the_loop_sleeps_until_the_next_try_and_no_longer(root: Path) -> None:
    harm(root, SECOND, "file")
    harm(root, FIRST, "file")
    bench = Bench(root)
    bench.turn()
    assert 0.5 < bench.keeper._pause_s() < 1.1
    bench.keeper.stop("sorter")
    turn(bench, 60.0, 3)
    assert bench.keeper._pause_s() > 5.0, "nothing is to be tried"


def test_a_plan_on_a_bad_sector_is_damage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = make_layout(root).release(SECOND.digest)

    def read(path: Path) -> WorkerPlan:
        if path == bad:
            raise OSError(errno.EIO, "bad sector")
        return read_plan(path)

    monkeypatch.setattr(releases, "read_plan", read)
    bench = Bench(root)
    bench.starter.on_start = pulse
    damage = bench.releases.doubts.damage
    found = {SECOND.digest: ("plan.json is damaged",)}
    monkeypatch.setattr(bench.releases.doubts, "damage", lambda digest: found.get(digest) or damage(digest))
    turn(bench, 0.5, 30)
    assert bench.current == FIRST.digest and bench.status().healthy


def test_a_keeper_that_is_short_of_descriptors_takes_no_release_for_damaged(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(root)
    bench.starter.on_start = pulse
    read_bytes = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "manifest.json":
            raise OSError(errno.EMFILE, "Too many open files")
        return read_bytes(path)

    with monkeypatch.context() as short:
        short.setattr(Path, "read_bytes", refuse)
        turn(bench, 1.0, 30)
        assert bench.current == SECOND.digest and not bench.starter.children
    turn(bench, 60.0, 2)
    assert bench.current == SECOND.digest and bench.status().healthy
    assert not any("damaged" in line.text for line in bench.journal.tail(1000))


def test_a_stopped_application_is_left_as_it_is(root: Path) -> None:
    bench = Bench(root)
    bench.keeper.stop("sorter")
    bench.turn(times=6)
    harm(root, SECOND, "file")
    bench = come_up(root)
    assert (bench.current, bench.state_phase) == (SECOND.digest, "stopped")
    ticket = bench.keeper.start("sorter")
    turn(bench, 0.5, 2)
    error = outcome(ticket)
    assert isinstance(error, RolloutError) and "deploy it again" in error.hint, "whoever asks can be told"


def test_a_roll_back_to_a_damaged_release_goes_on_to_the_one_before(root: Path) -> None:
    third = make_release(plan=make_plan(version="3.0.0"))
    bench = come_up(root)
    bench.install(third)

    def behave(child: FakeChild) -> None:
        if third.digest in " ".join(child.argv):
            harm(root, SECOND, "file")
            child.end(1)
        else:
            pulse(child)

    bench.starter.on_start = behave
    bench.keeper.activate(bench.releases.trusted(third.digest))
    turn(bench, 0.5, 20)
    assert bench.current == FIRST.digest and bench.status().healthy


def test_after_an_end_without_warning_a_damaged_release_is_left_though_its_worker_is_healthy(root: Path) -> None:
    harm(root, SECOND, "rot")
    bench = come_up(root)
    assert bench.current == SECOND.digest and bench.status().healthy, "its start waits for nothing"
    worker = bench.child()
    bench.keeper.examine()
    turn(bench, 0.5, 20)
    assert bench.current == FIRST.digest and bench.status().healthy
    assert worker.ended()
    failure = bench.status().last_failure
    assert failure and "engines/net.onnx is damaged" in failure.reason


@pytest.mark.parametrize("damaged", [[], [FIRST], [FIRST, SECOND]], ids=["nothing", "the one before", "both"])
def test_where_no_better_one_is_to_be_had_the_worker_goes_on(root: Path, damaged: list[FakeRelease]) -> None:
    for release in damaged:
        harm(root, release, "rot")
    bench = come_up(root)
    bench.keeper.examine()
    turn(bench, 0.5, 20)
    assert bench.current == SECOND.digest and bench.status().healthy
    assert len(bench.starter.children) == 1
    assert any("deploying it again mends it" in line.text for line in bench.journal.tail(100)) == (SECOND in damaged)


def test_a_rotten_release_that_ran_is_refused_to_who_activates_it_and_still_is_what_is_gone_back_to(
    tmp_path: Path,
) -> None:
    Bench(tmp_path).commit(FIRST)
    harm(tmp_path, FIRST, "rot")
    bench = come_up(tmp_path)
    with pytest.raises(RolloutError, match=r"engines/net\.onnx is damaged"):
        bench.releases.trusted(FIRST.digest)
    bench.install(SECOND)
    bench.starter.on_start = lambda child: child.end(1) if SECOND.digest in " ".join(child.argv) else pulse(child)
    bench.keeper.activate(bench.releases.trusted(SECOND.digest))
    turn(bench, 0.5, 20)
    assert bench.current == FIRST.digest and bench.status().healthy
