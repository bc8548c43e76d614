"""The soak, as short as it goes: each fault once, and no picture, thread or descriptor is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.schema.memory import LeaseHolder, StreamLeaseCount, WorkerMemory
from edgekit.schema.report import Report
from tests.soak.camera_site import FOUR, camera_site
from tests.soak.soak import CameraSoak, figure_of, leaks_of

pytestmark = pytest.mark.integration


def test_four_cameras_fail_once_each_and_nothing_leaks(tmp_path: Path) -> None:
    with camera_site(tmp_path, FOUR) as site:
        soak = CameraSoak(site, minutes=0.01)
        soak.run()
        complaints = [one for one in soak.complaints() if "slack" not in one]
    assert complaints == [], "but for times, on a machine that has other things to do"
    assert {name: len(trial.back_s) for name, trial in soak.trials.items()} == {"cut": 1, "hangs": 1, "gone": 1}
    samples = soak.samples
    assert len(samples.threads) > 10 and samples.descriptors and soak.report is not None
    assert soak.report.memory is not None and {one.stream for one in soak.report.memory.leases} == set(FOUR)
    assert figure_of(soak)["name"] == "rss_slope_mib_per_h"


def test_a_leaked_picture_is_told_with_its_owner() -> None:
    holders = (
        LeaseHolder(stream="cut", lane="look", place="find", age_s=3.0, outlives=True),
        LeaseHolder(stream="cut", lane="look", place="see", age_s=60.0),
        LeaseHolder(stream="well", lane="look", place="see", age_s=0.1),
    )
    counts = (
        StreamLeaseCount(stream="cut", most=5, held=2, outlived=1),
        StreamLeaseCount(stream="well", most=5, held=1),
    )
    report = Report(phase="running", memory=WorkerMemory(leases=counts, holders=holders))
    assert leaks_of(report) == [
        "leases: cut has 2 of 5",
        "leases: find of lane look has a picture of cut",
        "leases: see of lane look has a picture of cut",
    ]
    assert leaks_of(None) == ["leases: the worker tells nothing of them"]
