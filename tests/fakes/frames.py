"""Frames, streams and stages' contexts for tests of the runtime, without a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.imaging.image import FrameSpec, RgbImage, RgbSpec
from edgekit.stage import Frame, ModelResult, StageContext, StreamInfo

SPEC = FrameSpec(width_px=640, height_px=360, matrix="709", range="limited")


def black_pixel() -> RgbImage:
    """A picture whose memory no other picture has: a lease ends when nobody holds it."""
    return RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")


def frame(sequence: int = 0, stream: str = "belt", *, result: ModelResult | None = None, **more: Any) -> Frame:
    """A frame of one black pixel; `result` is what model `m` found in it."""
    given: dict[str, Any] = {"captured_s": 0.0, "image": black_pixel(), **more}
    if result is not None:
        given["results"] = {"m": result}
    return Frame(stream=stream, sequence=sequence, **given)


def stream_info(name: str = "belt", spec: FrameSpec | RgbSpec = SPEC, fps: float = 10.0) -> StreamInfo:
    """A stream of 640x360 at 10 frames a second."""
    return StreamInfo(name=name, spec=spec, fps=fps)


def stage_context(options: Any = None, **more: Any) -> StageContext:
    """What a stage is made with; its model is `m`, which has no engine here."""
    given: dict[str, Any] = {
        "name": "stage",
        "stream": stream_info(),
        "release": Path(),
        "model": "m",
        "runner": None,
        "contract": None,
        **more,
    }
    return StageContext(options=options, **given)
