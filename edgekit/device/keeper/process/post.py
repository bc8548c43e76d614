"""Where a worker of an application runs, and what for: as its worker, or for its golden frames alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.layout import Layout

_OOM_SCORE, _GOLDEN_OOM_SCORE = 500, 1000
"""Where memory runs out the kernel ends the highest first. Source: proc_pid_oom_score_adj(5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One process at a time runs there, with what it starts."""

    application: str
    work: Path
    """Where it may write."""
    owned_as: Path
    """The folder whose owner it runs as: the application's own."""
    golden_only: bool = False
    """Whether it runs golden frames and ends, beside the application's worker, and gives way to that."""

    @property
    def name(self) -> str:
        """Of its leaf, and of the note about its process. No application's name has a dot."""
        return f"{self.application}.golden" if self.golden_only else self.application

    @property
    def oom_score(self) -> int:
        """Before the system's services, and what runs beside a worker before that."""
        return _GOLDEN_OOM_SCORE if self.golden_only else _OOM_SCORE


def usual_post(application: str, layout: Layout) -> Post:
    """Of the application's worker."""
    work = layout.work(application)
    return Post(application=application, work=work, owned_as=work)


def golden_post(application: str, layout: Layout) -> Post:
    """Of what runs golden frames beside it."""
    work, owned_as = layout.golden_work(application), layout.work(application)
    return Post(application=application, work=work, owned_as=owned_as, golden_only=True)
