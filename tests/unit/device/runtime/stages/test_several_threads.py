"""Lanes of several threads take stages without state alone, and the schema's kinds with state are the runtime's."""

from __future__ import annotations

from typing import get_args

import pytest

from edgekit.device.runtime.stages import KINDS, check_threads, find_class, is_stateless
from edgekit.errors import InputError
from edgekit.schema.field_types import tagged
from edgekit.schema.plan import LanePlan, StagePlan, WorkerPlan
from edgekit.schema.stages import WithoutModel
from tests.fakes.plans import small_plan


def planned(kind: str, threads: int) -> WorkerPlan:
    stage = StagePlan(name="work", kind=kind, lane="all", engine="", entry="", options={})
    return small_plan(stage, lanes={"all": LanePlan(cpus=(), threads=threads, queue=1, drop="block")})


def test_a_stage_with_state_is_refused_where_several_threads_would_each_see_other_frames() -> None:
    check_threads(planned("infer", 3))
    check_threads(planned("track", 1))
    with pytest.raises(InputError, match="stage work has state, and lane all has 3 threads"):
        check_threads(planned("track", 3))


def test_what_the_build_refuses_is_what_the_board_refuses() -> None:
    """The build knows kinds by the schema alone, and no class of the runtime."""
    stateful = {kind for kind in KINDS if not is_stateless(find_class(kind, ""))}
    assert stateful == set(tagged(get_args(WithoutModel)))
