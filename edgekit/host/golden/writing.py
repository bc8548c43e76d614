"""Writes golden answers into a recipe's folder: aside first, then under their name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.disk import write_whole
from edgekit.schema.detection import Detection
from edgekit.schema.reader import to_raw
from edgekit.schema.recipe import Golden

FOLDER = "golden"
"""Of a recipe: where its golden frames go that edgekit takes out of its clip."""
EXPECTED = f"{FOLDER}/expected.json"
_ALWAYS = ("label", "colour", "x_px", "y_px", "score")


def answers_text(answers: Mapping[str, tuple[Detection, ...]]) -> bytes:
    """The file that `read_expected` reads: frames by name, and of each thing only what the model finds."""
    plain = {name: [_plain(one) for one in found] for name, found in answers.items()}
    return (json.dumps(plain, indent=2, ensure_ascii=False) + "\n").encode()


def write_new(file: Path, data: bytes) -> None:
    """Write a file whole, or leave what is there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, data)


def write_frames(pictures: Mapping[str, bytes], folder: Path) -> None:
    """Put frames into a recipe's folder that has none of these names with other pictures.

    Raises:
        InputError: another picture of that name is there.
    """
    taken = [
        name for name, data in pictures.items() if (folder / name).exists() and (folder / name).read_bytes() != data
    ]
    if taken:
        raise InputError(
            f"{folder / taken[0]} is there already, with another picture",
            hint=f'remove it, or name it in the recipe: [golden] frames = ["{FOLDER}/{taken[0]}"]',
        )
    for name, data in pictures.items():
        write_new(folder / name, data)


def add_section(file: Path, golden: Golden) -> None:
    """Have a recipe.toml that names no golden frames name these: at its end, where a table may always stand."""
    before = file.read_text(encoding="utf-8").rstrip("\n")
    write_whole(file, f"{before}\n\n{section(golden)}\n".encode())


def section(golden: Golden) -> str:
    """The section of recipe.toml that names golden frames."""
    return "\n".join(
        [
            "[golden]",
            f"frames = {json.dumps(list(golden.frames))}",
            f"expected = {json.dumps(golden.expected)}",
            f"position_px = {golden.position_px}",
            f"score = {golden.score}",
        ]
    )


def _plain(one: Detection) -> dict[str, object]:
    raw: dict[str, object] = to_raw(one)
    return {name: value for name, value in raw.items() if value or name in _ALWAYS}
