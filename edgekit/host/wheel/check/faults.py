"""What can be wrong with a wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FaultCode = Literal[
    "not-a-wheel",
    "bomb",
    "path-escape",
    "record",
    "metadata",
    "tag",
    "truncated",
    "machine",
    "glibc",
    "libstdcxx",
    "library",
    "rpath",
    "abi",
    "alignment",
    "executable-stack",
    "text-relocations",
]

Severity = Literal["refuse", "warn", "note"]

_AGAIN = "get it again; if it was made so, tell those who made it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that a target could not load, or that is not what it says."""

    package: str
    """Name and version: `lap 0.5.13`."""
    file: str
    """Path inside the package; empty: the whole wheel."""
    code: FaultCode
    message: str
    """A sentence without the package's name: `asks for GLIBC_2.38 (hypot of libm.so.6), the target has 2.36`."""
    hint: str
    severity: Severity = "refuse"
    """`warn`: it is untidy, and loads all the same. `note`: no fault, but something that is not for the target."""

    def __str__(self) -> str:
        """For people: `lap 0.5.13: _lapjv.so asks for ...`."""
        return f"{self.package}: {self.file} {self.message}" if self.file else f"{self.package}: {self.message}"


class Faults:
    """Gathers the faults of one package."""

    def __init__(self, package: str) -> None:
        self.package = package
        self._found: list[Fault] = []

    @property
    def found(self) -> tuple[Fault, ...]:
        """All so far."""
        return tuple(self._found)

    def add(
        self,
        code: FaultCode,
        message: str,
        file: str = "",
        hint: str = _AGAIN,
        *,
        severity: Severity = "refuse",
    ) -> None:
        """One more."""
        fault = Fault(package=self.package, file=file, code=code, message=message, hint=hint, severity=severity)
        self._found.append(fault)
