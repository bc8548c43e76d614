"""What an exporter's metadata in an ONNX file mean: texts of a stranger, of which only what is understood is taken.

Ultralytics (YOLOv5u, v8, v9, v11 and later) writes `task`, `names`, `imgsz`, `stride` and its version. How its models
want pictures is the same for all of them and stands in no file. Source: ultralytics 8.4.190, engine/exporter.py
(metadata), engine/predictor.py, BasePredictor.preprocess (BGR to RGB, divided by 255), data/augment.py, LetterBox
(centred, bars of 114, INTER_LINEAR).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SIDES = re.compile(r"\[\s*(\d{1,5})\s*,\s*(\d{1,5})\s*\]|(\d{1,5})")
_ULTRALYTICS = {"order": "RGB", "pixels": "0..1", "fit": "letterbox", "bars": "114", "align": "centre"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSays:
    """What metadata tell; empty where they do not."""

    program: str = ""
    """Who wrote them: `Ultralytics 8.2.46`."""
    size: tuple[int, int] | None = None
    """Width and height of the input."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """What its models want of pictures, by the question's key; nothing where the program is not known."""


def read_metadata(metadata: Mapping[str, str]) -> ExporterSays:
    """Understand what can be understood."""
    size = _size(metadata.get("imgsz", ""))
    if metadata.get("author") != "Ultralytics":
        return ExporterSays(size=size)
    version = metadata.get("version", "")[:20]
    return ExporterSays(program=f"Ultralytics {version}".strip(), size=size, answers=_ULTRALYTICS)


def _size(text: str) -> tuple[int, int] | None:
    """`[height, width]` or one number for both."""
    found = _SIDES.fullmatch(text.strip())
    if not found:
        return None
    height, width, both = (int(part) if part else 0 for part in found.groups())
    return (both or width, both or height)
