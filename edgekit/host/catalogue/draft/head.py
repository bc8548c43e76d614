"""What a model's outputs hold: told by their shapes, asked where they are like several heads. Pure."""

from __future__ import annotations

import dataclasses

from edgekit.host.catalogue.draft.question import ACTIVATION, HEAD, LABELS, Answers
from edgekit.schema.heads.facts import HeadFacts
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.heads.recognise import choose_layout, layouts_of


def draft_head(facts: HeadFacts, answers: Answers, model: str) -> HeadLayout | None:
    """The head of a model; None while it, or its labels, have to be asked for.

    Args:
        facts: the model, with the size that its input gets.
        answers: take the questions.
        model: its file, for messages.

    Raises:
        InputError: it is like no head at all.
    """
    found = layouts_of(facts)
    if not found:
        choose_layout(facts, "detect", {}, model)  # says what it is like, or that it is like none
    heads = tuple(dict.fromkeys(map(_named, found)))
    head = heads[0]
    if facts.classes is None:
        answers.of(dataclasses.replace(LABELS, about=f"{LABELS.about} By its outputs: {_counts(found)}."))
    if len(heads) > 1:
        words = "; ".join(dict.fromkeys(f"{_named(one)}: {one.words.partition(':')[0]}" for one in found))
        chosen = answers.of(dataclasses.replace(HEAD, about=f"{HEAD.about} {words}.", choices=heads))
        head = next((one for one in heads if one == chosen), head)
    left = [one for one in found if _named(one) == head]
    ways = tuple(dict.fromkeys(one.activation for one in left))
    way = answers.of(dataclasses.replace(ACTIVATION, choices=ways)) if len(ways) > 1 else ways[0]
    if answers.open:
        return None
    return next(one for one in left if one.activation == way)


def _named(layout: HeadLayout) -> str:
    """A detector's head, or the kind of stage that takes the others' outputs."""
    return layout.head or layout.kind


def _counts(found: tuple[HeadLayout, ...]) -> str:
    counts = " or ".join(str(count) for count in dict.fromkeys(one.classes for one in found))
    signs = any(one.kind == "read" for one in found)
    return f"{counts} {'signs' if signs else 'classes'}"
