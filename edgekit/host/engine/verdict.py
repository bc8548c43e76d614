"""Whether an engine agrees well enough with the float model, and where it goes wrong if not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edgekit.errors import EngineError
from edgekit.host.engine.agreement import Agreement
from edgekit.schema.recipe import Tolerance

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """How far one layer of the engine is from the float model's."""

    kind: str
    name: str
    cosine: float
    """With the errors of the layers before it."""
    cosine_alone: float
    """With exact inputs: low where the error starts."""


def check_agreement(
    name: str,
    agreement: Iterable[Agreement],
    tolerance: Tolerance,
    analyse: Callable[[], tuple[LayerError, ...]] = tuple,
) -> None:
    """Hold the figures against the recipe's tolerance.

    Args:
        name: the model's, for messages.
        agreement: its outputs.
        tolerance: the recipe's.
        analyse: looks at every layer; called only for an error's sake, and left out where that cannot be done.

    Raises:
        EngineError: it is beyond; the message names the layers where the error starts.
    """
    bad = [text for one in agreement if (text := _beyond(one, tolerance))]
    if bad:
        errors = analyse()
        worst = starts(errors)
        names = ", ".join(f"{_tensor(layer)} ({layer.kind}, {layer.cosine_alone:.4f})" for layer in worst)
        named = next((_tensor(layer) for layer in worst), "...")
        raise EngineError(
            f"models.{name}: {bad[0]}" + (f"; the error starts at {names}" if names else ""),
            hint=f'add calibration pictures, try quantisation.keep_float = ["{named}"], or widen its tolerance',
            details="\n".join([*bad, *_table(errors)]),
        )


def starts(errors: Iterable[LayerError]) -> tuple[LayerError, ...]:
    """The layers that lose most by themselves, the worst first."""
    own = [layer for layer in errors if layer.kind not in ("Input", "exDataConvert")]
    return tuple(sorted(own, key=lambda layer: layer.cosine_alone)[:_SHOWN])


def _tensor(layer: LayerError) -> str:
    """Its name in the ONNX model: the toolkit marks what it has quantised before an output."""
    return layer.name.removesuffix("_int8")


def _beyond(one: Agreement, tolerance: Tolerance) -> str:
    if not one.cosine_min >= tolerance.cosine:
        return f"output {one.output} has cosine {one.cosine_min:.5f}, the tolerance is {tolerance.cosine:g}"
    if tolerance.max_abs is not None and not one.max_abs <= tolerance.max_abs:
        return f"output {one.output} is off by {one.max_abs:.4g}, the tolerance is {tolerance.max_abs:g}"
    return ""


def _table(errors: Iterable[LayerError]) -> list[str]:
    rows = [f"{layer.cosine:.5f}  {layer.cosine_alone:.5f}  {layer.kind} {layer.name}" for layer in errors]
    return ["cosine   alone    layer", *rows] if rows else []
