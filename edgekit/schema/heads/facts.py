"""What is known of a model before it runs: the shapes of its outputs, and what it says of itself. Pure."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_MAX_NAMES = 100_000
_NAMES = ("names", "classes", "labels", "class_names")
"""Keys under which exporters write the names of classes, Ultralytics' first."""
_SIGNS = ("character", "dictionary")
"""Keys of the signs that a model reads, a line each. Source: RapidOCR 1.4.4, ch_ppocr_rec/text_recognize.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts:
    """One output of a model."""

    name: str
    shape: tuple[int, ...]
    """With the batch; 0 where the size is not known."""
    made_by: str = ""
    """ONNX operator that makes it: Softmax, Sigmoid, Concat; empty where it is not known."""

    @property
    def inner(self) -> tuple[int, ...]:
        """Without the batch."""
        return self.shape[1:]

    def __str__(self) -> str:
        """For messages: `output0 [1, 84, 8400]`."""
        return f"{self.name} [{', '.join(str(size or '?') for size in self.shape)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFacts:
    """A model as far as its head can be told by it."""

    outputs: tuple[OutputFacts, ...]
    width_px: int
    """Of its input."""
    height_px: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    """As exporters write it into ONNX files."""
    classes: int | None = None
    """How many labels there are, where that is known."""
    keypoints: int = 0
    """How many points each detection has, where that is known."""
    keypoint_values: tuple[int, ...] = (2, 3)
    """How many values a point may have."""

    @property
    def described(self) -> str:
        """The outputs in words."""
        return ", ".join(map(str, self.outputs)) or "none"

    def ranked(self, *ranks: int) -> tuple[OutputFacts, ...]:
        """Outputs of so many axes, the batch's among them."""
        return tuple(one for one in self.outputs if len(one.shape) in ranks)


def names_in(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Names of classes in a model's metadata, in the model's order; empty where it names none.

    Ultralytics writes a Python table, `{0: 'person', 1: 'car'}`; others a JSON list or table; of models that read, the
    signs are its classes.
    """
    for key in _NAMES:
        if found := _names(_parsed(metadata.get(key, ""))):
            return found
    for key in _SIGNS:
        signs = metadata.get(key, "").split("\n")
        if 1 < len(signs) <= _MAX_NAMES and all(len(sign) == 1 and sign >= " " for sign in signs):
            return tuple(signs)
    return ()


def keypoint_shape_in(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """How many points each detection has, and how many values each point: Ultralytics' `kpt_shape`."""
    match _parsed(metadata.get("kpt_shape", "")):
        case [int(points), int(values)] if 0 < points <= 1000 and values in (2, 3):
            return points, values
    return None


def _parsed(text: str) -> object:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _names(found: object) -> tuple[str, ...]:
    """A list or a numbered table of texts; nothing where it is neither, or has a hole."""
    if isinstance(found, dict):
        numbered = {str(key): value for key, value in found.items()}
        found = [numbered.get(str(index)) for index in range(len(numbered))]
    if (
        not isinstance(found, (list, tuple))
        or len(found) > _MAX_NAMES
        or not all(isinstance(one, str) for one in found)
    ):
        return ()
    return tuple(" ".join(one.split()) or "?" for one in found)
