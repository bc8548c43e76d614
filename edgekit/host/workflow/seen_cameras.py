"""Which cameras a plan is made for: those of recordings or of a running application, or so many of one size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.forecast.clip import read_cameras
from edgekit.host.forecast.memory import Cameras
from edgekit.schema.control import Status
from edgekit.schema.forecast import MOST_CAMERAS
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import Profile
from edgekit.schema.units import near_rate

_USUAL_SIZE, _USUAL_FPS = (1920, 1080), 25.0
"""Of a camera that nobody has described."""
_COUNTED = re.compile(r"(.+)=([1-9][0-9]{0,2})")


def recorded_cameras(clips: Sequence[str], fps: float) -> tuple[Cameras, ...]:
    """A kind for each recording.

    Args:
        clips: `FILE` or `FILE=N`: how many such cameras there are.
        fps: of each; 0: as the recording has it.

    Raises:
        InputError: a file is no recording, or there are too many cameras.
    """
    kinds = []
    for text in clips:
        counted = _COUNTED.fullmatch(text)
        file, count = (counted[1], int(counted[2])) if counted and not Path(text).exists() else (text, 1)
        kind = read_cameras(Path(file), count, _USUAL_FPS)
        kinds.append(replace(kind, fps=fps or kind.fps))
    if sum(kind.count for kind in kinds) > MOST_CAMERAS:
        raise InputError(
            f"--clip names {sum(kind.count for kind in kinds)} cameras", hint=f"plan for {MOST_CAMERAS} at most"
        )
    return tuple(kinds)


def running_cameras(plan: WorkerPlan, status: Status | None, fps: float) -> tuple[Cameras, ...]:
    """A kind for each size and rate that the application's cameras have on a device now.

    Args:
        plan: whose sources they are.
        status: the device's.
        fps: of each; 0: as the camera says, or as many as there come.

    Returns:
        Nothing where not every source of the plan is seen there: it does not run, a camera has not come yet, or a
        source gives a region, which is less than its decoder holds.
    """
    if any(getattr(source, "roi", None) for source in plan.sources.values()):
        return ()
    reports = [one.report for one in status.applications if one.application == plan.application] if status else []
    streams = {stream.name: stream for report in reports if report for stream in report.streams}
    seen = [streams[name] for name in plan.sources if name in streams and streams[name].width_px]
    if len(seen) < len(plan.sources):
        return ()
    kinds = Counter(
        (one.width_px, one.height_px, fps or near_rate(one.wanted_fps or one.fps) or _USUAL_FPS) for one in seen
    )
    return tuple(
        Cameras(count=count, width_px=width_px, height_px=height_px, fps=each_fps)
        for (width_px, height_px, each_fps), count in kinds.most_common()
    )


def described_cameras(
    plan: WorkerPlan, profile: Profile | None, count: int, size: tuple[int, int] | None, fps: float
) -> tuple[Cameras, ...]:
    """One kind.

    Args:
        plan: has so many sources where no count is given.
        profile: has their size and rate where none is given.
        count: how many; 0: as many as the plan has.
        size: of their pictures.
        fps: 0: as the profile has it, or as cameras usually give.
    """
    measured = profile.sizes[0] if profile else None
    width_px, height_px = size or ((measured.width_px, measured.height_px) if measured else _USUAL_SIZE)
    fps = fps or (near_rate(measured.fps) if measured else _USUAL_FPS)
    return (Cameras(count=count or len(plan.sources), width_px=width_px, height_px=height_px, fps=fps),)
