"""Takes single frames out of a clip, as the worker's own conversion sees them: golden frames begin so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.sources.opening import open_source
from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.schema.recipe import ColourContract
from edgekit.schema.rehearsal import Grab
from edgekit.schema.source import (
    FileSource,
    GstreamerSource,
    ImagesSource,
    PythonSource,
    RecipeSource,
    RtspSource,
    SyntheticSource,
    V4l2Source,
)
from edgekit.stage import Frame

_MOST_FRAMES = 3000
"""Frames of a clip that are looked at: two minutes of most cameras."""


def grab_frames(name: str, source: RecipeSource, release: Path, wanted: Grab) -> tuple[Path, ...]:
    """Write frames of a clip as PNG files, named by their number in it.

    Returns:
        The files, in the clip's order.

    Raises:
        InputError: the clip cannot be played, or has no such frame.
    """
    count = sum(1 for _ in _frames(name, source, release))
    numbers = sorted(set(wanted.frames)) or spread(wanted.count, count)
    if not numbers or numbers[-1] >= count:
        raise InputError(
            f"source {name}: no frame {numbers[-1] if numbers else 0}: it has {count}",
            hint=f"choose from 0 to {count - 1}" if count else "give a clip with pictures in it",
        )
    return tuple(
        _write(frame, Path(wanted.folder)) for frame in _frames(name, source, release) if frame.sequence in numbers
    )


def spread(count: int, total: int) -> list[int]:
    """`count` numbers below `total`, evenly spread, none at the ends."""
    return sorted({total * (2 * index + 1) // (2 * count) for index in range(count)}) if total else []


def _frames(name: str, source: RecipeSource, release: Path) -> Iterator[Frame]:
    clip = open_source(name, _once(source), release)
    try:
        entries = clip.entries(LaneFigures("grab", lambda: 0.0))
        yield from islice((entry for entry in entries if isinstance(entry, Frame)), _MOST_FRAMES)
    finally:
        clip.close()


def _once(source: RecipeSource) -> RecipeSource:
    """All its frames, without waiting for their time."""
    match source:
        case FileSource() | ImagesSource():
            return dataclasses.replace(source, pace="fast", loops=1, max_fps=None)
        case SyntheticSource():
            frames = min(source.frames or _MOST_FRAMES, _MOST_FRAMES)
            return dataclasses.replace(source, pace="fast", frames=frames, max_fps=None)
        case RtspSource() | V4l2Source() | GstreamerSource() | PythonSource():
            raise InputError(
                "frames cannot be taken from a camera, or a source of your own, here", hint="name them in golden.frames"
            )


def _write(frame: Frame, folder: Path) -> Path:
    spec = frame.image.spec
    own = ColourContract(width_px=spec.width_px, height_px=spec.height_px, order="BGR", layout="NHWC", dtype="uint8")
    rgb = Converter(plan_conversion(spec, own)).rgb(frame.image)
    done, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done, "PNG takes any picture of 8 bit"
    file = folder / f"frame-{frame.sequence:03}.png"
    file.write_bytes(data.data)
    return file
