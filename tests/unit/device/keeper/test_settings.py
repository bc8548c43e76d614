"""Settings on the board: checked before anything changes, changed with the release or not at all, told to nobody."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.update.reserve import RESERVE_BYTES
from edgekit.errors import InputError, RolloutError
from edgekit.schema.control import ReleaseRef
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import StagePlan, WorkerPlan
from edgekit.schema.report import Report
from edgekit.schema.settings import BoardSettings, NumberSetting, Setting, SettingPlace, TextSetting
from tests.fakes.child import FakeChild
from tests.fakes.full_disk import FullFilesystem
from tests.fakes.keeper import HEALTHY, Bench, outcome, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release

DECLARED: dict[str, Setting] = {
    "least": NumberSetting(kind="number", about="Below it a box is dropped.", default=0.5),
    "key": TextSetting(kind="text", about="The broker's password.", secret=True),
}


def plan(version: str = "1.0.0", declared: dict[str, Setting] = DECLARED) -> WorkerPlan:
    stage = StagePlan(name="own", kind="python", lane="all", engine="", entry="a:B", options={"key": "", "least": 0.5})
    places = tuple(SettingPlace(setting=name, keys=("stages", "own", "options", name)) for name in declared)
    return replace(make_plan(version=version), stages=(stage,), settings=declared, places=places)


ONE, TWO = make_release(plan=plan()), make_release(plan=plan("2.0.0"))
PLAIN = make_release(plan=make_plan(version="3.0.0"))


def content(nonce: str = "a1", **values: object) -> bytes:
    return to_message(BoardSettings(nonce=nonce, values={"key": "s3cret", **values}))


FIRST, SECOND = content(), content(least=0.7)


class FilledDisk(FullFilesystem):
    """Once it is full, what is kept for states is the only room on it."""

    full = False

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        self.left = RESERVE_BYTES if path.name == "reserve" else 0
        super().extend(path, offset, data)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def activate(bench: Bench, release: FakeRelease, given: bytes) -> Ticket:
    found = bench.keeper.application("sorter")
    current = found.state.current if found else None
    return bench.keeper.activate(bench.settings.given(bench.releases.trusted(release.digest), given, current))


def activate_and_turn(bench: Bench, release: FakeRelease, given: bytes) -> Ticket:
    ticket = activate(bench, release, given)
    bench.turn(0.1, times=8)
    return ticket


def commit(bench: Bench, release: FakeRelease, given: bytes) -> None:
    bench.install(release)
    bench.starter.on_start = pulse
    assert "committed" in str(outcome(activate_and_turn(bench, release, given)))


def current(bench: Bench) -> ReleaseRef:
    found = bench.application().state.current
    assert found is not None
    return found


def values(child: FakeChild) -> dict[str, object]:
    return from_message(BoardSettings, child.settings, "settings").values


def files(bench: Bench) -> list[Path]:
    return sorted(bench.layout.settings_folder("sorter").iterdir())


def test_the_worker_gets_them_and_nobody_else_may_read_them(bench: Bench) -> None:
    commit(bench, ONE, SECOND)
    assert values(bench.child()) == {"key": "s3cret", "least": 0.7}
    (file,) = files(bench)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name == current(bench).settings
    assert "s3cret" not in " ".join(bench.child().argv)
    assert "s3cret" not in json.dumps(to_message(bench.figures.status({})).decode())
    assert "s3cret" not in bench.layout.state_file("sorter").read_text()


def test_a_release_without_settings_gets_none(bench: Bench) -> None:
    commit(bench, PLAIN, to_message(BoardSettings(nonce="", values={})))
    assert (bench.child().settings, current(bench).settings) == (b"", "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (content(most=1), "settings of sorter: most: the application has no such setting"),
        (content(least="x"), "least: expected a number"),
        (to_message(BoardSettings(nonce="", values={})), "key: missing; it is for: The broker's password."),
        (content(key="abc"), "key: expected at least 4 characters"),
        (b"{", "settings of sorter: not JSON"),
        (b"[" * 100_000, "settings of sorter: not JSON"),
    ],
)
def test_wrong_ones_change_nothing(bench: Bench, given: bytes, message: str) -> None:
    commit(bench, ONE, FIRST)
    before = (current(bench), files(bench), len(bench.starter.children))
    with pytest.raises(InputError, match=message.replace(".", "[.]")):
        activate(bench, ONE, given)
    bench.turn(times=3)
    assert before == (current(bench), files(bench), len(bench.starter.children))


def test_other_values_are_tried_like_a_release_and_committed(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    old, worker = current(bench), bench.child()
    commit(bench, ONE, SECOND)
    assert worker.ended() and values(bench.child())["least"] == 0.7
    assert current(bench).digest == old.digest and current(bench).settings != old.settings
    assert [file.name for file in files(bench)] == [current(bench).settings]


def test_values_that_do_no_good_are_taken_back(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    old = current(bench)
    bench.starter.on_start = lambda child: child.end(3) if b"0.7" in child.settings else pulse(child)
    ticket = activate(bench, ONE, SECOND)
    bench.turn(times=12)
    failed = outcome(ticket)
    assert isinstance(failed, RolloutError) and "back to sorter 1.0.0" in failed.message
    assert current(bench) == old and values(bench.child()) == {"key": "s3cret"}
    failure = bench.status().last_failure
    assert failure is not None and failure.settings not in ("", old.settings)


def test_the_same_values_change_nothing(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    worker, old = bench.child(), current(bench)
    ticket = activate(bench, ONE, content(nonce="b2"))
    bench.turn(times=3)
    assert "healthy" in str(outcome(ticket))
    assert current(bench) == old and bench.child() is worker


def test_a_new_release_keeps_what_the_board_has(bench: Bench) -> None:
    commit(bench, ONE, SECOND)
    bench.install(TWO)
    release = bench.settings.kept(bench.releases.trusted(TWO.digest), current(bench))
    assert release.settings == SECOND


def test_a_release_that_declares_less_gets_less(bench: Bench) -> None:
    commit(bench, ONE, SECOND)
    less = make_release(plan=plan("4.0.0", {"key": DECLARED["key"]}))
    bench.install(less)
    release = bench.settings.kept(bench.releases.trusted(less.digest), current(bench))
    assert from_message(BoardSettings, release.settings, "settings").values == {"key": "s3cret"}


def test_what_the_board_does_not_have_must_be_given(bench: Bench) -> None:
    bench.install(ONE)
    with pytest.raises(InputError, match="key: missing"):
        bench.settings.kept(bench.releases.trusted(ONE.digest), None)


def test_a_rollback_keeps_what_was_changed_since_and_else_takes_what_it_ran_with(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    commit(bench, TWO, SECOND)
    previous = bench.application().state.previous
    assert previous is not None
    back = bench.releases.trusted(previous.digest)
    assert bench.settings.kept(back, current(bench), previous).settings == SECOND
    assert bench.settings.kept(back, None, previous).settings == FIRST
    commit(bench, PLAIN, b'{"nonce": "", "values": {}}')
    last = bench.application().state.previous
    assert last is not None and last.digest == TWO.digest
    assert bench.settings.kept(bench.releases.trusted(TWO.digest), current(bench), last).settings == SECOND


@pytest.mark.parametrize("full", [True, False], ids=["full", "room"])
def test_a_rollback_needs_no_room_for_settings(tmp_path: Path, full: bool) -> None:
    disk = FilledDisk()
    bench = Bench(tmp_path, disk=disk)
    bench.reserve.keep()
    less = make_release(plan=plan("0.9.0", {"key": DECLARED["key"]}))
    commit(bench, less, content(nonce="c3", key="older"))
    commit(bench, ONE, SECOND)
    disk.full = full
    previous = bench.application().state.previous
    assert previous is not None
    release = bench.settings.kept(bench.releases.trusted(less.digest, going_back=True), current(bench), previous)
    ticket = bench.keeper.activate(release)
    bench.turn(0.1, times=8)
    assert "is committed" in str(outcome(ticket))
    assert values(bench.child()) == {"key": "older" if full else "s3cret"}
    assert any("gets those that it ran with before" in line.text for line in bench.journal.tail(50)) == full
    again = Bench(tmp_path)
    again.starter.on_start = pulse
    again.turn(times=3)
    assert current(again).digest == less.digest and values(again.child()) == values(bench.child())


def test_on_a_full_disk_nobody_gets_other_settings_than_were_asked_for(tmp_path: Path) -> None:
    disk = FilledDisk()
    bench = Bench(tmp_path, disk=disk)
    bench.reserve.keep()
    commit(bench, ONE, FIRST)
    disk.full = True
    error = outcome(activate_and_turn(bench, ONE, SECOND))
    assert isinstance(error, RolloutError) and "the settings could not be saved" in error.message
    assert values(bench.child()) == {"key": "s3cret"}


def test_damaged_ones_are_told_and_pushed_anew(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    files(bench)[0].write_bytes(SECOND)
    again = Bench(bench.layout.prefix)
    again.starter.on_start = pulse
    again.turn(times=2)
    assert again.starter.children == []
    (reason,) = again.status().unhealthy_because
    assert "the settings of sorter are damaged on the device" in reason
    ticket = activate(again, ONE, FIRST)
    again.turn(times=3)
    assert "healthy" in str(outcome(ticket))


def test_a_worker_that_tells_its_secrets_is_not_repeated(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    bench.child().say("rtsp://me:s3cret@10.0.0.7 does not answer\n")
    bench.child().report(Report(phase="running", fps=10.0, frames=6, golden="passed", message="at s3cret"))
    bench.turn(0.01)
    assert "rtsp://me:***@10.0.0.7 does not answer" in [line.text for line in bench.journal.tail(10)]


def test_a_report_is_masked_too(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    bench.child().pulse = replace(HEALTHY, message="at s3cret")
    bench.turn()
    report = bench.status().report
    assert report is not None and report.message == "at ***"


def test_a_secret_that_is_a_number_or_a_word_of_the_report_breaks_none(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    for secret in ("1234", "running", "passed", "frames"):
        ticket = activate(bench, ONE, content(key=secret))
        bench.turn(0.1, times=8)
        assert "committed" in str(outcome(ticket)), secret
        metrics = f'edgekit_count{{name="{secret}"}} 1234.0\n'
        pulse = replace(HEALTHY, frames=1234, message=f"at {secret}", metrics=metrics)
        bench.child().pulse = pulse
        bench.turn()
        masked = metrics.replace(f'"{secret}"', '"***"')
        assert bench.view().report == replace(pulse, message="at ***", metrics=masked)
        assert bench.status().report == replace(pulse, message="at ***", metrics=""), (
            "the bulk goes by a verb of its own"
        )


def test_they_are_shown_without_secrets_and_compared_with_others(bench: Bench) -> None:
    commit(bench, ONE, SECOND)
    answer = bench.settings.answer(current(bench), plan(), b"")
    assert (answer.values, answer.secrets, answer.changed) == ({"least": 0.7}, ("key",), ())
    assert answer.declared == DECLARED
    assert bench.settings.answer(current(bench), plan(), content(nonce="c3", least=0.7)).changed == ()
    assert bench.settings.answer(current(bench), plan(), content()).changed == ("least",)
    assert bench.settings.answer(current(bench), plan(), content(least=0.7, key="other")).changed == ("key",)


def test_they_go_with_their_application(bench: Bench) -> None:
    commit(bench, ONE, FIRST)
    bench.keeper.remove("sorter")
    bench.turn(times=3)
    assert not bench.layout.settings_folder("sorter").exists()
