"""Whether all applications of a board fit its memory together, with what their engines take on accelerators. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.host.forecast.memory import MemoryForecast
from edgekit.schema.board import reserve_bytes
from edgekit.schema.control import ApplicationStatus, Status
from edgekit.schema.target import Target
from edgekit.schema.units import format_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardShare:
    """What one application on the board may use, and has used."""

    application: str
    memory_max: int
    peak_bytes: int
    """As its kernel has counted; of the planned one what is foretold."""
    accelerator_bytes: int = 0
    """What its engines take of the same memory beside that, as a profile or the running worker tells."""

    @property
    def most_bytes(self) -> int:
        """All that it may take of the board's memory."""
        return self.memory_max + self.accelerator_bytes

    def __str__(self) -> str:
        beside = f" + {format_bytes(self.accelerator_bytes)} on accelerators" if self.accelerator_bytes else ""
        return f"{self.application} {format_bytes(self.memory_max)}{beside}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSum:
    """All applications of a board."""

    shares: tuple[BoardShare, ...] = ()
    """The planned one first; none where nothing is to be added up."""
    usable_bytes: int = 0
    """What they may use together: the board's memory less its reserve; 0 where that is not known."""

    @property
    def shortage(self) -> str:
        """Why they do not fit together, with the sum; empty: they do."""
        needed = sum(share.most_bytes for share in self.shares)
        if not self.usable_bytes or needed <= self.usable_bytes:
            return ""
        beside = any(share.accelerator_bytes for share in self.shares)
        what = "memory_max of all applications" + (", and what engines take on accelerators," if beside else "")
        cure = "lower limits.memory_max, " + ("take smaller models, " if beside else "") + "or stop one of them"
        return (
            f"{what} is more than the device has for them: {' + '.join(map(str, self.shares))} = "
            f"{format_bytes(needed)} of {format_bytes(self.usable_bytes)}: {cure}"
        )


def add_up(application: str, memory: MemoryForecast, target: Target | None, status: Status | None) -> BoardSum:
    """Add up what applications may take of one board.

    Args:
        application: the planned one.
        memory: what is foretold of it.
        target: what it is planned for, where that is known: says whose account accelerators' memory is in.
        status: the board's; None: it has a board of its target for itself, which the build has seen its `memory_max`
            fit, so that accelerators alone are news.
    """
    apart = target is None or target.accelerators_apart
    own = BoardShare(
        application=application,
        memory_max=memory.memory_max,
        peak_bytes=memory.usual_bytes,
        accelerator_bytes=memory.accelerator_bytes if apart else 0,
    )
    if status is not None:
        shares = (own, *_others(application, status, apart=apart))
        return BoardSum(shares=shares, usable_bytes=_usable_bytes(status.memory_total_bytes))
    if target is not None and own.accelerator_bytes:
        return BoardSum(shares=(own,), usable_bytes=_usable_bytes(target.memory.total_bytes))
    return BoardSum()


def _usable_bytes(total_bytes: int) -> int:
    return total_bytes - reserve_bytes(total_bytes)


def _others(application: str, status: Status, *, apart: bool) -> Iterator[BoardShare]:
    for one in status.applications:
        if one.application != application and one.worker.memory_max:
            yield BoardShare(
                application=one.application,
                memory_max=one.worker.memory_max,
                peak_bytes=one.worker.memory_peak,
                accelerator_bytes=_accelerator_bytes(one) if apart else 0,
            )


def _accelerator_bytes(status: ApplicationStatus) -> int:
    memory = status.report.memory if status.report else None
    return sum(engine.accelerator_bytes or 0 for engine in memory.engines) if memory else 0
