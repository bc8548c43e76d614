"""`edgekit plan`: whether a recipe fits a board's memory, and whether it keeps up with its cameras, before it runs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.backends import choose_backend
from edgekit.host.fit.profiled import clocks_of, judge_clocks
from edgekit.host.forecast.accelerators import busy_percent, pictures_a_second
from edgekit.host.forecast.ask import ask_forecast, ask_models
from edgekit.host.forecast.memory import Cameras, MemoryForecast, foretell_memory, size_of
from edgekit.host.forecast.picture import draw_lanes
from edgekit.host.release.folder import open_release, read_plan
from edgekit.host.release.names import MANIFEST
from edgekit.host.release.plan import plan_worker
from edgekit.host.workflow.board_sum import BoardShare, BoardSum, add_up
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.out_file import check_out_file
from edgekit.host.workflow.profiles import read_profile
from edgekit.host.workflow.seen_cameras import described_cameras, recorded_cameras, running_cameras
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.accelerators import find_overuse, not_added_up
from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.control import Status
from edgekit.schema.forecast import ForecastReply, ForecastRequest, LoadForecast, ModelsRequest
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.plan import EnginePlan, WorkerPlan
from edgekit.schema.profile import Profile
from edgekit.schema.source import CameraOptions
from edgekit.schema.target import Target
from edgekit.schema.units import format_bytes

_SHOWN = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What is asked for."""

    target: str = ""
    """For a recipe; a release has one."""
    device: str = ""
    """A board, whose other applications count too, and whose cameras tell their size; empty: none."""
    profile: Path | None = None
    cameras: int = 0
    """How many; 0: as many as the recipe has."""
    size: tuple[int, int] | None = None
    """Of their pictures; None: as those on the device have them now, as the profile has them, or 1920x1080."""
    fps: float = 0.0
    """0: as those cameras, the profile or the recordings have them, or 25."""
    clips: tuple[str, ...] = ()
    """Recordings of the cameras, `FILE` or `FILE=N`, in place of count and size."""
    picture: Path | None = None
    """SVG file for lanes over time; None: none is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """What is foretold."""

    application: str
    version: str
    target: str
    cameras: tuple[Cameras, ...]
    """Kinds of them."""
    memory: MemoryForecast
    memory_usual_bytes: int
    memory_most_bytes: int
    accelerator_bytes: int = 0
    """What its engines take on accelerators: no part of the other two, nor of `memory_max`."""
    profiled: str = ""
    """Where and in which state the costs were measured; empty: nowhere, and nothing is said of times."""
    loads: tuple[LoadForecast, ...] = ()
    most_cameras: int = 0
    """So many keep up, of `MOST_CAMERAS` that are tried; 0 where that is not known, or not even one does."""
    board: tuple[BoardShare, ...] = ()
    """All applications of the device, this one first; without a device this one alone, where its target is known."""
    board_bytes: int = 0
    """What they may use together: the device's memory, or the target's, less its reserve."""
    busy_percent: dict[str, float] = field(default_factory=dict)
    """Of each accelerator's time, what this application takes by its profile, or by that which it was built with."""
    refusals: tuple[str, ...] = ()
    """Why it cannot run, each with the sum."""
    warnings: tuple[str, ...] = ()
    picture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What is planned."""

    plan: WorkerPlan
    profile: Profile | None
    cameras: tuple[Cameras, ...]


def plan_ahead(recipe: Path, options: PlanOptions, access: DeviceAccess, station: Workstation) -> PlanResult:
    """Foretell memory, and times where a profile tells what the stages cost.

    Args:
        recipe: a recipe's folder, or a release's.
        options: what is asked for.
        access: the way to devices.
        station: this machine.

    Raises:
        InputError: a mistake in recipe, target, profile or options.
        NothingSelected: there is no such device.
        Unreachable: it does not answer.
    """
    if options.picture is not None:
        check_out_file(options.picture, "--picture")
    plan, models = _plan_of(recipe, options, station)
    profile = read_profile(options.profile) if options.profile else None
    if profile is not None and profile.application != plan.application:
        raise InputError(
            f"{options.profile} is of {profile.application}, not of {plan.application}",
            hint="edgekit profile DEVICE RELEASE measures this one",
        )
    status = _status_of(options.device, access) if options.device else None
    cameras = _cameras_of(plan, profile, options, status)
    if profile is not None:
        pictures = sum(pictures_a_second(plan, kind.fps, kind.count) for kind in cameras)
        plan = dataclasses.replace(plan, busy_percent=busy_percent(plan, profile, pictures))
    untimed = _untimed(cameras, profile, options)
    reply = _times(plan, profile, cameras, station) if profile and not untimed else ForecastReply()
    load = next((one for one in reply.loads if one.cameras == sum(kind.count for kind in cameras)), None)
    if load is not None:
        cameras = tuple(dataclasses.replace(kind, pictures=max(1, load.pictures)) for kind in cameras)
    asked = _Planned(plan=plan, profile=profile, cameras=cameras)
    taken = {} if profile else _models_here(models, station)
    memory = foretell_memory(plan, cameras, profile, taken)
    board = add_up(plan.application, memory, _target_of(plan, station), status)
    picture = _draw(plan, reply, cameras, options.picture, untimed) if options.picture else ""
    return PlanResult(
        application=plan.application,
        version=plan.version,
        target=plan.target,
        cameras=cameras,
        memory=memory,
        memory_usual_bytes=memory.usual_bytes,
        memory_most_bytes=memory.most_bytes,
        accelerator_bytes=memory.accelerator_bytes,
        profiled=_profiled(profile) if profile else "",
        loads=reply.loads,
        most_cameras=reply.most,
        board=board.shares,
        board_bytes=board.usable_bytes,
        busy_percent=plan.busy_percent,
        refusals=_refusals(plan, memory, board, status),
        warnings=(*untimed, *_warnings(asked, memory, models.keys() - taken.keys(), status)),
        picture=picture,
    )


def _plan_of(recipe: Path, options: PlanOptions, station: Workstation) -> tuple[WorkerPlan, Mapping[str, EnginePlan]]:
    """The plan, and the models that this machine's CPU can run, with absolute paths."""
    if (recipe / MANIFEST).is_file():
        plan = read_plan(open_release(recipe))
        if plan is None:
            raise InputError(f"{recipe} has no plan that can be read", hint="build the release again")
        return plan, _on_cpu(plan, recipe.absolute() / "files")
    if not options.target:
        raise InputError("--target is missing: memory and CPUs are a board's", hint="edgekit target list")
    folder, target = read_recipe(recipe), find_target(options.target, station.settings)
    entries = [
        EngineEntry(name=name, runner=choose_backend(target, model), path=model.onnx, model_sha256="", facts={})
        for name, model in folder.recipe.models.items()
    ]
    plan = plan_worker(folder.recipe, target, entries, has_app=folder.app is not None, places=folder.places)
    return plan, _on_cpu(plan, folder.folder.absolute())


def _target_of(plan: WorkerPlan, station: Workstation) -> Target | None:
    """Its target; None where a release was built for one that is not described here."""
    with contextlib.suppress(InputError):
        return find_target(plan.target, station.settings)
    return None


def _on_cpu(plan: WorkerPlan, below: Path) -> Mapping[str, EnginePlan]:
    return {
        name: dataclasses.replace(engine, path=str(below / engine.path), cpus=())
        for name, engine in plan.engines.items()
        if engine.runner == "onnxruntime"
    }


def _status_of(name: str, access: DeviceAccess) -> Status:
    with access.keeper(name) as keeper:
        return keeper.status()


def _cameras_of(
    plan: WorkerPlan, profile: Profile | None, options: PlanOptions, status: Status | None
) -> tuple[Cameras, ...]:
    if not options.clips:
        asked = options.cameras or options.size
        running = () if asked else running_cameras(plan, status, options.fps)
        return running or described_cameras(plan, profile, options.cameras, options.size, options.fps)
    if options.cameras or options.size:
        raise InputError(
            "--clip says which cameras there are, and --cameras or --size too",
            hint="write --clip FILE=N for N such cameras, and leave out the others",
        )
    return recorded_cameras(options.clips, options.fps)


def _untimed(cameras: tuple[Cameras, ...], profile: Profile | None, options: PlanOptions) -> tuple[str, ...]:
    """Why nothing is said of times although there is a profile; empty where something is. A size that was asked for
    in words, and not measured, is a mistake that the forecast tells."""
    if profile is None or options.size:
        return ()
    other = [kind for kind in cameras if size_of(profile, kind) is None]
    if other:
        sizes = ", ".join(dict.fromkeys(kind.size for kind in other))
        return (f"nothing is said of times: the profile is not of {sizes}, which edgekit profile --clip measures",)
    if len({(kind.size, kind.fps) for kind in cameras}) > 1:
        return ("nothing is said of times: they are foretold of cameras of one size and rate alone",)
    return ()


def _times(plan: WorkerPlan, profile: Profile, cameras: tuple[Cameras, ...], station: Workstation) -> ForecastReply:
    first, count = cameras[0], sum(kind.count for kind in cameras)
    request = ForecastRequest(
        plan=plan,
        profile=profile,
        width_px=first.width_px,
        height_px=first.height_px,
        fps=first.fps,
        counts=tuple(sorted({*(one for one in _SHOWN if one <= count), count})),
    )
    with station.progress.step("running its lanes on a virtual clock"):
        return ask_forecast(request, station.executor)


def _models_here(models: Mapping[str, EnginePlan], station: Workstation) -> Mapping[str, int]:
    if not models:
        return {}
    with station.progress.step("measuring what its models take"):
        return ask_models(ModelsRequest(engines=dict(models)), station.executor)


def _refusals(plan: WorkerPlan, memory: MemoryForecast, board: BoardSum, status: Status | None) -> tuple[str, ...]:
    found, others = [], _accelerators(status)
    if not memory.fits:
        found.append(
            f"memory: {format_bytes(memory.usual_bytes)} are needed and memory_max is "
            f"{format_bytes(memory.memory_max)}: raise limits.memory_max, or take fewer or smaller cameras"
        )
    found += [board.shortage] if board.shortage else []
    found += [f"{one.message}: {one.hint}" for one in find_overuse(plan.application, plan.accelerators, others)]
    return tuple(found)


def _accelerators(status: Status | None) -> Mapping[str, AcceleratorUse]:
    """What each application of a board takes of its accelerators, as far as its keeper tells."""
    applications = status.applications if status else ()
    return {one.application: one.accelerators for one in applications if one.accelerators is not None}


def _warnings(asked: _Planned, memory: MemoryForecast, unknown: set[str], status: Status | None) -> tuple[str, ...]:
    plan, profile = asked.plan, asked.profile
    found = []
    if memory.fits and memory.most_bytes > memory.memory_max:
        found.append(
            f"with every queue and buffer full it is {format_bytes(memory.most_bytes)}, more than memory_max "
            f"{format_bytes(memory.memory_max)}: shorter queues, or smaller buffers of sinks"
        )
    if profile is None:
        found.append("nothing is known of times: edgekit profile DEVICE RELEASE measures them")
        found += [f"engine {name} is not in the sum: its memory was not measured" for name in sorted(unknown)]
        beside = sorted(name for name, engine in plan.engines.items() if engine.runner != "onnxruntime")
        found += [f"engine {name} is not in the sum: only its accelerator can tell what it takes" for name in beside]
        unseen = not all(kind.references for kind in asked.cameras)
        if unseen and any(isinstance(source, CameraOptions) for source in plan.sources.values()):
            found.append("cameras are taken for such of 1 to 4 reference pictures, as most are")
    else:
        found += _doubts(plan, profile)
    if profile is not None and status is not None:
        found += map(str, judge_clocks(profile, clocks_of(status)))
    found += not_added_up(plan.application, plan.accelerators, _accelerators(status))
    return tuple(found)


def _doubts(plan: WorkerPlan, profile: Profile) -> Iterator[str]:
    """What a profile does not tell of a plan."""
    if profile.target != plan.target:
        yield f"the profile was measured on {profile.target}, and this is for {plan.target}"
    for name, engine in sorted(profile.engines.items()):
        if engine.runner != "onnxruntime" and not engine.accelerator_bytes:
            yield f"what engine {name} takes on its accelerator is not known: the profile does not tell"


def _profiled(profile: Profile) -> str:
    mode = f", power mode {profile.power_mode}" if profile.power_mode else ""
    clocks = ", ".join(f"{one.clock} {(one.limit_hertz or one.hertz) / 1e6:.0f} MHz" for one in profile.clocks)
    return f"{profile.device} ({profile.machine}), {profile.measured}{mode}, clocks: {clocks or 'not told there'}"


def _draw(
    plan: WorkerPlan, reply: ForecastReply, cameras: tuple[Cameras, ...], file: Path, untimed: tuple[str, ...]
) -> str:
    if untimed:
        hint = "in place of --clip or the device's cameras name one size that was measured: --size WIDTHxHEIGHT"
        raise InputError(f"there is nothing to draw: {untimed[0]}", hint=hint)
    if not reply.spans:
        raise InputError(
            "there is nothing to draw: nothing is said of times",
            hint="edgekit profile DEVICE RELEASE measures them; give its file with --profile",
        )
    seen = ", ".join(f"{kind} at {kind.fps:g} fps" for kind in cameras)
    title = f"{plan.application}, cameras: {seen}"
    file.write_text(draw_lanes(reply.spans, title), encoding="utf-8")
    return str(file)
