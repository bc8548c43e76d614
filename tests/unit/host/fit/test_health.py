"""Which applications a device's owner has to look at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.host.fit.health import judge_health
from tests.fakes.keeper_link import APPLICATION

ILL = replace(APPLICATION, phase="running", unhealthy_because=("fps 0.0 < min_fps 2.0", "error_ratio 0.5 > 0.1"))


def test_each_that_is_unhealthy_is_a_finding_with_its_reasons_and_the_command_that_tells_more() -> None:
    well = replace(APPLICATION, application="gauge", phase="running", healthy=True)
    (found,) = judge_health("gate", (well, ILL))
    assert found.severity == "refuse"
    assert str(found) == (
        "the application sorter is unhealthy (fps 0.0 < min_fps 2.0; error_ratio 0.5 > 0.1): edgekit why gate sorter"
    )


@pytest.mark.parametrize("phase", ["activating", "settling", "rolling_back"])
def test_one_that_is_on_its_way_is_not_judged(phase: str) -> None:
    assert judge_health("gate", (replace(ILL, phase=phase),)) == ()
