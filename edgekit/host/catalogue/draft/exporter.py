"""What an exporter's metadata in an ONNX file mean: texts of a stranger, of which only what is understood is taken.

Ultralytics (YOLOv5u, v8, v9, v11 and later) writes `task`, `names`, `imgsz`, `stride` and its version. How its models
want pictures is the same for all of them and stands in no file. Source: ultralytics 8.4.190, engine/exporter.py
(metadata), engine/predictor.py, BasePredictor.preprocess (BGR to RGB, divided by 255), data/augment.py, LetterBox
(centred, bars of 114, INTER_LINEAR).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.schema.field_types import bounds_of
from edgekit.schema.names import OneLine

_ENTRY = re.compile(r"""["']?(\d{1,6})["']?\s*:\s*('(?:[^'\\\n]|\\.){0,1000}'|"(?:[^"\\\n]|\\.){0,1000}")""")
_SIDES = re.compile(r"\[\s*(\d{1,5})\s*,\s*(\d{1,5})\s*\]|(\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterSays:
    """What metadata tell; empty where they do not."""

    program: str = ""
    """Who wrote them: `Ultralytics 8.2.46`."""
    task: str = ""
    """`detect`, `segment`, `pose`, `classify`, `obb`."""
    size: tuple[int, int] | None = None
    """Width and height of the input."""
    labels: tuple[str, ...] = ()
    answers: Mapping[str, str] | None = None
    """What its models want of pictures, by the question's key; None where the program is not known."""


def read_metadata(metadata: Mapping[str, str]) -> ExporterSays:
    """Understand what can be understood."""
    labels, size = _labels(metadata.get("names", "")), _size(metadata.get("imgsz", ""))
    if metadata.get("author") != "Ultralytics":
        return ExporterSays(size=size, labels=labels)
    return ExporterSays(
        program=f"Ultralytics {metadata.get('version', '')[:20]}".strip(),
        task=metadata.get("task", "")[:20],
        size=size,
        labels=labels,
        answers={"order": "RGB", "pixels": "0..1", "fit": "letterbox"},
    )


def _labels(text: str) -> tuple[str, ...]:
    """`{0: 'person', 1: "car"}`, as Python or JSON writes it; nothing where numbers are missing or names odd."""
    found = {int(number): str(ast.literal_eval(name)) for number, name in _ENTRY.findall(text)}
    names = [found[index] for index in sorted(found)]
    return tuple(names) if sorted(found) == [*range(len(found))] and all(map(is_label, names)) else ()


def is_label(name: str) -> bool:
    """Whether a text can be a class's name in a recipe."""
    return all(bound.admits(name) for bound in bounds_of(OneLine)[1])


def _size(text: str) -> tuple[int, int] | None:
    """`[height, width]` or one number for both."""
    found = _SIDES.fullmatch(text.strip())
    if not found:
        return None
    height, width, both = (int(part) if part else 0 for part in found.groups())
    return (both or width, both or height)
