"""Golden frames: pictures whose right answers are known go through the production runner before anything counts.

They pass the stages up to the first one with state. A difference is a reason to refuse the release.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from edgekit.device.image.frames import RgbImage
from edgekit.device.worker.item import Detection, Item
from edgekit.device.worker.parts import Parts, make_stage
from edgekit.errors import InputError
from edgekit.schema.recipe import Golden

_MAX_SHOWN = 8


def check_golden(golden: Golden, parts: Parts) -> tuple[str, ...]:
    """Run all golden frames.

    Returns:
        Every difference, with values; none means passed.

    Raises:
        InputError: a frame or the expected answers cannot be read.
    """
    expected = _expected(parts.release / golden.expected)
    wrong: list[str] = []
    for path in golden.frames:
        name = Path(path).name
        if name not in expected:
            raise InputError(f"{golden.expected} says nothing of {name}", hint="write what must be found in it")
        found = _run(parts.release / path, parts)
        wrong += [f"{name}: {text}" for text in compare(expected[name], found, golden)]
    return tuple(wrong[:_MAX_SHOWN]) + ((f"and {len(wrong) - _MAX_SHOWN} more",) if len(wrong) > _MAX_SHOWN else ())


def compare(expected: Iterable[Detection], found: Iterable[Detection], golden: Golden) -> Iterator[str]:
    """Each expected detection takes the nearest found one of its kind; what differs or is left over is told."""
    left = list(found)
    for want in expected:
        same = [one for one in left if (one.label, one.colour) == (want.label, want.colour)]
        best = min(same, key=lambda one: _distance(one, want), default=None)
        if best is None or _distance(best, want) > golden.position_px:
            near = "" if best is None else f", nearest is {_distance(best, want):.1f} px away"
            yield f"no {_words(want)}{near}"
            continue
        left.remove(best)
        if abs(best.score - want.score) > golden.score:
            yield f"{_words(want)}: score {best.score:.3f}, expected {want.score:.3f} within {golden.score:g}"
    for one in left:
        yield f"{_words(one)} is not expected"


def _run(file: Path, parts: Parts) -> tuple[Detection, ...]:
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise InputError(f"golden frame {file.name} cannot be read", hint="give a PNG")
    image = RgbImage(pixels=pixels, order="BGR")  # type: ignore[arg-type]  # IMREAD_COLOR gives uint8
    item: Item | None = Item(source="golden", index=0, loop=0, captured_s=0.0, image=image)
    for plan in parts.plan.stages:
        stage = make_stage(plan, parts, image.spec, 1.0)
        if not getattr(stage, "stateless", False) or item is None:
            break
        item = stage(item)
    return item.detections if item is not None else ()


def _expected(file: Path) -> dict[str, list[Detection]]:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return {name: [Detection(**one) for one in found] for name, found in raw.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        hint = '{"frame.png": [{"label": "", "colour": "", "x_px": 0, "y_px": 0, "score": 0}]}'
        raise InputError(f"{file.name} cannot be read: {error}", hint=hint) from None


def _distance(one: Detection, other: Detection) -> float:
    return float(((one.x_px - other.x_px) ** 2 + (one.y_px - other.y_px) ** 2) ** 0.5)


def _words(one: Detection) -> str:
    return f"{one.colour} {one.label} at {one.x_px:.0f},{one.y_px:.0f}"
