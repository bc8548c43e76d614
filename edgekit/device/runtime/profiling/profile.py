"""Carries out one request: loads a release's engines as its worker does, runs its golden frames, plays the clips."""

from __future__ import annotations

import base64
import binascii
import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit.device.runtime.profiling.resident import resident
from edgekit.errors import EdgekitError, InputError
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import (
    FORMAT,
    MAX_CLIP_BYTES,
    EngineCost,
    MemoryProfile,
    PlayedClip,
    ProfileReply,
    ProfileRequest,
    SizeProfile,
)
from edgekit.schema.sink import MqttSink, PythonSink, WebhookSink
from edgekit.schema.source import CameraOptions
from edgekit.schema.telemetry import ClockRate

_CLIP = "clip.mp4"


def profile(request: ProfileRequest, release: Path, *, alone: bool, patience_s: float = 60.0) -> ProfileReply:
    """Measure a release.

    Args:
        request: for how long, and with which pictures.
        release: laid out as on a board.
        alone: whether this process reaches no network: sinks that send are left out where it does.
        patience_s: how long each of the first frames may take.

    Returns:
        What was measured, or why it could not be.
    """
    interpreter = resident().own_bytes
    try:
        with TemporaryDirectory(prefix="edgekit-profile-") as work:
            asked = _Asked(request=request, release=release, work=Path(work), alone=alone, patience_s=patience_s)
            return _measured(asked, interpreter)
    except EdgekitError as error:
        return ProfileReply(format=FORMAT, failure=error.message, hint=error.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """All that `profile` is given, and a folder."""

    request: ProfileRequest
    release: Path
    work: Path
    alone: bool
    patience_s: float


def _measured(asked: _Asked, interpreter: int) -> ProfileReply:
    request, release, work = asked.request, asked.release, asked.work
    # After the interpreter alone was measured: these are most of a worker's libraries.
    from edgekit.device.runtime.profiling.playing import ClipPlayer, with_clip  # noqa: PLC0415

    plan = from_message(WorkerPlan, (release / "plan.json").read_bytes(), "plan.json")
    plan, notes = _cut_off(plan, alone=asked.alone)
    libraries = resident().own_bytes
    engines, runners = _loaded(plan, release, work / "engines")
    _check_golden(plan, release, runners)
    ready = resident()
    player = ClipPlayer(
        release=release, work=work, runners=runners, seconds=request.seconds, patience_s=asked.patience_s
    )
    sizes: list[SizeProfile] = []
    is_camera = isinstance(next(iter(plan.sources.values())), CameraOptions)
    for clip in request.clips:
        with _file_of(clip, work) as file:
            played = with_clip(plan, str(file)) if file else _first_alone(plan)
            sizes.append(player.play(played, clip.about, as_camera=is_camera and file is not None))
    return ProfileReply(
        format=FORMAT,
        sizes=tuple(sizes),
        engines=engines,
        memory=MemoryProfile(
            interpreter_bytes=interpreter,
            libraries_bytes=libraries,
            ready_bytes=ready.own_bytes,
            file_bytes=resident().file_bytes,
        ),
        clocks=_clocks(),
        kernel=platform.release(),
        python=platform.python_version(),
        notes=notes,
    )


def _cut_off(plan: WorkerPlan, *, alone: bool) -> tuple[WorkerPlan, tuple[str, ...]]:
    """The plan without sinks that could tell others of what is only a clip, and a note for each."""
    if alone:
        return plan, ()
    sending = [name for name, sink in plan.sinks.items() if isinstance(sink, (MqttSink, WebhookSink, PythonSink))]
    left = {name: sink for name, sink in plan.sinks.items() if name not in sending}
    if not left:
        raise InputError(
            "every sink of this release sends elsewhere, and this user cannot leave the network",
            hint="log in as root, or give the recipe a jsonl sink too",
        )
    notes = tuple(f"sink {name} was left out: it would have told others of a clip" for name in sending)
    return replace(plan, sinks=left), notes


def _loaded(plan: WorkerPlan, release: Path, cache: Path) -> tuple[dict[str, EngineCost], dict[str, object]]:
    from edgekit.device.runner import load  # noqa: PLC0415

    engines: dict[str, EngineCost] = {}
    runners: dict[str, object] = {}
    for name, engine in plan.engines.items():
        before = resident().own_bytes
        runner = runners[name] = load(engine, release, cache=cache)
        engines[name] = EngineCost(
            runner=engine.runner,
            sha256=hashlib.sha256((release / engine.path).read_bytes()).hexdigest(),
            slots=engine.contract.batch if engine.gathers else runner.slots,
            stage=next((one.name for one in plan.stages if one.engine == name and one.kind != "preprocess"), ""),
            memory_bytes=max(resident().own_bytes - before, 0),
            accelerator_bytes=runner.memory_bytes,
        )
    return engines, runners


def _check_golden(plan: WorkerPlan, release: Path, runners: dict[str, object]) -> None:
    """Golden frames are run as a worker runs them: costs of an engine that answers wrongly are worth nothing."""
    from edgekit.device.runtime.golden import check_golden  # noqa: PLC0415
    from edgekit.device.runtime.stages.factory import StageFactory  # noqa: PLC0415

    if plan.golden is None:
        return
    wrong = check_golden(plan.golden, StageFactory(plan, release, runners))  # type: ignore[arg-type]
    if wrong:
        raise InputError(f"golden frames failed: {'; '.join(wrong)}", hint="build a release for this board's target")


@contextmanager
def _file_of(clip: PlayedClip, work: Path) -> Iterator[Path | None]:
    if not clip.data:
        yield None
        return
    try:
        content = base64.b64decode(clip.data, validate=True)
    except binascii.Error:
        raise InputError(f"{clip.about} did not arrive whole", hint="try again") from None
    if len(content) > MAX_CLIP_BYTES:
        raise InputError(f"{clip.about} is too large", hint="give a shorter clip")
    file = work / _CLIP
    file.write_bytes(content)
    try:
        yield file
    finally:
        file.unlink()


def _first_alone(plan: WorkerPlan) -> WorkerPlan:
    name, source = next(iter(plan.sources.items()))
    return replace(plan, sources={name: source})


def _clocks() -> tuple[ClockRate, ...]:
    from edgekit.device.telemetry.clocks import read_clocks  # noqa: PLC0415
    from edgekit.device.telemetry.files import SensorFiles  # noqa: PLC0415

    return read_clocks(SensorFiles("/")).clocks
