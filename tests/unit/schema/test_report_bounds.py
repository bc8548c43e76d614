"""What a worker says is bounded before anything is done with it."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import InputError
from edgekit.schema.message import from_message
from edgekit.schema.report import Report

LANE = {"name": "a", "tid": 1, "cpus": [0], "busy_ratio": 0.5, "queue": 1, "dropped": {}}


@pytest.mark.parametrize(
    "harm",
    [
        {"frames": 1 - 10**400},
        {"errors": 10**400},
        {"frames": -1},
        {"fps": 1e300},
        {"p99_ms": -1.0},
        {"uptime_s": 10**400},
        {"counts": {"red": 10**30}},
        {"lanes": [{**LANE, "queue": -1}]},
        {"lanes": [{**LANE, "busy_ratio": 1e99}]},
        {"lanes": [{**LANE, "dropped": {"error": 1 << 64}}]},
        {"lanes": [{**LANE, "cpus": [-1]}]},
    ],
)
def test_absurd_numbers_are_refused(harm: dict[str, object]) -> None:
    with pytest.raises(InputError):
        from_message(Report, json.dumps({"phase": "running", **harm}).encode(), "report")


def test_usual_ones_are_read() -> None:
    usual = {"phase": "running", "fps": 29.97, "frames": 10, "errors": 1, "lanes": [LANE], "counts": {"red": 3}}
    assert from_message(Report, json.dumps(usual).encode(), "report").lanes[0].queue == 1
