"""Whether the ONNX Runtime that a release carries loads an ONNX file. Pure: the device has no say in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgekit.host.fit.finding import Finding, refuse
from edgekit.schema.units import version_tuple


@dataclass(frozen=True, slots=True)
class Reach:
    """The newest that a version of ONNX Runtime takes, and so all that is older."""

    since: tuple[int, int]
    opset: int
    ir_version: int


_REACHES = (
    Reach((1, 16), 19, 9),
    Reach((1, 17), 20, 9),
    Reach((1, 18), 21, 10),
    Reach((1, 21), 22, 10),
    Reach((1, 23), 23, 11),
    Reach((1, 24), 25, 13),
    Reach((1, 25), 26, 13),
    Reach((1, 32), 28, 14),
)
"""Source: measured, models of every opset and IR version loaded in each release from 1.16 to 1.32."""
_LAST_MEASURED = (1, 32)


def reach_of(runtime: str) -> Reach | None:
    """What a version takes; None where it is older or newer than those that were measured."""
    version = version_tuple(runtime)[:2]
    return next((one for one in reversed(_REACHES) if one.since <= version <= _LAST_MEASURED), None)


def judge(engine: Mapping[str, str], runtime: str) -> Iterator[Finding]:
    """Every reason, for an engine's facts from the manifest and the version of the release's ONNX Runtime."""
    reach = reach_of(runtime)
    if reach is None:
        return
    newer = "or take a newer onnxruntime where the board's Python has one"
    for key, title, most, cure in (
        ("opset", "operator set", reach.opset, f"export the model with opset {reach.opset}, {newer}"),
        ("ir_version", "IR version", reach.ir_version, f"save it with ir_version = {reach.ir_version}, {newer}"),
    ):
        text = engine.get(key, "")
        found = refuse(
            not re.fullmatch("[0-9]{1,4}", text) or int(text) <= most,
            "the release's ONNX Runtime",
            f"{runtime}, which knows {title} {most} and older",
            f"one that knows {title} {text}",
            cure,
        )
        yield from [found] if found else []
