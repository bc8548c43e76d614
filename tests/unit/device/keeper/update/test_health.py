"""Healthy or not, with the figure and its limit; and when a probation is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.device.keeper.update.health import Probation, judge, observe, patience, verdict
from edgekit.schema.recipe import Health
from edgekit.schema.report import Report, StreamReport

HEALTH = Health(min_fps=2.0, max_p99_ms=100.0, max_error_ratio=0.1, settle_s=20.0, start_s=60.0, stall_s=15.0)
GOOD = Report(phase="running", fps=10.0, p99_ms=50.0, frames=100, errors=1)


@pytest.mark.parametrize(
    ("report", "age_s", "expected"),
    [
        (GOOD, 1.0, ()),
        (None, 3.0, ("no report since the start 3.0 s ago",)),
        (GOOD, 16.0, ("last report 16.0 s ago > stall_s 15",)),
        (replace(GOOD, phase="starting"), 0.0, ("phase is starting",)),
        (replace(GOOD, phase="failed", message="no camera"), 0.0, ("phase is failed: no camera",)),
        (replace(GOOD, fps=0.0), 0.0, ("fps 0.0 < min_fps 2.0",)),
        (replace(GOOD, fps=1.96), 0.0, ("fps 1.96 < min_fps 2.0",)),
        (replace(GOOD, fps=0.25), 0.0, ("fps 0.25 < min_fps 2.0",)),
        (replace(GOOD, p99_ms=130.0), 0.0, ("p99_ms 130.0 > max_p99_ms 100.0",)),
        (replace(GOOD, error_ratio=0.5), 0.0, ("error_ratio 0.500 > max_error_ratio 0.1",)),
        (replace(GOOD, errors=10**6), 0.0, ()),
        (replace(GOOD, frames=0), 0.0, ("no frame yet",)),
        (replace(GOOD, idle_s=15.0), 0.0, ()),
        (replace(GOOD, idle_s=15.1), 0.0, ("last frame 15.1 s ago > stall_s 15",)),
        (replace(GOOD, golden="failed: frame 1"), 0.0, ("golden frames failed: frame 1",)),
        (
            replace(GOOD, fps=1.0, p99_ms=130.0),
            0.0,
            ("fps 1.0 < min_fps 2.0", "p99_ms 130.0 > max_p99_ms 100.0"),
        ),
    ],
)
def test_every_reason_has_value_and_limit(report: Report | None, age_s: float, expected: tuple[str, ...]) -> None:
    assert judge(HEALTH, report, age_s) == expected


def test_what_cannot_be_judged_is_not_healthy() -> None:
    broken = replace(GOOD, fps=None)  # type: ignore[arg-type]
    (reason,) = judge(HEALTH, broken, 1.0)
    assert reason.startswith("its last report cannot be judged: TypeError")


def follow(reports: list[tuple[float, Report | None]], *, golden: bool = False) -> tuple[str, str]:
    """The verdict after these reports, each at its time."""
    probation = Probation(health=HEALTH, golden=golden, started_s=0.0)
    for at_s, report in reports:
        probation = observe(probation, report, 0.0, at_s)
        found = verdict(probation, at_s)
    return found


BAD = replace(GOOD, fps=0.0)


def test_healthy_for_long_enough_is_settled() -> None:
    assert follow([(5, GOOD), (24.9, GOOD)])[0] == "settling"
    assert follow([(5, GOOD), (25, GOOD)])[0] == "settled"


def test_silence_after_a_good_report_settles_nothing() -> None:
    probation = observe(Probation(health=HEALTH, golden=False, started_s=0.0), GOOD, 0.0, 5.0)
    assert verdict(observe(probation, GOOD, 14.0, 19.0), 25.0)[0] == "settling"


def test_a_break_starts_the_time_anew() -> None:
    assert follow([(5, GOOD), (20, BAD), (21, GOOD), (40, GOOD)])[0] == "settling"
    assert follow([(5, GOOD), (20, BAD), (21, GOOD), (41, GOOD)])[0] == "settled"


def test_never_healthy() -> None:
    assert follow([(59.9, BAD)])[0] == "waiting"
    assert follow([(60, BAD)]) == ("failed", "not healthy within 60 s: fps 0.0 < min_fps 2.0")
    assert follow([(60, None)])[0] == "failed"


def test_healthy_once_and_then_no_more() -> None:
    assert follow([(5, GOOD), (10, BAD), (29.9, BAD)])[0] == "waiting"
    assert follow([(5, GOOD), (10, BAD), (30, BAD)])[1].startswith("was healthy, then not for 20 s: fps 0.0")


def test_on_and_off_comes_to_an_end() -> None:
    reports = [(float(at_s), GOOD if at_s % 10 else BAD) for at_s in range(1, 121)]
    assert follow([*reports[:-1]])[0] != "failed"
    assert follow(reports)[1].startswith("never healthy for 20 s without a break")


def test_golden_frames_must_have_passed() -> None:
    assert follow([(5, GOOD), (30, GOOD)], golden=True)[0] == "waiting"
    assert (
        follow([(5, replace(GOOD, golden="passed")), (25, replace(GOOD, golden="passed"))], golden=True)[0] == "settled"
    )
    assert follow([(5, replace(GOOD, golden="failed: x"))]) == ("failed", "golden frames failed: x")


@pytest.mark.parametrize(
    ("report", "until_s", "reason"),
    [
        (None, 160.0, "no report for 60 s"),
        (Report(phase="starting"), 160.0, "no frame within 60 s of its start"),
        (Report(phase="running", idle_s=3.0), 160.0, "no frame within 60 s of its start"),
        (Report(phase="running"), 165.0, "no report for 15 s"),
        (GOOD, 165.0, "no report for 15 s"),
        (replace(GOOD, idle_s=15.0), 165.0, "no report for 15 s"),
        (replace(GOOD, idle_s=15.1), 150.0, "no frame for 15 s"),
        (replace(GOOD, idle_s=15.1, phase="stopping"), 165.0, "no report for 15 s"),
    ],
)
def test_how_long_a_worker_is_waited_for(report: Report | None, until_s: float, reason: str) -> None:
    """Started at 100, heard at 150; a report that says idle 0 and no frame is of a worker whose sources have ended."""
    heard_s = 100.0 if report is None else 150.0
    assert patience(HEALTH, report, started_s=100.0, heard_s=heard_s) == (until_s, reason)


def test_before_the_first_frame_silence_counts_as_ever() -> None:
    loading = Report(phase="starting")
    assert patience(HEALTH, loading, started_s=100.0, heard_s=120.0) == (135.0, "no report for 15 s")


@pytest.mark.parametrize(
    "report",
    [replace(GOOD, fps=2.0), replace(GOOD, p99_ms=100.0), replace(GOOD, error_ratio=0.1), replace(GOOD, idle_s=15.0)],
)
def test_a_figure_at_its_limit_is_good(report: Report) -> None:
    assert judge(HEALTH, report, 15.0) == ()


def test_times_count_from_the_start_whenever_that_was() -> None:
    probation = Probation(health=HEALTH, golden=False, started_s=1000.0)
    assert probation.healthy_until_s == 0.0
    bad = observe(probation, BAD, 0.0, 1059.0)
    assert verdict(bad, 1059.9) == ("waiting", "")
    assert verdict(bad, 1060.0)[0] == "failed"
    on_and_off = replace(bad, unhealthy_since_s=1110.0)
    assert verdict(on_and_off, 1119.9) == ("waiting", "")
    assert verdict(on_and_off, 1120.0)[1].startswith("never healthy for 20 s without a break: fps 0.0")


def test_the_first_reason_is_the_one_that_is_told() -> None:
    worse = replace(BAD, p99_ms=130.0)
    assert follow([(60, worse)])[1] == "not healthy within 60 s: fps 0.0 < min_fps 2.0"


def test_a_first_frame_may_be_half_a_second_old() -> None:
    young = Report(phase="running", idle_s=0.5)
    assert patience(HEALTH, young, started_s=100.0, heard_s=150.0)[1] == "no frame within 60 s of its start"


def streams(**states: str) -> Report:
    return replace(GOOD, streams=tuple(StreamReport(name=n, state=s, since_s=1.0) for n, s in states.items()))


@pytest.mark.parametrize(
    ("least", "report", "because"),
    [
        (1, streams(a="live", b="stalled"), ()),
        (2, streams(a="live", b="stalled"), ("1 of 2 streams live < min_streams 2: b stalled",)),
        (1, streams(a="down", b="frozen"), ("0 of 2 streams live < min_streams 1: a down, b frozen",)),
        (0, streams(a="down", b="connecting"), ()),
        (2, streams(a="live", b="ended"), ()),
        (2, streams(a="live", b="failed"), ("1 of 2 streams live < min_streams 2: b failed",)),
        (2, streams(a="running", b="a newer word"), ()),
        (1, GOOD, ()),
    ],
)
def test_a_camera_that_is_away_counts_where_too_few_are_left(least: int, report: Report, because: tuple[str]) -> None:
    assert judge(replace(HEALTH, min_streams=least), report, 0.0) == because


def test_a_worker_whose_cameras_are_away_does_not_hang() -> None:
    """A new process could not bring them back; a release on probation fails by its health instead."""
    away = replace(streams(a="down"), frames=0, idle_s=0.0)
    assert patience(HEALTH, away, started_s=0.0, heard_s=900.0) == (915.0, "no report for 15 s")
