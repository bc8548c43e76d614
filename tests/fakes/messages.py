"""Any value that a schema type admits, and messages as a newer side would send them."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st

from edgekit.schema.bounds import Between, Length, Matches
from edgekit.schema.field_types import bounds_of, hints
from edgekit.schema.units import Bytes, CpuList, Cpus

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DATA = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=5
)
_CPUS = st.lists(st.integers(0, 63), unique=True, min_size=1, max_size=4).map(lambda cpus: Cpus(tuple(sorted(cpus))))


def values_of(full: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, within its bounds."""
    kind, bounds = bounds_of(full)
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclasses(kind)
    if kind in (Bytes, Cpus, CpuList):
        return st.integers(1 << 20, 1 << 40).map(Bytes) if kind is Bytes else _CPUS
    if kind is Any or kind is object:
        return DATA
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if part is type(None) else values_of(part) for part in arguments))
    least, most = next(((bound.minimum, bound.maximum) for bound in bounds if isinstance(bound, Length)), (0, None))
    most = max(2, least) if most is None else min(most, max(2, least))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), min_size=least, max_size=most).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), min_size=least, max_size=most)
    return _plain(kind, bounds)


def _plain(kind: Any, bounds: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    for bound in bounds:
        if isinstance(bound, Matches):
            return st.from_regex(bound.pattern, fullmatch=True).filter(bound.admits)
    found: st.SearchStrategy[Any] = {str: TEXT, bool: st.booleans(), int: st.integers(-(2**60), 2**60)}.get(
        kind, st.floats(-1e15, 1e15)
    )
    for bound in bounds:
        if isinstance(bound, Between):
            low = bound.minimum if bound.minimum is not None else bound.above if bound.above is not None else -(2**60)
            high = bound.maximum if bound.maximum is not None else 2**60
            numbers = st.integers(int(low), int(high)) if kind is int else st.floats(float(low), float(high))
            found = numbers.filter(bound.admits)
    return found


def _dataclasses(cls: Any) -> st.SearchStrategy[Any]:
    required, optional = {}, {}
    for field in dataclasses.fields(cls):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        (optional if has_default else required)[field.name] = st.deferred(
            lambda name=field.name: values_of(hints(cls)[name])  # type: ignore[misc]
        )
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: cls(**values))


def with_more(value: Any, raw: Any, extra: dict[str, Any]) -> Any:
    """What a newer side would send for `value`: `raw` with further keys in every table that a dataclass stands for."""
    if dataclasses.is_dataclass(value):
        known = {key: with_more(getattr(value, key, None), item, extra) for key, item in raw.items()}
        return {**extra, **known}
    if isinstance(value, dict):
        return {key: with_more(value[key], item, extra) for key, item in raw.items()}
    if isinstance(value, (tuple, list)):
        return [with_more(one, item, extra) for one, item in zip(value, raw, strict=True)]
    return raw
