"""Judges whether an engine agrees well enough with the float model, and finds where its error starts. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgekit.errors import EngineError
from edgekit.host.engine.verify.agreement import Agreement
from edgekit.host.engine.verify.channels import lost, summarise
from edgekit.schema.recipe import Tolerance
from edgekit.schema.units import counted

_SHOWN = 5
_EMPTY_ERROR = 0.05
"""What an engine may answer where the float model answers next to nothing, of the output's largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """How far one layer of the engine is from the float model's."""

    kind: str
    name: str
    cosine: float
    """With the errors of the layers before it; nan where the layer gives no numbers."""
    cosine_alone: float
    """With exact inputs: low where the error starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """Tensors of a model that float16 cannot hold."""

    reason: str
    """Names them, with their ranges in float32."""
    hint: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementCure:
    """What helps one model on one target; each is a change of the recipe that was seen to work for its kind."""

    channels: Callable[[], str]
    """Where an output's channels are lost: the hint."""
    overflow: Callable[[], Overflow | None]
    """Looks for tensors that the engine's precision cannot hold; None where there are none."""


def check_agreement(
    name: str,
    agreement: Iterable[Agreement],
    tolerance: Tolerance,
    cure: AgreementCure,
    analyse: Callable[[], tuple[LayerError, ...]] = tuple,
) -> None:
    """Judge an engine's agreement with the float model: channel by channel, then by the recipe's tolerance.

    Args:
        name: the model's, for messages.
        agreement: its outputs.
        tolerance: the recipe's.
        cure: what helps.
        analyse: looks at every layer; called only for an error's sake, and left out where that cannot be done.

    Raises:
        EngineError: a channel is lost, or it is beyond its tolerance; the message names the layers where that starts.
    """
    outputs = tuple(agreement)
    faults = [text for one in outputs if (text := first_fault(one, tolerance))]
    if not faults:
        return
    if overflow := cure.overflow():
        details = "\n".join([*faults, overflow.details, *_details(outputs)])
        raise EngineError(f"models.{name}: {overflow.reason}; so {faults[0]}", hint=overflow.hint, details=details)
    if any(_lost(one, tolerance) for one in outputs):
        raise EngineError(f"models.{name}: {faults[0]}", hint=cure.channels(), details="\n".join(_details(outputs)))
    errors = analyse()
    worst = starts(errors)
    names = ", ".join(f"{_tensor(layer)} ({layer.kind}, {layer.cosine_alone:.4f})" for layer in worst)
    keep = f'try quantisation.keep_float = ["{_tensor(worst[0])}"], ' if worst else ""
    raise EngineError(
        f"models.{name}: {faults[0]}" + (f"; the error starts at {names}" if names else ""),
        hint=f"add calibration pictures, {keep}or widen its tolerance",
        details="\n".join([*faults, *_details(outputs), *_table(errors)]),
    )


def starts(errors: Iterable[LayerError]) -> tuple[LayerError, ...]:
    """The layers that lose most by themselves, the worst first; one that gives no numbers loses all."""
    own = [layer for layer in errors if layer.kind not in ("Input", "exDataConvert")]
    return tuple(sorted(own, key=lambda layer: _finite(layer.cosine_alone))[:_SHOWN])


def _finite(cosine: float) -> float:
    return cosine if math.isfinite(cosine) else -2.0


def first_fault(one: Agreement, tolerance: Tolerance) -> str:
    """The gravest fault of an output; empty where there is none."""
    if one.not_finite:
        return f"output {one.output} has {one.not_finite} values that are no numbers"
    return _lost(one, tolerance) or next(_beyond(one, tolerance), "")


def _lost(one: Agreement, tolerance: Tolerance) -> str:
    """The first channel in which the engine loses what the float model says."""
    found = list(lost(one.channels, tolerance.cosine))
    if not found:
        return ""
    first, reason = found[0]
    there = f"{first.float_low:.4g} to {first.float_high:.4g} in {first.float_values} values"
    more = f"; so are {counted(len(found) - 1, 'more channel')}" if len(found) > 1 else ""
    return (
        f"output {one.output}, channel {first.index} {reason}, where the float model has {there} "
        f"(off by {first.max_abs:.3g}){more}"
    )


def _details(outputs: Iterable[Agreement]) -> list[str]:
    return [line for one in outputs for line in (str(one), *(f"  {text}" for text in summarise(one.channels)))]


def _tensor(layer: LayerError) -> str:
    """Its name in the ONNX model: the toolkit marks what it has quantised before an output."""
    return layer.name.removesuffix("_int8")


def _beyond(one: Agreement, tolerance: Tolerance) -> Iterator[str]:
    """What is beyond the recipe's tolerance."""
    cosine = f"cosine {one.cosine_min:.5f}" + (f" on {one.picture}" if one.picture else "")
    off = f"off by {one.max_abs:.4g}" + (f" on {one.farthest}" if one.farthest else "")
    if not one.cosine_min >= tolerance.cosine:
        yield f"output {one.output} has {cosine}, the tolerance is {tolerance.cosine:g}; it is {off} at most"
    if tolerance.max_abs is not None and not one.max_abs <= tolerance.max_abs:
        yield f"output {one.output} is {off}, the tolerance is {tolerance.max_abs:g}; its least {cosine}"
    allowed = _EMPTY_ERROR * one.scale
    if tolerance.max_abs is None and not one.empty_abs <= allowed:
        yield (
            f"output {one.output} is off by {one.empty_abs:.4g} on {one.empty_picture}, where the float model answers "
            f"next to nothing: {allowed:.3g} is allowed, a twentieth of its largest value; its least {cosine}"
        )


def _table(errors: Iterable[LayerError]) -> list[str]:
    rows = [f"{layer.cosine:.5f}  {layer.cosine_alone:.5f}  {layer.kind} {layer.name}" for layer in errors]
    return ["cosine   alone    layer", *rows] if rows else []
