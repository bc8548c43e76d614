"""A recipe's folder with everything in it, to be broken."""

from __future__ import annotations

import shutil
from pathlib import Path

GOOD = Path(__file__).parents[1] / "cases" / "recipes" / "good"
TEXT = (GOOD / "recipe.toml").read_text(encoding="utf-8")
_EMPTY = (
    "model.onnx",
    "clip.mp4",
    "golden/0.png",
    "golden/1.png",
    "calibration/frame-1.png",
    "calibration/frame-2.png",
)
"""Files that are looked for, and not into."""


def write_good(folder: Path, text: str = TEXT) -> Path:
    """Write the good recipe to a new folder, with another recipe.toml where one is given."""
    shutil.copytree(GOOD, folder)
    for name in _EMPTY:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return folder


def replaced(text: str, changes: list[list[str]]) -> str:
    """A text with parts of it replaced, each of which must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text
