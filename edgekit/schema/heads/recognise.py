"""Recognises the head of a model by its outputs, or says what it may be and what to write. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.errors import InputError
from edgekit.schema.heads.facts import HeadFacts
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.heads.lists import list_layouts
from edgekit.schema.heads.maps import map_layouts
from edgekit.schema.heads.pairs import pair_layouts
from edgekit.schema.heads.pictures import picture_layouts

_FAMILIES = (list_layouts, map_layouts, pair_layouts, picture_layouts)
_CHOICES = ("head", "unit", "activation", "background")
"""Options that tell layouts apart, the one that tells most first."""


def layouts_of(facts: HeadFacts) -> tuple[HeadLayout, ...]:
    """Every head that a model may have; none where no head is like it."""
    return tuple(dict.fromkeys(layout for family in _FAMILIES for layout in family(facts)))


def choose_layout(facts: HeadFacts, kind: str, given: Mapping[str, object], where: str) -> HeadLayout:
    """The one head that a model has.

    Args:
        facts: of the model.
        kind: of the stage that takes its outputs.
        given: options of the stage that say which head it is: `head`, `unit`, `activation`, `background`.
        where: the stage's key in the recipe, for messages.

    Raises:
        InputError: no head is like it, or it may be several: the hint says what to write.
    """
    every = layouts_of(facts)
    alike = [one for one in every if one.kind == kind]
    named = [one for one in alike if given.get("head") in (None, one.head)]
    if not named:
        raise _unlike(facts, kind, every, given, where)
    left = named
    for option in _CHOICES[1:]:
        agreeing = [one for one in left if given.get(option) in (None, getattr(one, option))]
        left = agreeing or left
    if len(left) > 1:
        raise _ambiguous(left, where)
    return left[0]


def _unlike(
    facts: HeadFacts, kind: str, others: tuple[HeadLayout, ...], given: Mapping[str, object], where: str
) -> InputError:
    labels = "" if facts.classes is None else f" with {facts.classes} labels"
    what = f'head "{given["head"]}"' if given.get("head") else f"a head of kind {kind}"
    message = f"{where}: the model's outputs are not those of {what}{labels}: {facts.described}"
    unlabelled = [one for one in layouts_of(_without_classes(facts)) if one.kind == kind] if not others else []
    if others and any(one.kind == kind for one in others):
        hint = f'write head = "{others[0].head}": it is like {others[0].words}'
    elif others:
        hint = f'write kind = "{others[0].kind}": it is like {others[0].words}'
    elif unlabelled:
        counts = " or ".join(str(one.classes) for one in unlabelled)
        hint = f"give {counts} labels, or keypoints their names: it is like {unlabelled[0].words}"
    else:
        hint = "README, Models and heads, has the layouts; a python stage takes any other"
    return InputError(message, hint=hint)


def _ambiguous(left: list[HeadLayout], where: str) -> InputError:
    for option in _CHOICES:
        values = dict.fromkeys(getattr(one, option) for one in left)
        if len(values) > 1:
            words = {getattr(one, option): one.words for one in reversed(left)}
            choices = ", or ".join(f'{option} = "{value}"' + _meaning(option, words[value]) for value in values)
            message = f"{where}: the model's outputs are like several heads: {left[0].words.rpartition(': ')[2]}"
            return InputError(message, hint=f"write {choices}")
    counts = " or ".join(str(count) for count in dict.fromkeys(one.classes for one in left))
    return InputError(f"{where}: the model has {counts} classes, by what its outputs mean", hint="write its labels")


def _meaning(option: str, words: str) -> str:
    return f" ({words.partition(':')[0]})" if option == "head" else ""


def _without_classes(facts: HeadFacts) -> HeadFacts:
    return HeadFacts(
        outputs=facts.outputs,
        width_px=facts.width_px,
        height_px=facts.height_px,
        metadata=facts.metadata,
        keypoints=facts.keypoints,
        keypoint_values=facts.keypoint_values,
    )
