"""Settings in recipe.toml: finds the places that refer to one, and puts what the build checks with into them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.schema.problem import Problem, closest_of, join_key
from edgekit.schema.reader import from_raw, problems_in
from edgekit.schema.settings import NEVER_SET, REFERENCE, Setting, SettingPlace, TextSetting, is_secret, stand_in

_WHERE = "settings stand for values of sources, of stages' options, of sinks and of serve"
_DEEP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledRecipe:
    """A recipe's table with a value in each place that refers to a setting."""

    raw: dict[str, Any]
    places: tuple[SettingPlace, ...] = ()
    """In the plan's words: without `pipeline` before them."""
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Filling:
    file: str
    declared: Mapping[str, Setting]
    places: list[SettingPlace] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, key: str, expected: str, closest: str = "") -> None:
        self.problems.append(Problem(file=self.file, key=key, expected=expected, closest=closest))


def fill_settings(raw: dict[str, Any], file: str) -> FilledRecipe:
    """Put each setting's default or example where the recipe refers to it.

    Args:
        raw: recipe.toml as parsed. Where its `settings` cannot be read, the reader of the whole says why.
        file: for problems.
    """
    declarations = raw.get("settings", {})
    kind = dict[str, Setting]
    if problems_in(kind, declarations, file, key="settings"):
        return FilledRecipe(raw=raw)
    filling = _Filling(file=file, declared=from_raw(kind, declarations, file))
    filled = {key: value if key == "settings" else _fill(value, (key,), filling) for key, value in raw.items()}
    used = {place.setting for place in filling.places}
    for name, setting in filling.declared.items():
        _check(name, setting, filling, used=name in used)
    return FilledRecipe(raw=filled, places=tuple(filling.places), problems=tuple(filling.problems))


def _check(name: str, setting: Setting, filling: _Filling, *, used: bool) -> None:
    key = join_key("settings", name)
    if is_secret(setting) and setting.default is not None:
        filling.note(f"{key}.default", "a secret has no default: every release would hold it")
    elif stand_in(setting) is None:
        wanted = "a default, or an example that the build checks the recipe with"
        filling.note(
            f"{key}.{'example' if isinstance(setting, TextSetting) else 'default'}", f"missing; expected {wanted}"
        )
    if not used:
        filling.note(key, f'nothing refers to it: write {{ {REFERENCE} = "{name}" }} where its value goes')


def _fill(value: Any, keys: tuple[str, ...], filling: _Filling) -> Any:
    """A value with all that it refers to; `keys` lead there from the file's top."""
    if isinstance(value, dict) and set(value) == {REFERENCE} and isinstance(value[REFERENCE], str):
        return _refer(value, keys, filling)
    if isinstance(value, dict) and len(keys) < _DEEP:
        return {key: _fill(inner, (*keys, key), filling) for key, inner in value.items()}
    if isinstance(value, list) and any(_refers(item) for item in value):
        filling.note(_key(keys), f"a setting stands for a whole value, not for an entry of a list; {_WHERE}")
    return value


def _refers(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {REFERENCE}


def _refer(value: dict[str, Any], keys: tuple[str, ...], filling: _Filling) -> Any:
    name, key = value[REFERENCE], _key(keys)
    setting = filling.declared.get(name)
    if setting is None:
        expected = f"there is no [settings.{name}]" if name.isidentifier() else f"there is no setting {name!r}"
        filling.note(f"{key}.{REFERENCE}", expected, closest_of(name, filling.declared))
        return value
    if not _may_be_set(keys):
        filling.note(key, f"cannot be a setting: it is the same on every board; {_WHERE}")
    filling.places.append(SettingPlace(setting=name, keys=keys[1:] if keys[0] == "pipeline" else keys))
    found = stand_in(setting)
    return value if found is None else found


def _may_be_set(keys: tuple[str, ...]) -> bool:
    """`pipeline.sources.NAME.KEY`, `pipeline.stages.NAME.options.KEY`, `pipeline.sinks.NAME.KEY`, `serve.KEY`."""
    match keys:
        case ("pipeline", "stages", _, "options", _, *_):
            return True
        case ("pipeline", "sources" | "sinks", _, key, *_):
            return key not in NEVER_SET
        case ("serve", key):
            return key not in NEVER_SET
    return False


def _key(keys: tuple[str, ...]) -> str:
    path = ""
    for key in keys:
        path = join_key(path, key)
    return path
