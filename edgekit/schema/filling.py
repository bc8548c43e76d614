"""Puts a board's settings into a plan, and says what is wrong with them. Pure: host, keeper and worker use it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from edgekit.schema.field_types import hints, tagged
from edgekit.schema.message import from_message_data, message_problems, to_message_data
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.problem import Problem, raise_problems
from edgekit.schema.reader import problems_in
from edgekit.schema.settings import SettingPlace, complete, faults_in, is_secret
from edgekit.schema.stages import RecipeStage

_HINT = "edgekit settings show DEVICE lists them; fleet.toml gives them"


def fill_plan(plan: WorkerPlan, given: Mapping[str, object], origin: str, *, hint: str = "") -> WorkerPlan:
    """The plan with a board's own values in their places.

    Args:
        plan: as it lies in the release.
        given: the board's values by the settings' names; those with a default may be left out.
        origin: whose they are, for people.
        hint: where they are mended; empty: `edgekit settings show`.

    Raises:
        InputError: every value that is missing, unknown, of another kind, or outside its place's bounds.
    """
    hint = hint or _HINT
    raise_problems(faults_in(plan.settings, given, origin), hint=hint)
    values, raw = complete(plan.settings, given), to_message_data(plan)
    for place in plan.places:
        _put(raw, place, values[place.setting])
    raise_problems(_of_settings(plan, message_problems(WorkerPlan, raw, origin)), hint=hint)
    return from_message_data(WorkerPlan, raw, origin)


def check_options(plan: WorkerPlan, origin: str, *, hint: str = "") -> None:
    """See that a filled plan's values fit the options of the built-in stages, which are open tables in a plan.

    For hosts: a keeper may be older than the release, whose worker brings kinds and options that it does not know.

    Raises:
        InputError: every value that is of another kind or outside its option's bounds.
    """
    found: list[Problem] = []
    for stage in plan.stages:
        options = _options_types().get(stage.kind)
        if options is not None:
            found += problems_in(options, stage.options, origin, key=f"stages.{stage.name}.options")
    raise_problems(_of_settings(plan, found), hint=hint or _HINT)


def _put(raw: dict[str, Any], place: SettingPlace, value: object) -> None:
    *folders, last = place.keys
    table: Any = raw
    for key in folders:
        if isinstance(table, list):
            table = next(entry for entry in table if entry["name"] == key)
        else:
            table = table.setdefault(key, {})
    table[last] = value


@functools.cache
def _options_types() -> dict[str, type]:
    members = tagged(get_args(RecipeStage))
    found = {kind: hints(member).get("options") for kind, member in members.items()}
    return {kind: options for kind, options in found.items() if isinstance(options, type)}


def _of_settings(plan: WorkerPlan, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Those that lie in a setting's place, by the setting's name; a secret's value is not told."""
    for problem in problems:
        for place in plan.places:
            key = ".".join(place.keys)
            if problem.key == key or problem.key.startswith((f"{key}.", f"{key}[")):
                expected = problem.expected
                if is_secret(plan.settings[place.setting]):
                    expected = expected.partition(", found ")[0] + ", found something else"
                yield Problem(file=problem.file, key=place.setting, expected=expected)
