"""What does not fit, in words: value found, value needed, cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that does not fit."""

    severity: Literal["refuse", "warn"]
    subject: str
    found: str
    needed: str
    """Empty where it is needed to be there at all."""
    cure: str

    def __str__(self) -> str:
        """`libc is 2.31, needed is 2.36 or newer: ...`, or `ssh-keygen is not there: ...`."""
        needed = f", needed is {self.needed}" if self.needed else ""
        return f"{self.subject} is {self.found or 'not there'}{needed}: {self.cure}"


def refuse(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    """A reason to refuse, unless it fits."""
    return None if fits else Finding(severity="refuse", subject=subject, found=found, needed=needed, cure=cure)


def warn(fits: bool, subject: str, found: str, needed: str, cure: str) -> Finding | None:
    """A reason to warn, unless it fits."""
    return None if fits else Finding(severity="warn", subject=subject, found=found, needed=needed, cure=cure)
