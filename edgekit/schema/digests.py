"""Digests by their beginnings: both sides of a transfer have the manifest, so a few digits tell its blobs apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise

DIGEST_CHARS = 64
"""Of a whole SHA-256 in hex."""
_LEAST_CHARS = 8


class DigestIndex:
    """Digests that are found by how they begin."""

    def __init__(self, digests: Iterable[str]) -> None:
        self._sorted = sorted(digests)

    def find(self, begin: str) -> str | None:
        """The one digest that begins so; None where there is none, or are several."""
        at = bisect_left(self._sorted, begin)
        found = [digest for digest in self._sorted[at : at + 2] if digest.startswith(begin)]
        return found[0] if len(found) == 1 and is_digest_begin(begin) else None

    @property
    def distinct_chars(self) -> int:
        """How many characters tell each of them from all others."""
        alike = max((_common(one, other) for one, other in pairwise(self._sorted)), default=0)
        return max(_LEAST_CHARS, alike + 1)


def is_digest_begin(text: str) -> bool:
    """Whether a text can stand for a digest: long enough, and of what may be part of a path."""
    return _LEAST_CHARS <= len(text) <= DIGEST_CHARS and set(text) <= set("0123456789abcdef")


def _common(one: str, other: str) -> int:
    return next((at for at, (first, second) in enumerate(zip(one, other, strict=False)) if first != second), len(one))
