"""Workers' own figures, put together for one scrape: each line is checked, and says whose it is.

A worker is whatever a release brings. So only lines that are right are let through, under names that are not the
keeper's, and each gets the label `application` here: none can speak for another, break the text or make it endless.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

MAX_WORKER_CHARACTERS = 512 << 10
"""Of one worker's text; the rest is left out."""
MAX_BYTES = 1536 << 10
"""Of all workers' texts together: an answer of the keeper is one line of 4 MiB at most, and JSON doubles quotes."""
_MAX_LINE = 4096
_HEAD = re.compile(r"# (HELP|TYPE) (edgekit_[a-z0-9_]{1,120}) ([^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,300})", re.ASCII)
_PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|\\["\\n])*"'
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|Inf)|NaN"
_SAMPLE = re.compile(rf"(edgekit_[a-z0-9_]{{1,120}})(?:\{{({_PAIR}(?:,{_PAIR})*)?\}})? ({_NUMBER})", re.ASCII)
_OWN = re.compile(r'(?:^|,)application="', re.ASCII)
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
}
_KEEPERS = ("edgekit_board_", "edgekit_keeper_", "edgekit_worker_")
"""What names of the keeper's families begin with, beside those that it has now."""


@dataclass(slots=True, kw_only=True)
class _WorkerFamily:
    help: str
    kind: str = ""
    lines: list[str] = field(default_factory=list)


class WorkerTexts:
    """Families of all workers' figures."""

    def __init__(self, taken: Collection[str]) -> None:
        """Know of none yet; `taken` are names of the keeper's own families."""
        self._taken = frozenset(taken)
        self._families: dict[str, _WorkerFamily] = {}
        self._bytes = 0

    def add(self, application: str, text: str) -> int:
        """Take a worker's figures.

        Args:
            application: whose they are; a valid name.
            text: in Prometheus's text format, as far as it is right.

        Returns:
            How many lines were left out.
        """
        cut = text[:MAX_WORKER_CHARACTERS]
        lines = cut.split("\n")
        refused = 0
        if len(cut) < len(text):
            lines.pop()  # not whole: its end is counted among those that follow
            refused = text.count("\n", len(cut))
        label, current, seen = f'application="{application}"', "", set[str]()
        for line in lines:
            if line.startswith("#"):
                current, right = self._head(line, current)
            else:
                right = not line or self._sample(line, current, label, seen)
            refused += not right
        return refused

    def lines(self) -> Iterator[str]:
        """The text, a family after the other."""
        for name, family in self._families.items():
            if family.kind and family.lines:
                yield f"# HELP {name} {family.help}"
                yield f"# TYPE {name} {family.kind}"
                yield from family.lines

    def _head(self, line: str, current: str) -> tuple[str, bool]:
        """The family that follows, and whether the line is right."""
        found = _HEAD.fullmatch(line)
        if found is None or not self._is_free(found[2]):
            return "", False
        what, name, words = found.groups()
        family = self._families.setdefault(name, _WorkerFamily(help=""))
        if what == "HELP":
            family.help = family.help or words
            return name, True
        if name != current or words not in _SUFFIXES or family.kind not in ("", words):
            return "", False
        if not family.kind:
            family.kind = words
            self._count(f"# HELP {name} {family.help}\n# TYPE {name} {words}")
        return name, True

    def _sample(self, line: str, current: str, label: str, seen: set[str]) -> bool:
        family = self._families.get(current)
        found = _SAMPLE.fullmatch(line) if len(line) <= _MAX_LINE else None
        if family is None or found is None or not family.kind:
            return False
        name, labels, value = found.groups()
        series = f"{name}{{{labels}"
        if name not in {f"{current}{suffix}" for suffix in _SUFFIXES[family.kind]} or series in seen:
            return False
        made = f"{name}{{{label}{',' if labels else ''}{labels or ''}}} {value}"
        if (labels and _OWN.search(labels)) or not self._count(made):
            return False
        seen.add(series)
        family.lines.append(made)
        return True

    def _count(self, line: str) -> bool:
        """Whether there is room for a line."""
        taken = len(line) + 1 if line.isascii() else len(line.encode()) + 1
        if self._bytes + taken > MAX_BYTES:
            return False
        self._bytes += taken
        return True

    def _is_free(self, name: str) -> bool:
        return name not in self._taken and not name.startswith(_KEEPERS)
