"""A trial brings its fault, takes the times, and complains about what was late, lost, or nobody's doing."""

from __future__ import annotations

import pytest

from edgekit.schema.report import StreamReport, StreamState
from tests.soak.faults import CameraFault, CameraTrial


def stream(state: StreamState, reconnects: int = 0) -> StreamReport:
    return StreamReport(name="gate", state=state, since_s=0.0, reconnects=reconnects)


def made(*, holds: bool) -> tuple[CameraTrial, list[str]]:
    acts: list[str] = []
    fault = CameraFault(
        about="x",
        begin=lambda: acts.append("begin"),
        end=(lambda: acts.append("end")) if holds else None,
        hold_s=10.0,
        told_within_s=2.0,
        back_within_s=3.0,
    )
    return CameraTrial(fault, due_s=5.0), acts


def test_a_fault_that_holds_is_told_ended_and_over() -> None:
    trial, acts = made(holds=True)
    for now_s, report in (
        (4.0, stream("live")),
        (5.0, stream("live")),
        (6.0, stream("live")),
        (7.0, stream("down")),
        (14.0, stream("down")),
        (16.0, stream("down")),
        (18.0, stream("live", 1)),
        (99.0, stream("live", 1)),
    ):
        trial.see(report, now_s)
    assert (trial.told_s, trial.back_s, acts, trial.waits) == ([2.0], [2.0], ["begin", "end"], "")
    assert trial.complaints(1, 0.0) == []
    trial.due_s = 100.0
    trial.see(stream("live", 1), 100.0)
    assert (acts, trial.waits) == (["begin", "end", "begin"], "told")


def test_a_cut_may_be_over_before_the_next_report() -> None:
    trial, _ = made(holds=False)
    trial.see(stream("live", 4), 5.0)
    trial.see(stream("live", 5), 6.0)
    assert (trial.told_s, trial.back_s) == ([1.0], [1.0])


@pytest.mark.parametrize(
    ("reports", "reconnects", "complaint"),
    [
        ([(5.0, "live", 0), (9.0, "live", 0)], 0, "its fault was never told"),
        ([(5.0, "live", 0), (6.0, "down", 0), (15.0, "down", 0)], 0, "its fault was never back"),
        ([(5.0, "live", 0), (8.5, "down", 0), (15.0, "down", 0), (16.0, "live", 1)], 1, "told after 3.5 s, limit 2 s"),
        ([(5.0, "live", 0), (6.0, "down", 0), (15.0, "down", 0), (20.0, "live", 1)], 1, "back after 5.0 s, limit 3 s"),
        ([(4.0, "live", 0), (4.5, "live", 1)], 1, "it came back 1 times from 0 faults"),
    ],
)
def test_it_complains(reports: list[tuple[float, StreamState, int]], reconnects: int, complaint: str) -> None:
    trial, _ = made(holds=True)
    for now_s, state, count in reports:
        trial.see(stream(state, count), now_s)
    found = trial.complaints(reconnects, 1.0)
    assert len(found) == 1 and complaint in found[0]
