"""Golden frames of a release, run beside the one whose place it shall take: one that fails them stops nothing.

All of it is before an activation begins, and in memory alone. Whatever ends the keeper leaves the board as it was, and
the next keeper ends what is left in the leaf.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from edgekit.device.keeper.context import KeeperContext
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.incidents.release_notes import ReleaseNotes, SeenFailure
from edgekit.device.keeper.open_tickets import title
from edgekit.device.keeper.process.post import golden_post
from edgekit.device.keeper.process.supervisor import Ended, Reported, Supervisor
from edgekit.device.keeper.process.worker_exit import Exit
from edgekit.device.keeper.update.folders import ApplicationFolders
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import Cause, EdgekitError, RolloutError
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.message import NewerWord
from edgekit.schema.report import Report
from edgekit.schema.units import format_bytes

_TELLING: frozenset[Cause | NewerWord] = frozenset({"golden", "missing_library", "engine_version", "bad_model"})
"""What a worker fails for wherever it runs. Anything else may come of what runs beside it."""
_ENGINE_SHARE = 2
"""An accelerator's memory is in no cgroup's account: so many times an engine's file is counted for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedActivation:
    """An activation that somebody waits for."""

    release: Release
    ticket: Ticket
    notes: tuple[str, ...]
    """What they should know meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenOutcome:
    """How golden frames went beside the old release."""

    refused: SeenFailure | None = None
    unknown: str = ""
    """Why they came to no end: they have to be run after the switch."""


def why_not_beside(release: Release, available_bytes: int, reserve_bytes: int) -> str:
    """Why a release cannot run its golden frames beside the one that runs; empty where it can.

    Args:
        release: the new one.
        available_bytes: memory that is free or can be freed now; 0 where the kernel does not say.
        reserve_bytes: what is the system's and the keeper's.
    """
    if not available_bytes:
        return "the kernel does not say how much memory is free"
    needed, free = _needed_bytes(release), max(0, available_bytes - reserve_bytes)
    if needed > free:
        return f"they may take {format_bytes(needed)} of memory, and {format_bytes(free)} are free beside the reserve"
    return ""


def _needed_bytes(release: Release) -> int:
    """`memory_max`, and what lies with an accelerator's driver. NPU and GPU themselves are shared out by their drivers
    among processes: an inference of the one waits for one of the other, and no more."""
    needed = release.plan.limits.memory_max
    for engine in release.plan.engines.values():
        if engine.runner != "onnxruntime":
            with suppress(OSError):
                needed += _ENGINE_SHARE * (release.path / engine.path).stat().st_size
    return needed


class GoldenTrial:
    """One of them, from its start to its end. The keeper's loop turns it."""

    def __init__(self, asked: AskedActivation, beside: ReleaseRef, context: KeeperContext) -> None:
        """Start it with the next step.

        Args:
            asked: what shall be activated.
            beside: what runs, and goes on.
            context: the keeper's.
        """
        self.asked = asked
        self.beside = beside
        self.called_off = False
        self._notes = ReleaseNotes(asked.release.ref.application, context)
        self._context = context
        self._outcome: GoldenOutcome | None = None
        self._post = golden_post(asked.release.ref.application, context.layout)
        self.supervisor = Supervisor(self._post, context.layout, context.limiter, context.workers)
        self._folders = ApplicationFolders(context.layout, context.disk)
        self._folders.forget_golden(self._post.application)
        self._notes.begin()
        self.supervisor.start(_golden_alone(asked.release))
        asked.ticket.state("activating", f"activating: {self.summary()}")

    @property
    def over(self) -> bool:
        """Whether it has come to an end, and nothing of it is left that could be ended."""
        return self._outcome is not None and (self.supervisor.stopped or bool(self.supervisor.stuck))

    def summary(self) -> str:
        """What is going on, in words."""
        return f"trying golden frames of {title(self.asked.release.ref)} beside {title(self.beside)}"

    def step(self) -> None:
        """Look at it."""
        for event in self.supervisor.step():
            match event:
                case Reported(report=report):
                    self._heard(report)
                case Ended(exit=exit_):
                    self._decide(GoldenOutcome(unknown=self._why(exit_)))

    def call_off(self, error: EdgekitError) -> None:
        """Come to nothing: whoever waits for the activation is told why."""
        self.called_off = True
        self._decide(GoldenOutcome())
        self.asked.ticket.fail(error)

    def settle(self, go_on: Callable[[AskedActivation], None]) -> ReleaseFailure | None:
        """Clear up, and go on with the activation or refuse it; once it is over.

        Args:
            go_on: begins the activation.

        Returns:
            Why it is refused, if it is: on record, and told to whoever waits.
        """
        assert self._outcome is not None
        self._context.limiter.forget(self._post.name)
        self._folders.forget_golden(self._post.application)
        if self.called_off:
            return None
        ref, refused, unknown = self.asked.release.ref, self._outcome.refused, self._outcome.unknown
        if self.supervisor.stuck:
            refused = SeenFailure(kind="refused", reason=self.supervisor.stuck, hint="reboot the device")
        if refused is None:
            if unknown:
                text = f"golden frames of {title(ref)} run after the switch; beside {title(self.beside)}: {unknown}"
                self._context.journal.write(f"keeper: {text}", ref.application)
                self.asked = replace(self.asked, notes=(*self.asked.notes, text))
            go_on(self.asked)
            return None
        failure = self._notes.failed(ref, refused)
        message = f"{ref.application} {ref.version} was refused: {refused.reason}; {title(self.beside)} ran on"
        hint = refused.hint or "edgekit logs shows more; mend the recipe, build and deploy again"
        self._context.journal.write(f"keeper: {message}", ref.application)
        self.asked.ticket.fail(RolloutError(message, hint=hint, details="\n".join(failure.log_tail)))
        return failure

    def _heard(self, report: Report) -> None:
        if report.golden == "passed":
            self._decide(GoldenOutcome())
        elif report.golden:
            seen = SeenFailure(kind="refused", reason=f"golden frames {report.golden}", cause="golden", report=report)
            self._decide(GoldenOutcome(refused=replace(seen, hint=report.hint)))
        elif report.phase == "failed" and report.cause in _TELLING:
            seen = SeenFailure(kind="refused", reason=report.message, cause=report.cause, report=report)
            self._decide(GoldenOutcome(refused=replace(seen, hint=report.hint)))

    def _why(self, exit_: Exit) -> str:
        """Why the process ended before it had anything to say of golden frames."""
        limit_s = self.asked.release.plan.health.start_s
        late = exit_.figures.get("ran_s", 0.0) >= limit_s
        return f"they were not through within start_s {limit_s:g}" if late else exit_.reason

    def _decide(self, outcome: GoldenOutcome) -> None:
        """The first one counts, and ends it."""
        if self._outcome is None:
            self._outcome = outcome
        if self.supervisor.process and not self.supervisor.process.stopping:
            self.supervisor.process.kill("has run its golden frames")
        self.supervisor.stop()


def _golden_alone(release: Release) -> Release:
    """As its worker is started for golden frames: no camera, sink, network or client, and until `start_s` at most."""
    plan = release.plan
    limits = replace(plan.limits, network="none", isolate=False)
    health = replace(plan.health, stall_s=plan.health.start_s)
    alone = replace(plan, sources={}, sinks={}, lanes={}, serve=None, limits=limits, health=health)
    return replace(release, plan=alone)
