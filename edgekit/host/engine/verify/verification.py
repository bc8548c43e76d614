"""Holding an engine against its float model, on pictures that need no labels: the same for every accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.model.tail import Tail
from edgekit.host.engine.source import Pictures
from edgekit.host.engine.verify.agreement import Agreement, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An engine's answers beside the float model's, [frames, ...] each."""

    expected: Answers
    answers: Answers
    agreement: tuple[Agreement, ...]


def hold_against(model: Path, tail: Tail | None, pictures: Pictures, found: Answers) -> Verified:
    """Compare what an engine answers with what the model does.

    Args:
        model: the engine's own model: the head where a tail is behind it.
        tail: computes the rest in float.
        pictures: what both are given.
        found: the engine's own answers on them.

    Raises:
        EngineError: an output is missing, or has another size.
    """
    expected = answers_of(tail.whole if tail else model, pictures.tensors)
    try:
        answers = tail.complete(found) if tail else {name: found[name] for name in expected}
        agreement = compare(expected, answers, pictures.names)
    except (KeyError, ValueError) as error:
        raise EngineError(f"{model}: the engine does not give all outputs: {error}", hint="report this") from None
    return Verified(expected=expected, answers=answers, agreement=agreement)


def agreement_facts(agreement: Iterable[Agreement]) -> dict[str, str]:
    """For the manifest."""
    return {
        f"agreement.{one.output}": f"cosine {one.cosine_min:.6f}, max_abs {one.max_abs:.6g}, {one.frames} pictures"
        for one in agreement
    }
