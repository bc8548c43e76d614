"""How busy accelerators are: what stages wait for them, by the pictures of a second."""

from __future__ import annotations

from dataclasses import replace

from edgekit.host.forecast.accelerators import busy_percent, pictures_a_second, with_busy_percent
from edgekit.schema.plan import EnginePlan, StagePlan, WorkerPlan
from edgekit.schema.source import ImagesSource, V4l2Source
from tests.fakes.profiles import camera, cost, profile, two_lanes


def engine(runner: str, **more: object) -> EnginePlan:
    return EnginePlan(runner=runner, path="net", input=None, threads=1, **more)  # type: ignore[arg-type]


def planned(**engines: EnginePlan) -> WorkerPlan:
    """A stage of each engine's name."""
    stages = [StagePlan(name=name, kind="infer", lane="detect", engine=name, entry="", options={}) for name in engines]
    return replace(two_lanes(), engines=engines, stages=tuple(stages))


def test_an_npus_cores_share_the_time() -> None:
    plan = planned(net=engine("rknn", npu_cores=(0, 2)))
    assert busy_percent(plan, profile({"net": cost(3.0, wait_ms=12.0)}), 50.0) == {
        "NPU core 0": 30.0,
        "NPU core 2": 30.0,
    }


def test_models_on_one_accelerator_add_up() -> None:
    plan = planned(a=engine("tensorrt"), b=engine("tensorrt"), c=engine("tensorrt", dla_core=1))
    costs = {"a": cost(1.0, wait_ms=4.0), "b": cost(1.0, wait_ms=6.0), "c": cost(1.0, wait_ms=20.0)}
    assert busy_percent(plan, profile(costs), 25.0) == {"GPU": 25.0, "DLA core 1": 50.0}


def test_what_was_not_measured_is_not_known() -> None:
    plan = planned(a=engine("tensorrt"), b=engine("tensorrt"), c=engine("tensorrt", dla_core=0))
    costs = {"a": cost(1.0, wait_ms=4.0), "c": cost(1.0, wait_ms=1.0)}
    assert busy_percent(plan, profile(costs), 10.0) == {"DLA core 0": 1.0}, "half of the GPU's time would mislead"


def test_models_on_the_cpu_and_stages_that_prepare_take_nothing() -> None:
    plan = planned(net=engine("tensorrt"), own=engine("onnxruntime"))
    fit = StagePlan(name="fit", kind="preprocess", lane="detect", engine="net", entry="", options={})
    plan = replace(plan, stages=(fit, *plan.stages))
    costs = {"fit": cost(1.0, wait_ms=9.0), "net": cost(1.0, wait_ms=5.0), "own": cost(9.0, wait_ms=1.0)}
    assert busy_percent(plan, profile(costs), 10.0) == {"GPU": 5.0}


def test_the_dearest_size_counts() -> None:
    made = profile({"net": cost(1.0, wait_ms=5.0)})
    large = replace(made.sizes[0], width_px=1280, costs={"net": cost(1.0, wait_ms=7.0)})
    made = replace(made, sizes=(*made.sizes, large))
    assert busy_percent(planned(net=engine("tensorrt")), made, 10.0) == {"GPU": 7.0}


def test_a_plan_states_it_for_its_own_sources() -> None:
    plan = planned(net=engine("tensorrt"))
    plan = replace(plan, sources={"north": camera(), "south": camera(max_fps=4.0)})
    stated = with_busy_percent(plan, profile({"net": cost(1.0, wait_ms=10.0)}))
    assert stated.busy_percent == {"GPU": 14.0} and stated.accelerators.busy_percent == {"GPU": 14.0}


def test_streams_bring_what_they_say_and_no_more_than_they_may() -> None:
    sources = {
        "north": camera(),
        "south": camera(max_fps=4.0),
        "usb": V4l2Source(kind="v4l2", device="/dev/video0", lane="decode", matrix="601", range="limited"),
        "stills": ImagesSource(kind="images", path="p", lane="decode", fps=2.0, max_fps=9.0),
    }
    plan = two_lanes(sources=sources)
    assert pictures_a_second(plan, 25.0) == 25 + 4 + 30 + 2
    assert pictures_a_second(plan, 25.0, cameras=2) == 29
    assert pictures_a_second(plan, 25.0, cameras=6) == 61 + 2 * 2
