"""Planning: CPUs are chosen by strength, limits refuse what does not fit, paths become the release's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.release.cpus import allot_cpus
from edgekit.host.release.plan import CONTROLLERS, plan_worker, requires_of
from edgekit.host.settings import settings_from
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.pressure import RELIEFS, Pressure, Relief
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Limits, Recipe, RecipeLane, RecipePipeline
from edgekit.schema.target import Accelerator, CpuCluster, Memory, Os, Target
from edgekit.schema.units import Bytes, Cpus, parse_cpu_list

RECIPE = Path(__file__).parents[4] / "recipes" / "sorting-line" / "recipe.toml"
OS = Os(id="debian", version="12", arch="aarch64", libc_version="2.36", python="3.11")
ENGINE = EngineEntry(name="parts", runner="onnxruntime", path="engines/parts.onnx", model_sha256="0" * 64, facts={})


def target(*clusters: tuple[int, tuple[int, ...]], name: str = "board", memory: int = 1 << 30) -> Target:
    made = tuple(
        CpuCluster(name=str(index), cpus=Cpus(cpus), capacity=capacity)
        for index, (capacity, cpus) in enumerate(clusters)
    )
    return Target(name=name, title="", os=OS, clusters=made, memory=Memory(total_bytes=Bytes(memory)))


RK3588 = target((398, (0, 1, 2, 3)), (1024, (4, 5)), (1024, (6, 7)))
FOUR = target((1024, (0, 1, 2, 3)))
TWO = target((1024, (0, 1)))
HOST = target((1024, (0, 1)), name="host")
BOARD = find_target("rk3588-debian12", settings_from({}, Path(edgekit.__file__).parent))


def recipe(**limits: object) -> Recipe:
    made = from_toml(Recipe, RECIPE.read_text(), "recipe.toml")
    return dataclasses.replace(made, limits=dataclasses.replace(made.limits, **limits))


@pytest.mark.parametrize(
    ("there", "wanted", "cpus"),
    [
        (RK3588, 3, (4, 5, 6)),
        (RK3588, 4, (4, 5, 6, 7)),
        (RK3588, 6, (4, 5, 6, 7, 1, 2)),
        (RK3588, 8, (4, 5, 6, 7, 0, 1, 2, 3)),
        (FOUR, 3, (1, 2, 3)),
        (FOUR, 4, (0, 1, 2, 3)),
        (FOUR, Cpus((2, 0)), (2, 0)),
        (TWO, 1, (1,)),
    ],
)
def test_the_strongest_cpus_are_taken_and_cpu_0_is_spared(
    there: Target, wanted: int | Cpus, cpus: tuple[int, ...]
) -> None:
    limits = Limits(memory_max=Bytes(1), cpus=wanted)
    assert allot_cpus(limits, there, advisory=False) == (cpus, ())


@pytest.mark.parametrize(
    ("written", "cpus"),
    [
        ("big", (4, 5, 6, 7)),
        ("little", (0, 1, 2, 3)),
        ("big1", (6, 7)),
        (["little", "big0"], (4, 5, 0, 1, 2, 3)),
    ],
)
def test_clusters_are_asked_for_by_name_and_all_of_their_cpus_are_taken(
    written: str | list[str], cpus: tuple[int, ...]
) -> None:
    wanted = parse_cpu_list(written)  # type: ignore[arg-type]
    limits = Limits(memory_max=Bytes(1), cpus=wanted)
    assert allot_cpus(limits, BOARD, advisory=False) == (cpus, ())


def test_a_cluster_that_a_target_lacks_is_refused_with_those_that_it_has() -> None:
    limits = Limits(memory_max=Bytes(1), cpus=parse_cpu_list("litle"))
    with pytest.raises(InputError, match="names cluster litle, rk3588-debian12 has little, big0, big1") as caught:
        allot_cpus(limits, BOARD, advisory=False)
    assert 'write "little"' in caught.value.hint
    cpus, warnings = allot_cpus(limits, BOARD, advisory=True)
    assert cpus == BOARD.cpus and "it takes all CPUs" in warnings[0]
    with pytest.raises(InputError, match="has no clusters with names"):
        allot_cpus(limits, dataclasses.replace(BOARD, clusters=()), advisory=False)


@pytest.mark.parametrize("wanted", [3, Cpus((1, 2))])
def test_too_few_cpus_are_refused_and_only_warned_of_where_limits_are_advisory(wanted: int | Cpus) -> None:
    limits = Limits(memory_max=Bytes(1), cpus=wanted)
    with pytest.raises(InputError, match=r"limits\.cpus"):
        allot_cpus(limits, TWO, advisory=False)
    cpus, warnings = allot_cpus(limits, TWO, advisory=True)
    assert set(cpus) <= {0, 1}
    assert "limits.cpus" in warnings[0]


def test_lanes_get_numbers_for_their_positions() -> None:
    plan = plan_worker(recipe(), RK3588, [ENGINE], has_app=False)
    assert {name: lane.cpus for name, lane in plan.lanes.items()} == {"camera": (4,), "detect": (5,), "follow": (6,)}
    assert plan.limits.cpuset_cpus == (4, 5, 6)
    assert not plan.limits.advisory


def test_on_this_machine_positions_wrap_and_limits_are_advisory() -> None:
    plan = plan_worker(recipe(), HOST, [ENGINE], has_app=False)
    assert {name: lane.cpus for name, lane in plan.lanes.items()} == {"camera": (0,), "detect": (1,), "follow": (0,)}
    assert plan.limits.advisory
    assert plan.warnings
    assert requires_of(plan, HOST, 5).cgroup_controllers == ()


def test_cpu_time_needs_the_kernels_controller_for_it() -> None:
    plan = plan_worker(recipe(cpu_weight=400, cpu_max=1.5), RK3588, [ENGINE], has_app=False)
    assert (plan.limits.cpu_weight, plan.limits.cpu_max) == (400, 1.5)
    assert requires_of(plan, RK3588, 5).cgroup_controllers == ("cpu", "cpuset", "memory", "pids")
    without = dataclasses.replace(RK3588, cgroup=dataclasses.replace(RK3588.cgroup, controllers=CONTROLLERS))
    plan_worker(recipe(), without, [ENGINE], has_app=False)
    with pytest.raises(InputError, match="has no cgroup controller cpu to enforce"):
        plan_worker(recipe(cpu_max=1.5), without, [ENGINE], has_app=False)


def test_all_cpus_cannot_be_kept_free_of_others() -> None:
    assert plan_worker(recipe(isolate=True, cpus=3), FOUR, [ENGINE], has_app=False).limits.isolate
    assert not plan_worker(recipe(isolate=True, cpus=1), HOST, [ENGINE], has_app=False).limits.isolate, "only advice"
    assert not plan_worker(recipe(isolate=True, cpus=4), HOST, [ENGINE], has_app=False).limits.isolate, "nor refused"
    with pytest.raises(InputError, match=r"limits\.isolate keeps all others off CPUs 0-3, and board has no more"):
        plan_worker(recipe(isolate=True, cpus=4), FOUR, [ENGINE], has_app=False)


def realtime(lane: str) -> Recipe:
    made = recipe()
    lanes = {**made.pipeline.lanes, lane: dataclasses.replace(made.pipeline.lanes[lane], scheduling="realtime")}
    return dataclasses.replace(made, pipeline=dataclasses.replace(made.pipeline, lanes=lanes))


def test_a_model_on_the_cpu_gets_no_realtime_lane() -> None:
    stages = recipe().pipeline.stages
    with_model = next(stage.lane for stage in stages.values() if stage.kind == "infer")
    wanted = realtime(with_model)
    with pytest.raises(InputError, match=r"scheduling is realtime, and its stage \w+ runs parts on the CPU"):
        plan_worker(wanted, HOST, [ENGINE], has_app=False)
    on_npu = dataclasses.replace(ENGINE, runner="rknn")
    lanes = plan_worker(wanted, RK3588, [on_npu], has_app=False).lanes
    assert [name for name, lane in lanes.items() if lane.realtime] == [with_model]


def test_models_compute_on_the_npu_cores_that_the_recipe_names() -> None:
    board = dataclasses.replace(RK3588, accelerators=(Accelerator(kind="rknn", npu_cores=3),))
    on_npu = dataclasses.replace(ENGINE, runner="rknn")
    auto = plan_worker(recipe(), board, [on_npu], has_app=False)
    assert auto.engines["parts"].npu_cores == (0, 1, 2) and not auto.limits.share_accelerators
    plan = plan_worker(recipe(npu_cores=(2, 0), share_accelerators=True), board, [on_npu], has_app=False)
    assert plan.engines["parts"].npu_cores == (0, 2)
    use = requires_of(plan, board, 0).accelerators
    assert use.used == ("NPU core 0", "NPU core 2") and use.shared
    with pytest.raises(InputError, match=r"limits\.npu_cores names core 3, board has 3 NPU cores"):
        plan_worker(recipe(npu_cores=(3,)), board, [on_npu], has_app=False)
    on_cpu = plan_worker(recipe(npu_cores=(3,)), RK3588, [ENGINE], has_app=False)
    assert on_cpu.accelerators.used == (), "a target without an NPU takes nothing of one"


def test_a_batch_of_pictures_is_gathered_over_streams() -> None:
    made = recipe()
    contract = dataclasses.replace(made.models["parts"].contract, batch=4)
    several = dataclasses.replace(made, models={"parts": dataclasses.replace(made.models["parts"], input=contract)})
    on_npu = dataclasses.replace(ENGINE, runner="rknn")
    plans = [plan_worker(one, RK3588, [engine], has_app=False) for one, engine in
             ((made, ENGINE), (several, ENGINE), (several, on_npu))]  # fmt: skip
    assert [plan.engines["parts"].gathers for plan in plans] == [False, True, False], "an NPU takes one at a time"


def test_a_position_beyond_the_last_is_refused() -> None:
    made = recipe()
    lanes = {**made.pipeline.lanes, "camera": RecipeLane(cpus=Cpus((7,)))}
    wrong = dataclasses.replace(made, pipeline=dataclasses.replace(made.pipeline, lanes=lanes))
    with pytest.raises(InputError, match=r"pipeline\.lanes\.camera\.cpus names position 7"):
        plan_worker(wrong, RK3588, [ENGINE], has_app=False)


def test_more_memory_than_the_target_has_is_refused() -> None:
    with pytest.raises(InputError, match="memory_max"):
        plan_worker(recipe(memory_max=Bytes(2 << 30)), FOUR, [ENGINE], has_app=False)


def test_paths_are_those_of_the_release() -> None:
    plan = plan_worker(recipe(), FOUR, [ENGINE], has_app=True)
    assert plan.sources["belt"].path == "recipe/clip.mp4"
    assert plan.sinks["score"].path == "recipe/truth.json"
    assert plan.sinks["counts"].path == "counts.jsonl", "the worker's own folder, not the release's"
    assert plan.golden is not None
    assert plan.golden.frames[0] == "recipe/golden/frame-020.png"
    assert plan.app == "app"


def test_what_is_given_up_when_memory_is_tight_is_filled_in() -> None:
    """Pictures of half the size are not given to the recipe's own code, unless the recipe says so."""
    made = recipe()

    def order(pipeline: RecipePipeline) -> tuple[Relief, ...] | None:
        changed = dataclasses.replace(made, pipeline=pipeline)
        return plan_worker(changed, FOUR, [ENGINE], has_app=True).pressure.order

    own = made.pipeline
    assert order(own) == ("clips", "preview", "fps", "queue", "shed"), "it has a stage of its own"
    plain = dataclasses.replace(own, stages={name: one for name, one in own.stages.items() if one.kind != "python"})
    assert order(plain) == RELIEFS
    asked = dataclasses.replace(own, pressure=Pressure(order=("resolution", "fps")))
    assert order(asked) == ("resolution", "fps")
    assert order(dataclasses.replace(own, pressure=Pressure(order=()))) == ()
