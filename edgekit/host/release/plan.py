"""From a recipe and a target to the worker's plan: defaults filled in, CPUs chosen. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from edgekit.errors import InputError
from edgekit.host.release.cpus import allot_cpus
from edgekit.schema.board import reserve_bytes
from edgekit.schema.manifest import EngineEntry, Requires
from edgekit.schema.plan import EnginePlan, LanePlan, LimitsPlan, StagePlan, WorkerPlan
from edgekit.schema.pressure import RELIEFS, Pressure
from edgekit.schema.reader import to_raw
from edgekit.schema.recipe import ColourContract, Golden, Limits, Recipe
from edgekit.schema.settings import SettingPlace
from edgekit.schema.sink import MqttSink, PythonSink, RecipeSink, ScoreSink, WebhookSink, kept_bytes
from edgekit.schema.source import FileSource, ImagesSource
from edgekit.schema.stages import RecipeStage, lane_of_model, model_of
from edgekit.schema.stages.detect import DetectStage
from edgekit.schema.stages.engine import InferStage, PreprocessStage
from edgekit.schema.stages.own import PythonStage
from edgekit.schema.stages.pictures import CropsStage
from edgekit.schema.target import Target
from edgekit.schema.units import format_bytes, format_cpus

CARRIED = "recipe"
"""Folder of a release that holds the recipe's own files."""
CONTROLLERS = ("cpuset", "memory", "pids")
"""What enforced limits need of the kernel in any case."""
_HOST = "host"
_WORK_BYTES = 1 << 30


def plan_worker(
    recipe: Recipe,
    target: Target,
    engines: Iterable[EngineEntry],
    *,
    has_app: bool,
    places: tuple[SettingPlace, ...] = (),
) -> WorkerPlan:
    """Plan a recipe for a target.

    Args:
        recipe: checked against itself.
        target: what it shall run on.
        engines: its compiled models.
        has_app: whether the recipe brings Python code of its own.
        places: where the recipe refers to settings.

    Raises:
        InputError: the target has too few CPUs or too little memory for it, or cannot enforce its limits.
    """
    engines, advisory = tuple(engines), recipe.limits.limits == "advisory" or target.name == _HOST
    cpus, warnings = allot_cpus(recipe.limits, target, advisory=advisory)
    _check_memory(recipe.limits, target, advisory=advisory)
    if not advisory:
        _check_cgroup(target, _controllers(shares=_shares(recipe.limits)))
        warnings += (target.cgroup.caution,) if target.cgroup.caution else ()
    lanes = {}
    for name, lane in recipe.pipeline.lanes.items():
        lanes[name] = LanePlan(
            cpus=_lane_cpus(name, lane.cpus, cpus, advisory=advisory),
            threads=lane.threads,
            realtime=lane.scheduling == "realtime",
            queue=lane.queue,
            drop=lane.drop,
        )
    _check_realtime(recipe, engines)
    served, npu_cores = _served(recipe), _npu_cores(recipe.limits, target)
    return WorkerPlan(
        application=recipe.name,
        version=recipe.version,
        target=target.name,
        python_path=target.os.python_path,
        site="site",
        app="app" if has_app else "",
        engines={entry.name: _engine(entry, recipe, lanes, npu_cores) for entry in engines},
        sources={
            name: dataclasses.replace(source, path=_carried(source.path))
            if isinstance(source, (FileSource, ImagesSource))
            else source
            for name, source in recipe.pipeline.sources.items()
        },
        stages=tuple(
            StagePlan(
                name=name,
                kind=stage.kind,
                lane=stage.lane,
                engine=model_of(stage, recipe.models),
                entry=stage.entry if isinstance(stage, PythonStage) else "",
                options=_options(stage),
            )
            for name, stage in recipe.pipeline.stages.items()
        ),
        sinks={name: _sink(sink, recipe) for name, sink in recipe.pipeline.sinks.items()},
        lanes=lanes,
        limits=LimitsPlan(
            memory_max=recipe.limits.memory_max,
            memory_high=recipe.limits.memory_high or 0,
            cpuset_cpus=cpus,
            cpu_weight=recipe.limits.cpu_weight or 0,
            cpu_max=recipe.limits.cpu_max or 0.0,
            isolate=not advisory and _isolate(recipe.limits, cpus, target),
            pids_max=recipe.limits.pids_max,
            pictures_max=recipe.limits.pictures_max or recipe.limits.memory_max // 8,
            advisory=advisory,
            work_max=work_max(recipe),
            network=recipe.limits.network,
            devices=recipe.limits.devices,
            share_accelerators=recipe.limits.share_accelerators,
        ),
        health=recipe.health,
        golden=_golden(recipe.golden),
        serve=recipe.serve if served else None,
        served=served,
        settings=recipe.settings,
        places=places,
        pressure=_pressure(recipe),
        warnings=warnings,
    )


def _served(recipe: Recipe) -> dict[str, str]:
    """Models that are served, each with its lane."""
    found: dict[str, str] = {}
    for name, model in recipe.models.items():
        if model.serve:
            lane = lane_of_model(name, recipe.pipeline.stages, recipe.models) or recipe.serve.lane
            assert lane is not None, "the recipe was checked"
            found[name] = lane
    return found


def _pressure(recipe: Recipe) -> Pressure:
    """With its order filled in."""
    pipeline = recipe.pipeline
    own_stages = any(isinstance(stage, PythonStage) for stage in pipeline.stages.values())
    own_sinks = any(isinstance(sink, PythonSink) and sink.pictures for sink in pipeline.sinks.values())
    goes_by_size = own_stages or own_sinks
    order = pipeline.pressure.order
    if order is None:
        order = tuple(relief for relief in RELIEFS if relief != "resolution" or not goes_by_size)
    return dataclasses.replace(pipeline.pressure, order=order)


def work_max(recipe: Recipe) -> int:
    """What the worker's folder may take on disk."""
    return recipe.limits.work_max or _WORK_BYTES + sum(map(kept_bytes, recipe.pipeline.sinks.values()))


def requires_of(plan: WorkerPlan, target: Target, disk_bytes: int) -> Requires:
    """What a device must have to run this plan."""
    return Requires(
        arch=target.os.arch,
        libc_version=target.os.libc_version,
        python=target.os.python,
        python_path=target.os.python_path,
        cpus=plan.limits.cpuset_cpus,
        memory_bytes=plan.limits.memory_max,
        disk_bytes=disk_bytes,
        cgroup_controllers=() if plan.limits.advisory else _controllers(shares=_shares(plan.limits)),
        accelerators=plan.accelerators,
    )


def _lane_cpus(name: str, positions: tuple[int, ...], cpus: tuple[int, ...], *, advisory: bool) -> tuple[int, ...]:
    """A lane's CPU numbers; where limits are advisory, positions beyond the last begin at the first again."""
    if not positions:
        return cpus
    beyond = [position for position in positions if position >= len(cpus)]
    if beyond and not advisory:
        message = (
            f"recipe.toml: pipeline.lanes.{name}.cpus names position {beyond[0]}, the application has {len(cpus)} CPUs"
        )
        raise InputError(message, hint=f"positions go from 0 to {len(cpus) - 1}; or raise limits.cpus")
    return tuple(sorted({cpus[position % len(cpus)] for position in positions}))


def _isolate(limits: Limits, cpus: tuple[int, ...], target: Target) -> bool:
    """Whether nobody else may run on these CPUs. Raises InputError where the target has no others."""
    if limits.isolate and not {cpu for cluster in target.clusters for cpu in cluster.cpus} - set(cpus):
        raise InputError(
            f"recipe.toml: limits.isolate keeps all others off CPUs {format_cpus(cpus)}, and {target.name} has no more",
            hint="take one CPU less in limits.cpus, or leave isolate out",
        )
    return limits.isolate


def _check_realtime(recipe: Recipe, engines: Iterable[EngineEntry]) -> None:
    """A model on the CPU computes for long, and its runtime's threads spin while they wait for each other."""
    on_cpu = {entry.name for entry in engines if entry.runner == "onnxruntime"}
    for name, stage in recipe.pipeline.stages.items():
        model = model_of(stage, recipe.models)
        if recipe.pipeline.lanes[stage.lane].scheduling == "realtime" and model in on_cpu:
            raise InputError(
                f"recipe.toml: pipeline.lanes.{stage.lane}.scheduling is realtime, and its stage {name} runs {model} "
                "on the CPU: nothing else would get that CPU meanwhile",
                hint=f"give stage {name} a lane of its own, without scheduling",
            )


def _check_memory(limits: Limits, target: Target, *, advisory: bool) -> None:
    """The keeper promises applications what the board has less its reserve, unless limits are advisory."""
    total = target.memory.total_bytes
    reserve = 0 if advisory else reserve_bytes(total)
    if limits.memory_max > total - reserve:
        there = format_bytes(total) + (f" less {format_bytes(reserve)} for the system" if reserve else "")
        message = f"recipe.toml: limits.memory_max is {format_bytes(limits.memory_max)}, {target.name} has {there}"
        raise InputError(message, hint="lower limits.memory_max, or build for another target")


def _shares(limits: Limits | LimitsPlan) -> bool:
    """Whether CPU time is limited too."""
    return bool(limits.cpu_weight or limits.cpu_max)


def _controllers(*, shares: bool) -> tuple[str, ...]:
    """What a device's kernel must have to enforce limits."""
    return ("cpu", *CONTROLLERS) if shares else CONTROLLERS


def _check_cgroup(target: Target, controllers: tuple[str, ...]) -> None:
    """Whether the target's boards can enforce limits: they would refuse the release otherwise."""
    hint = 'write limits = "advisory" in [limits] of recipe.toml, or build for another target'
    if target.cgroup.version != 2:
        message = (
            f"{target.name} has cgroup version {target.cgroup.version}, and limits are enforced by version 2 alone"
        )
        raise InputError(message, hint=hint)
    missing = [name for name in controllers if name not in target.cgroup.controllers]
    if missing:
        raise InputError(f"{target.name} has no cgroup controller {' '.join(missing)} to enforce limits", hint=hint)


def _options(stage: RecipeStage) -> dict[str, Any]:
    options: dict[str, Any] = to_raw(stage.options)
    if isinstance(stage, DetectStage):
        options["priors"] = stage.options.priors and _carried(stage.options.priors)
    return options


def _npu_cores(limits: Limits, target: Target) -> tuple[int, ...]:
    """The NPU's cores that models compute on; none where it has none. Raises InputError for one that is not there."""
    there = max((one.npu_cores for one in target.accelerators if one.kind == "rknn"), default=0)
    if limits.npu_cores == "auto" or not there:
        return tuple(range(there))
    if beyond := [core for core in limits.npu_cores if core >= there]:
        message = f"recipe.toml: limits.npu_cores names core {beyond[0]}, {target.name} has {there} NPU cores"
        raise InputError(message, hint=f"cores go from 0 to {there - 1}")
    return tuple(sorted(set(limits.npu_cores)))


def _engine(entry: EngineEntry, recipe: Recipe, lanes: dict[str, LanePlan], npu_cores: tuple[int, ...]) -> EnginePlan:
    model = recipe.models[entry.name]
    contract = _pixels(model.contract) if entry.runner == "rknn" else model.input
    core = model.dla_core if entry.runner == "tensorrt" and model.dla_core is not None else -1
    stages = [
        stage
        for stage in recipe.pipeline.stages.values()
        if isinstance(stage, (InferStage, CropsStage, PythonStage)) and model_of(stage, recipe.models) == entry.name
    ]
    return EnginePlan(
        runner=entry.runner,
        path=entry.path,
        input=contract,
        plain=tuple(model.plain_inputs),
        feeds=model.feeds,
        threads=model.threads,
        cpus=tuple(sorted({cpu for stage in stages for cpu in lanes[stage.lane].cpus})),
        dla_core=core,
        npu_cores=npu_cores if entry.runner == "rknn" else (),
        tail=entry.tail,
        gathers=contract is not None and contract.batch > 1 and _gathers(recipe, entry.name),
        priority=model.priority,
        weight=model.weight,
    )


def _gathers(recipe: Recipe, model: str) -> bool:
    """Whether a model is given the picture of one frame at a time; `crops` gives several of one frame."""
    stages = recipe.pipeline.stages.values()
    return any(isinstance(stage, PreprocessStage) and model_of(stage, recipe.models) == model for stage in stages)


def _pixels(contract: ColourContract) -> ColourContract:
    """What an RKNN engine takes: pixels as they are. Mean, scale and layout are inside it."""
    return dataclasses.replace(contract, layout="NHWC", dtype="uint8", scale=1.0, mean=0.0, quantised=None, batch=1)


def _sink(sink: RecipeSink, recipe: Recipe) -> RecipeSink:
    if isinstance(sink, (MqttSink, WebhookSink)):
        return dataclasses.replace(sink, ca_file=sink.ca_file and _carried(sink.ca_file))
    if not isinstance(sink, ScoreSink):
        return sink
    source = sink.source or next(iter(recipe.pipeline.sources))
    return dataclasses.replace(sink, path=_carried(sink.path), source=source)


def _golden(golden: Golden | None) -> Golden | None:
    if golden is None:
        return None
    frames = tuple(_carried(path) for path in golden.frames)
    return dataclasses.replace(golden, frames=frames, expected=_carried(golden.expected))


def _carried(path: str) -> str:
    return f"{CARRIED}/{path}"
