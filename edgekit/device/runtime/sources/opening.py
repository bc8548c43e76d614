"""The table of kinds of sources."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.runtime.sources.packets import PacketTap
from edgekit.device.runtime.sources.shaping import Shaped
from edgekit.device.runtime.sources.source import FrameSource
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


def open_source(name: str, source: RecipeSource, release: Path, tap: PacketTap | None = None) -> FrameSource:
    """The source of a plan; a clip is opened, a camera when its stream is asked for.

    Raises:
        InputError: it cannot be played, or its colours are stated nowhere.
    """
    return Shaped(_opened(name, source, release, tap), source)


def _opened(name: str, source: RecipeSource, release: Path, tap: PacketTap | None) -> FrameSource:
    match source:  # a kind is imported where it is used
        case FileSource():
            from edgekit.device.runtime.sources.file import ClipReader  # noqa: PLC0415

            return ClipReader(name, source, release, tap=tap)
        case ImagesSource():
            from edgekit.device.runtime.sources.images import play_folder  # noqa: PLC0415

            return play_folder(name, source, release)
        case SyntheticSource():
            from edgekit.device.runtime.sources.synthetic import draw_scenes  # noqa: PLC0415

            return draw_scenes(name, source)
        case RtspSource():
            from edgekit.device.runtime.sources.rtsp import rtsp_camera  # noqa: PLC0415

            return rtsp_camera(name, source, tap)
        case V4l2Source():
            from edgekit.device.runtime.sources.v4l2 import kernel_camera  # noqa: PLC0415

            return kernel_camera(name, source, tap)
        case GstreamerSource():
            from edgekit.device.runtime.sources.gstreamer import pipeline_camera  # noqa: PLC0415

            return pipeline_camera(name, source)
        case PythonSource():
            from edgekit.device.runtime.sources.python import OwnSource  # noqa: PLC0415

            return OwnSource(name, source, release)
