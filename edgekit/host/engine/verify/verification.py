"""Compares an engine with its float model on pictures, which need no labels: the same for every accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.errors import EngineError
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.verify.agreement import Agreement, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An engine's answers beside the float model's, [frames, ...] each."""

    expected: Answers
    answers: Answers
    agreement: tuple[Agreement, ...]


def verify_answers(source: ModelSource, found: Answers) -> Verified:
    """Compare what an engine answers with what the model does.

    Args:
        source: what the engine was made from: its pictures, and the tail that computes the rest in float.
        found: the engine's own answers on the pictures.

    Raises:
        EngineError: an output is missing, or has another size.
    """
    tail, pictures = source.tail, source.pictures
    expected = answers_of(tail.whole if tail else source.path, pictures.tensors)
    try:
        answers = tail.complete(found) if tail else {name: found[name] for name in expected}
        agreement = compare(expected, answers, pictures.names)
    except (KeyError, ValueError) as error:
        raise EngineError(f"{source.path}: the engine does not give all outputs: {error}", hint="report this") from None
    return Verified(expected=expected, answers=answers, agreement=agreement)


def agreement_facts(agreement: Iterable[Agreement]) -> dict[str, str]:
    """For the manifest."""
    return {
        f"agreement.{one.output}": f"cosine {one.cosine_min:.6f}, max_abs {one.max_abs:.6g}, {one.frames} pictures"
        for one in agreement
    }
