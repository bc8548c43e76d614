"""Costs that a release takes from a profile, and profiles that tell nothing of it any more."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.errors import InputError
from edgekit.host.release.costs import planned_costs
from edgekit.schema.plan import PictureCosts
from edgekit.schema.profile import DECODE, EngineCost, Profile
from tests.fakes.profiles import cost, profile, two_lanes

COSTS = {DECODE: cost(4.0), "see": cost(2.0, wait_ms=8.0), "follow": cost(2.0), "lines": cost(1.0)}


def planned(measured: Profile) -> tuple[PictureCosts, ...]:
    return planned_costs(two_lanes(), {"net": "1" * 64}, measured)


def test_steps_of_a_lane_are_added_up_with_their_waits_by_size_of_picture() -> None:
    assert planned(profile(COSTS)) == (
        PictureCosts(width_px=640, height_px=360, lanes_ms={"detect": 10.0, "follow": 3.0}),
    )
    quiet = {name: one for name, one in COSTS.items() if name != "lines"}
    assert planned(profile(quiet))[0].lanes_ms["follow"] == 2.0, "a sink that got nothing"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"engines": {"net": EngineCost(runner="rknn", sha256="2" * 64)}}, "model net had another engine then"),
        ({"engines": {}}, "it knows nothing of model net"),
        ({"sizes": profile({DECODE: cost(1.0)}).sizes}, "it knows nothing of stage see with 640x360 pictures"),
    ],
)
def test_a_stale_profile_is_refused_with_what_cures_it(changes: dict[str, object], reason: str) -> None:
    stale = dataclasses.replace(profile(COSTS), **changes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"the profile of 1.0.0, measured 2026-11-26T.* is stale: {reason}") as caught:
        planned(stale)
    assert "build without --profile" in caught.value.hint
