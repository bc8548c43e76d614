"""What is shown while a release starts: each phase once, figures every few seconds."""

from __future__ import annotations

import pytest

from edgekit.cli.keeper_session import ActivationOutput
from edgekit.cli.output import Output
from edgekit.schema.control import Event
from edgekit.schema.report import Report


def test_phases_once_and_figures_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    watch = ActivationOutput("gate", Output(as_json=False), clock=lambda: now[0])
    for message in ("activating", "activating", "settling", ""):
        watch(Event(kind="state", message=message))
    report = Report(phase="running", fps=10.0, p99_ms=12.0, frames=3)
    for seconds in (0.0, 1.0, 1.5):
        now[0] += seconds
        watch(Event(kind="report", report=report))
    watch(Event(kind="log", message="never shown"))
    assert capsys.readouterr().err.splitlines() == [
        "gate: activating",
        "gate: settling",
        "gate:   running 10.0 fps, p99 12 ms, 3 frames",
        "gate:   running 10.0 fps, p99 12 ms, 3 frames",
    ]
