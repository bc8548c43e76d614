"""Random files as users write them, made from the schema's types: right ones, and right ones with one thing changed."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st

from edgekit.schema.bounds import Between, Length, Matches
from edgekit.schema.field_types import bounds_of, hints
from edgekit.schema.units import Bytes, CpuList, Cpus, SmallestUnit

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 8, 255, 256, 1024, 1025, 4096, 4097, 8193, 10**6 + 1, 2**53, -(2**40)])
FLOATS = st.sampled_from([-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 1e7, 1e300, -1e300, 86400.5])
SIZES = st.sampled_from(
    ["1B", "999", "0", "1K", "1kB", "0.9K", "400MiB", "1.5 GiB", "999999GB", "1000000GB", "much", ""]
)
CPUS = st.sampled_from(["0", "0-3,6", "6-4", "0,0", "4096", "a", "", "0-", " 1 , 2 ", "00001"])
PLAIN = st.booleans() | NUMBERS | FLOATS | TEXT | SIZES | CPUS
ANY = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=3
)


def written(kind: Any) -> st.SearchStrategy[Any]:
    """Values that a type takes, as TOML gives them."""
    kind, bounds = bounds_of(kind)
    if kind is Bytes:
        least = next((bound.least for bound in bounds if isinstance(bound, SmallestUnit)), 0)
        return st.integers(least, 2**50 - 1) | st.sampled_from(["1MB", "400MiB", "1.5 GiB", "999999 gb"])
    if kind in (Cpus, CpuList):
        numbers = st.lists(st.integers(0, 4095), min_size=1, max_size=4)
        return numbers | st.sampled_from(["0", "0-3,6", "6-4", "0,0"]) | (st.just(3) if kind is Cpus else st.nothing())
    if dataclasses.is_dataclass(kind):
        return st.deferred(lambda: _table(kind))
    plain: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
        str: lambda: _text(bounds),
        bool: st.booleans,
        int: lambda: st.integers(*_range(bounds)),
        float: lambda: st.floats(*_range(bounds)).filter(lambda number: all(one.admits(number) for one in bounds)),
        Any: lambda: ANY,
    }
    if kind in plain:
        return plain[kind]()
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([written(part) for part in arguments if part is not type(None)])
    lengths = next((bound for bound in bounds if isinstance(bound, Length)), Length())
    most = min(lengths.minimum + 2, lengths.maximum if lengths.maximum is not None else 99)
    if origin is dict:
        return st.dictionaries(written(arguments[0]), written(arguments[1]), min_size=lengths.minimum, max_size=most)
    return st.lists(written(arguments[0]), min_size=lengths.minimum, max_size=most)


def _table(cls: Any) -> st.SearchStrategy[dict[str, Any]]:
    required, optional = {}, {}
    for field in dataclasses.fields(cls):
        must = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        (required if must else optional)[field.name] = written(hints(cls)[field.name])
    return st.fixed_dictionaries(required, optional=optional)


def _range(bounds: tuple[Any, ...]) -> tuple[float | None, float | None]:
    for bound in bounds:
        if isinstance(bound, Between):
            return (bound.minimum if bound.above is None else bound.above), bound.maximum
    return None, None


def _text(bounds: tuple[Any, ...]) -> st.SearchStrategy[str]:
    for bound in bounds:
        if isinstance(bound, Matches):
            return st.from_regex(bound.pattern, fullmatch=True, alphabet=st.characters(max_codepoint=0x2FF))
    return TEXT


@st.composite
def changed(draw: st.DrawFn, files: st.SearchStrategy[Any]) -> Any:
    """A file with one thing changed, which may still be right."""
    raw = copy.deepcopy(draw(files))
    places = list(_places(raw))
    if not places:
        return raw
    holder, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(["drop", "other", "rename", "twice", "near"])):
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[draw(TEXT)] = holder.pop(key)
        case "twice" if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case "near" if isinstance(holder[key], str):
            text = holder[key]
            holder[key] = draw(st.sampled_from([text + "\n", text + " ", "/" + text, text[1:], text.upper(), text * 9]))
        case "near" if type(holder[key]) in (int, float):
            holder[key] = draw(st.sampled_from([-holder[key], holder[key] + 0.5, float(holder[key])]))
        case _:
            holder[key] = draw(ANY)
    return raw


def _places(raw: Any) -> Any:
    """Every table or list with every key or index in it, outermost first."""
    keys = list(raw) if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
    for key in keys:
        yield raw, key
        yield from _places(raw[key])
