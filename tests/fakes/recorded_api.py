"""The recorded Python API of TensorRT, version by version: what is there, and what it takes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "cases/tensorrt-api.json"
SUPPORTED = (
    "8.6.1",
    "10.3.0",
    "10.7.0",
    "10.16.1.11",
    "11.0.0.114",
    "11.1.0.106",
    "11.2.1.2",
    "11.3.0.99",
    "11.4.0.106",
)
"""Versions that one code path shall serve. JetPack 6.0 has 8.6, 6.1 and 6.2 have 10.3, 7.2 has 10.16."""


@lru_cache
def recorded() -> dict[str, Any]:
    return json.loads(FILE.read_text())


@dataclass(frozen=True)
class Signature:
    """One overload: names in order, those that may be left out."""

    names: tuple[str, ...]
    optional: frozenset[str]

    def takes(self, positional: int, keywords: frozenset[str]) -> bool:
        if positional > len(self.names) or not keywords <= set(self.names[positional:]):
            return False
        return all(name in keywords or name in self.optional for name in self.names[positional:])


def parse(text: str) -> Signature:
    """`(flags: int = 0) -> INetworkDefinition`."""
    inside = re.match(r"\((.*?)\)(?: ->|$)", text)
    assert inside, text
    parts = re.split(r", (?=\w+(?:[:=]|$|,))", inside[1]) if inside[1] else []
    names = tuple(re.split(r"[: =]", part)[0] for part in parts)
    return Signature(names=names, optional=frozenset(n for n, part in zip(names, parts, strict=True) if "=" in part))


class Api:
    """One version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._order = recorded()["versions"]
        assert version in self._order, version

    def _within(self, span: str) -> bool:
        first, _, last = span.partition(" .. ")
        index = self._order.index
        return index(first) <= index(self.version) <= index(last or first)

    def _run(self, runs: list[dict[str, Any]]) -> dict[str, Any] | None:
        return next((run for run in runs if self._within(run["in"])), None)

    def has_class(self, name: str) -> bool:
        return name in recorded()["classes"]

    def member(self, cls: str, name: str) -> dict[str, Any] | None:
        """The run of a member, or None where this version lacks it."""
        return self._run(recorded()["classes"].get(cls, {}).get(name, []))

    def class_is_there(self, cls: str) -> bool:
        return any(self.member(cls, name) for name in recorded()["classes"].get(cls, {}))

    def signatures(self, cls: str, name: str) -> tuple[Signature, ...]:
        run = self.member(cls, name)
        return tuple(parse(text) for text in run.get("sig", ())) if run else ()

    def function(self, name: str) -> tuple[Signature, ...]:
        run = self._run(recorded()["functions"].get(name, []))
        return tuple(parse(text) for text in run["sig"]) if run else ()

    def enum(self, name: str) -> dict[str, int]:
        """Members and values; empty where there is no such enumeration."""
        found = recorded()["enums"].get(name, {})
        return {member: value for member, spans in found.items() for span, value in spans.items() if self._within(span)}
