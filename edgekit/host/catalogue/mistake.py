"""What a rule finds wrong in a recipe."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """One mistake."""

    key: str
    expected: str
    closest: str = ""
