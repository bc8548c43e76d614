"""The lanes of a plan as a graph: sources fan in, stages follow in order, sinks fan out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.device.runtime.graph import LaneGraph, LaneNode, plan_graph
from edgekit.errors import InputError
from edgekit.schema.sink import JsonlSink
from tests.fakes.plans import python_stage, small_plan


def graph(stages: str, sinks: str) -> LaneGraph:
    """`a:one,two`: stages or sinks one and two, on lane a."""

    def read(text: str) -> list[tuple[str, str]]:
        groups = [group.partition(":") for group in text.split()]
        return [(name, lane) for lane, _, names in groups for name in names.split(",")]

    made = [replace(python_stage(name, "m:C"), lane=lane) for name, lane in read(stages)]
    plan = {name: JsonlSink(kind="jsonl", path="-", lane=lane) for name, lane in read(sinks)}
    return plan_graph(small_plan(*made, sinks=plan))


def test_lanes_follow_each_other_as_their_stages_do() -> None:
    made = graph("camera:scale detect:see follow:find,count", "follow:log")
    assert made.entry == ("camera",)
    assert made.lanes == (
        LaneNode(name="camera", stages=("scale",), following=("detect",)),
        LaneNode(name="detect", stages=("see",), following=("follow",)),
        LaneNode(name="follow", stages=("find", "count"), sinks=("log",)),
    )


def test_lanes_of_sinks_stand_beside_each_other() -> None:
    made = graph("work:see", "disk:log,score work:count net:mqtt")
    assert made.lanes == (
        LaneNode(name="work", stages=("see",), sinks=("count",), following=("disk", "net")),
        LaneNode(name="disk", sinks=("log", "score")),
        LaneNode(name="net", sinks=("mqtt",)),
    )


def test_without_stages_sources_lead_to_all_sinks() -> None:
    made = graph("", "disk:log net:mqtt")
    assert made.entry == ("disk", "net")
    assert made.lanes == (LaneNode(name="disk", sinks=("log",)), LaneNode(name="net", sinks=("mqtt",)))


@pytest.mark.parametrize(
    ("stages", "sinks"), [("a:one b:two a:three", "a:log"), ("a:one b:two", "a:log"), ("a:one b:two", "b:log a:more")]
)
def test_a_lane_is_come_to_once(stages: str, sinks: str) -> None:
    with pytest.raises(InputError, match="lane a is left and used again"):
        graph(stages, sinks)
