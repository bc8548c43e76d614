"""`edgekit profile`: has a release measured on a device, and keeps what was measured as a file."""

from __future__ import annotations

import base64
import dataclasses
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import edgekit
from edgekit.errors import InputError, RolloutError
from edgekit.executor import Executor
from edgekit.host.forecast.clip import MadeClip, make_clip, read_clip
from edgekit.host.link.client import KeeperClient
from edgekit.host.probe import read_facts
from edgekit.host.release.folder import ReleaseFolder, open_release, read_plan
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.out_file import check_out_file
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.board import WORKER_USER, BoardPaths
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import HOST, Device
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import FORMAT, PlayedClip, Profile, ProfileFormat, ProfileReply, ProfileRequest, SizeProfile
from edgekit.schema.recipe import TENSORS_SUFFIX
from edgekit.schema.source import GstreamerSource, RtspSource, V4l2Source
from edgekit.schema.units import format_cpus

_MODULE = "edgekit.device.runtime.profiling"
_BOOT = (
    "import runpy, sys; sys.path[:0] = sys.argv.pop(1).split(':');"
    f" runpy.run_module({_MODULE!r}, run_name='__main__', alter_sys=True)"
)
"""As the keeper starts a worker: the release's packages come before the system's."""
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "PYTHONDONTWRITEBYTECODE": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
}
"""A worker's, as far as it changes what is measured (`device/keeper/process/launch.py`)."""
_BESIDE_S = 300.0
"""For loading engines and running golden frames, beside the clips."""
_FIRST_FRAMES = 10
"""What a clip shows before it is measured is not more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """How it is measured."""

    out: Path
    seconds: float = 10.0
    """For each size of picture."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Width and height; none: the golden frames' own."""
    fps: float = 10.0
    clips: tuple[Path, ...] = ()
    """Recordings of cameras, in place of clips that are made."""
    beside: bool = False
    """Whether to measure while applications run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeasuringPlace:
    """Where a release lies that is measured, and who measures it."""

    name: str
    """The machine's."""
    release: str
    user: str = ""
    """Whom root becomes; empty: it stays who it is."""


def profile_release(
    name: str, release: Path, options: ProfileOptions, access: DeviceAccess, station: Workstation
) -> Profile:
    """Measure a release on a device, or on this machine where that is named `host`, and write the profile.

    Args:
        name: the device.
        release: the release's folder.
        options: how.
        access: the way to devices.
        station: this machine.

    Raises:
        NothingSelected: there is no such device.
        InputError: there is no release, it is for other machines, its pipeline fails on the clips, or the profile can
            be no file.
        RolloutError: the release is not on the device, or applications run there.
        Unreachable: the device does not answer.
    """
    check_out_file(options.out, "--out")
    folder = open_release(release)
    plan = read_plan(folder)
    if plan is None:
        raise InputError(f"{release} has no plan that can be read", hint="build the release again")
    clips = _clips(folder, plan, options)
    request = ProfileRequest(seconds=options.seconds, clips=tuple(map(_played, clips)) or (_own_source(plan),))
    with _reached(name, access, station) as (device, executor):
        if device is not None:
            _check_idle(device, executor, plan, beside=options.beside)
        place = _place(device, executor, folder)
        with station.progress.step(f"{name}: measuring {plan.application}"):
            reply = _ask(executor, plan, place, request, _longest_s(request, clips))
            reply = dataclasses.replace(reply, sizes=_with_references(reply.sizes, clips))
        facts = read_facts(executor)
    made = _profile_of(name, folder, facts, reply)
    options.out.write_bytes(to_message(made))
    return made


@contextmanager
def _reached(name: str, access: DeviceAccess, station: Workstation) -> Iterator[tuple[Device | None, Executor]]:
    """A device, or this machine where no device has its name: it needs no keeper to measure."""
    if name == HOST and name not in access.inventory.devices:
        yield None, station.executor
        return
    device = access.find(name)
    with access.executor(device) as executor:
        yield device, executor


def _clips(folder: ReleaseFolder, plan: WorkerPlan, options: ProfileOptions) -> tuple[MadeClip, ...]:
    """What is played: recordings, or clips of golden frames; none where the plan's own source is no camera."""
    if options.clips:
        return tuple(map(read_clip, options.clips))
    first = next(iter(plan.sources.values()))
    if not options.sizes and not isinstance(first, (RtspSource, V4l2Source, GstreamerSource)):
        return ()
    golden = plan.golden.frames if plan.golden else ()
    pictures = [folder.path / "files" / path for path in golden if not path.endswith(TENSORS_SUFFIX)]
    return tuple(make_clip(pictures, size, options.fps) for size in options.sizes or (None,))


def _own_source(plan: WorkerPlan) -> PlayedClip:
    return PlayedClip(about=f"its own source, {next(iter(plan.sources))}")


def _with_references(sizes: tuple[SizeProfile, ...], clips: tuple[MadeClip, ...]) -> tuple[SizeProfile, ...]:
    """Each size with what this machine has read from its clip; a plan's own source says nothing of it."""
    pairs = zip(sizes, clips, strict=False)
    return tuple(dataclasses.replace(size, references=clip.references) for size, clip in pairs) if clips else sizes


def _played(clip: MadeClip) -> PlayedClip:
    return PlayedClip(about=clip.about, data=base64.b64encode(clip.content).decode())


def _check_idle(device: Device, executor: Executor, plan: WorkerPlan, *, beside: bool) -> None:
    """Refuse to measure beside applications that run, unless that is wanted: each would disturb the other."""
    with KeeperClient(device, executor) as keeper:
        running = [one.application for one in keeper.status().applications if one.worker.pid]
    if running and not beside:
        cpus = format_cpus(plan.limits.cpuset_cpus)
        raise RolloutError(
            f"{device.name} runs {' and '.join(running)}: measuring on CPUs {cpus} would disturb it, and be disturbed",
            hint=f"edgekit stop {device.name} {running[0]}, and start it again afterwards; or measure with --beside",
        )


def _place(device: Device | None, executor: Executor, folder: ReleaseFolder) -> _MeasuringPlace:
    """Where the release lies on the device. Raises RolloutError where it does not."""
    if device is None or device.name == HOST:
        arch = folder.manifest.requires.arch
        if arch != platform.machine():
            raise InputError(
                f"{folder.path} is for {arch}, and this machine is {platform.machine()}",
                hint=f"edgekit build RECIPE --target host, or measure on a board of {folder.manifest.target}",
            )
        return _MeasuringPlace(name=HOST, release=str((folder.path / "files").absolute()))
    where = f"{BoardPaths(prefix=device.prefix).state_dir}/releases/{folder.digest}"
    if executor.run(["test", "-r", f"{where}/plan.json"], timeout_s=60).returncode:
        application = folder.manifest.application
        raise RolloutError(
            f"{folder.path} is not on {device.name}, or its login may not read it",
            hint=f"edgekit deploy {folder.path} {device.name} && edgekit stop {device.name} {application}",
        )
    return _MeasuringPlace(name=device.name, release=where, user=WORKER_USER if device.service == "systemd" else "")


def _longest_s(request: ProfileRequest, clips: tuple[MadeClip, ...]) -> float:
    """Whoever takes longer hangs."""
    first_s = sum(_FIRST_FRAMES / clip.fps for clip in clips if clip.fps)
    return _BESIDE_S + len(request.clips) * (2 * request.seconds + 60) + 2 * first_s


def _ask(
    executor: Executor, plan: WorkerPlan, place: _MeasuringPlace, request: ProfileRequest, longest_s: float
) -> ProfileReply:
    packages = ":".join(f"{place.release}/{part}" for part in (plan.site, plan.app) if part)
    argv = [plan.python_path, "-I", "-c", _BOOT, packages, "--release", place.release]
    argv += ["--user", place.user] if place.user else []
    done = executor.run(argv, timeout_s=longest_s, stdin=to_message(request), env=_ENVIRONMENT)
    rebuild = f"build and deploy it again, with edgekit {edgekit.__version__}"
    if done.returncode and f"No module named {_MODULE}" in done.errors:
        raise RolloutError(
            f"this release of {plan.application} was built by an edgekit that measures nothing", hint=rebuild
        )
    if done.returncode:
        raise InputError(
            f"{plan.application} ended while it was measured on {place.name}, with {_end(done.returncode)}",
            hint="see what it printed; a stage that needs more memory or another device fails so",
            details=done.errors,
        )
    origin = f"the profile from {place.name}"
    if (found := from_message(ProfileFormat, done.stdout, origin).format) != FORMAT:
        raise RolloutError(
            f"this release of {plan.application} measures in format {found}, and this edgekit reads {FORMAT}",
            hint=rebuild,
        )
    reply = from_message(ProfileReply, done.stdout, origin)
    if reply.failure:
        raise InputError(f"{plan.application} on {place.name}: {reply.failure}", hint=reply.hint, details=done.errors)
    return reply


def _end(returncode: int) -> str:
    return f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"


def _profile_of(name: str, folder: ReleaseFolder, facts: DeviceFacts, reply: ProfileReply) -> Profile:
    manifest = folder.manifest
    if reply.memory is None:
        raise InputError(f"{name} measured no memory", hint="try again; its edgekit may be older than this one")
    modes = [(one.power_mode, one.power_conf) for one in facts.accelerators if one.power_mode]
    mode, conf = modes[0] if modes else ("", "")
    return Profile(
        format=FORMAT,
        edgekit=edgekit.__version__,
        application=manifest.application,
        version=manifest.version,
        target=manifest.target,
        release=folder.digest,
        device=name,
        machine=facts.model or facts.os_title,
        measured=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        kernel=reply.kernel,
        python=reply.python,
        power_mode=mode,
        power_conf=conf,
        clocks=reply.clocks,
        packages={wheel.name: wheel.version for wheel in manifest.wheels},
        engines=reply.engines,
        sizes=reply.sizes,
        memory=reply.memory,
        notes=reply.notes,
    )
