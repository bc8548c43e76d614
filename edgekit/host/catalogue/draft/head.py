"""Which head a model has: told by its outputs, asked where they are like several, refused where like none. Pure."""

from __future__ import annotations

import dataclasses

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.question import HEAD, LABELS, Answers
from edgekit.schema.heads.facts import HeadFacts
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.heads.recognise import choose_layout, layouts_of

_BY_HAND = "edgekit init NAME writes a recipe to start from; README, Models and heads, says what to change"


def draft_head(facts: HeadFacts, answers: Answers, model: str) -> HeadLayout | None:
    """The head of a detector; None while it, or its labels, have to be asked for.

    Args:
        facts: the model, with the size that its input gets.
        answers: take the questions.
        model: its file, for messages.

    Raises:
        InputError: it is like no detector's head.
    """
    every = layouts_of(facts)
    found = [one for one in every if one.kind == "detect"]
    if not found and every:
        raise InputError(f"{model} is no detector but like {every[0].words}", hint=_BY_HAND)
    if not found:
        choose_layout(facts, "detect", {}, model)  # says what it is like, or that it is like none
    heads = tuple(dict.fromkeys(one.head for one in found if one.head))
    head = heads[0]
    if facts.classes is None:
        answers.of(dataclasses.replace(LABELS, about=f"{LABELS.about} By its outputs: {_counts(found)}."))
    if len(heads) > 1:
        words = "; ".join(f"{one.head}: {one.words.partition(':')[0]}" for one in found)
        chosen = answers.of(dataclasses.replace(HEAD, about=f"{HEAD.about} {words}.", choices=heads))
        head = next((one for one in heads if one == chosen), head)
    if answers.open:
        return None
    return next(one for one in found if one.head == head)


def _counts(found: list[HeadLayout]) -> str:
    counts = " or ".join(str(count) for count in dict.fromkeys(one.classes for one in found))
    return f"{counts} classes"
