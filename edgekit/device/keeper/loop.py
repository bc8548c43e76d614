"""The keeper's loop: the only thread that decides what runs, for all applications of the board.

Connections post what they want and wait for the answer on a `Ticket`; everybody may look through `view` at any time.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from edgekit.device.keeper.admission import (
    MAX_APPLICATIONS,
    BoardMemory,
    Claimed,
    check_accelerators,
    check_memory,
    claim_of,
    claim_of_offer,
    doubts,
)
from edgekit.device.keeper.application import Application
from edgekit.device.keeper.context import ApplicationView, KeeperContext
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.notify import Notifier
from edgekit.device.keeper.process.accounts import LeafAccounts
from edgekit.device.keeper.process.life import WorkerProcess
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.update.clearing_out import References
from edgekit.device.keeper.update.folders import ApplicationFolders
from edgekit.device.keeper.update.releases import Release
from edgekit.device.keeper.waker import Waker
from edgekit.errors import EdgekitError, NothingSelected, RolloutError, Unreachable
from edgekit.schema.control import ReleaseRef
from edgekit.schema.manifest import Requires

_TURN_S, _BUSY_TURN_S = 10.0, 0.5
_STANDSTILL_S = 5.0
"""A sleep that lasts so much longer than it should is the whole machine's: a paused or starved board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperView:
    """What can be seen of the keeper from outside, now."""

    applications: tuple[ApplicationView, ...]
    """Sorted by name."""
    memory: BoardMemory
    uptime_s: float


class Keeper:
    """Runs what the applications' saved states want. They share nothing but this thread, store and memory."""

    def __init__(self, context: KeeperContext, notifier: Notifier) -> None:
        self._context = context
        self._notifier = notifier
        self._clock = context.clock
        self._began_s = context.clock()
        self.waker = Waker()
        self.folders = ApplicationFolders(context.layout, context.disk)
        self._posted: SimpleQueue[tuple[Callable[[Ticket], None], Ticket]] = SimpleQueue()
        self._closing = False
        self._faults: dict[str, str] = {}
        self._applications: dict[str, Application] = {}
        """Replaced and never changed in place: other threads read it."""
        for name in self.folders.names():
            self._applications[name] = Application(name, context)

    def view(self) -> KeeperView:
        """For any thread; never waits."""
        applications = self._applications
        return KeeperView(
            applications=tuple(applications[name].view() for name in sorted(applications)),
            memory=self._context.memory,
            uptime_s=self._clock() - self._began_s,
        )

    def references(self) -> References:
        """Which releases applications need; for any thread."""
        applications = self._applications.values()
        return References(
            digests=frozenset().union(*(application.references for application in applications)),
            lost=frozenset(application.name for application in applications if application.lost),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the applications, sorted; for any thread."""
        return tuple(sorted(self._applications))

    def application(self, name: str) -> Application | None:
        """One application, for a look at it; for any thread."""
        return self._applications.get(name)

    def current(self, name: str) -> ReleaseRef | None:
        """The committed release of an application; for any thread."""
        found = self._applications.get(name)
        return found.state.current if found else None

    def runs_badly(self, application: str, digest: str) -> bool:
        """Whether a release is an application's committed one, and its worker not healthy; for any thread."""
        found, current = self._applications.get(application), self.current(application)
        return bool(found and current and current.digest == digest and found.view().unhealthy_because)

    def workers(self) -> tuple[WorkerProcess, ...]:
        """Those that live now; for any thread."""
        found = (application.supervisor.process for application in self._applications.values())
        return tuple(process for process in found if process is not None)

    def pressures(self) -> dict[str, float]:
        """By application, percent of the last 10 s in which some of its worker waited for memory; for any thread."""
        return {name: found.supervisor.pressure_percent() for name, found in self._applications.items()}

    def accounts(self) -> dict[str, LeafAccounts]:
        """What the kernel has counted for each application whose worker has a cgroup; for any thread."""
        found = {name: one.supervisor.accounts() for name, one in self._applications.items()}
        return {name: accounts for name, accounts in found.items() if accounts is not None}

    def check_room(self, application: str, requires: Requires) -> None:
        """See, before a byte of a release moves, that another application fits; for any thread.

        Raises:
            RolloutError: there are too many, their memory limits are more than the board has, or so are their
                accelerators.
        """
        new, others = claim_of_offer(application, requires), self._claimed()
        if not new.advisory:
            self._check_number(application)
        check_memory(new, others, self._context.memory)
        check_accelerators(new, others)

    def activate(self, release: Release) -> Ticket:
        """Ask for a release to be tried and committed."""
        return self._post(lambda ticket: self._activate(release, ticket))

    def start(self, application: str) -> Ticket:
        """Ask for an application's committed release to run again."""
        return self._post(lambda ticket: self._start(self._find(application), ticket))

    def stop(self, application: str) -> Ticket:
        """Ask for nothing of an application to run until it is started or a release of it is activated."""
        return self._post(lambda ticket: self._find(application).halt(ticket))

    def remove(self, application: str) -> Ticket:
        """Ask for an application to be stopped and forgotten."""
        return self._post(lambda ticket: self._find(application).retire(ticket))

    def examine(self) -> None:
        """Have the releases of all applications read whole beside their workers; for any thread."""
        self._post(self._examine)

    def close(self) -> None:
        """Let `run` return once all workers have ended. Safe in a signal handler and from any thread."""
        self._closing = True
        self.waker.wake()

    def run(self) -> None:
        """Turn the loop until `close`."""
        while not (self._closing and all(found.stopped for found in self._applications.values())):
            try:
                self.sleep()
                self.step()
            except Exception:  # memory or descriptors are short; if it stays so, the watchdog is not fed
                self._context.journal.write(f"keeper: its loop failed: {traceback.format_exc()}")
                time.sleep(_BUSY_TURN_S)
        for application in self._applications.values():
            application.waiting.fail(Unreachable("the keeper is being stopped", hint="try again when it is back"))

    def sleep(self) -> None:
        """Wait until there is something to do."""
        descriptors = [fd for one in self._supervisors() for fd in one.descriptors]
        pause_s, began_s = self._pause_s(), self._clock()
        self.waker.sleep(descriptors, pause_s)
        late_s = self._clock() - began_s - pause_s
        if late_s > _STANDSTILL_S:
            self._context.journal.write(f"keeper: woke {late_s:.0f} s late: the machine stood still")
            for supervisor in self._supervisors():
                supervisor.spare()

    def step(self) -> None:
        """One turn: take what was posted, and turn every application."""
        while not self._posted.empty():
            work, ticket = self._posted.get()
            try:
                work(ticket)
            except EdgekitError as error:
                ticket.fail(error)
            except Exception as error:  # a request must not end the keeper
                self._context.journal.write(f"keeper: a request failed: {traceback.format_exc()}")
                ticket.fail(_failed(error))
        self._context.recorder.look()
        for application in list(self._applications.values()):
            self._turn(application)
        self._context.isolate(self._isolated())
        self._notifier.status("; ".join(found.summary() for found in self._applications.values()) or "no application")
        self._notifier.feed()

    def _turn(self, application: Application) -> None:
        """Turn one application. What goes wrong with it stays with it."""
        try:
            if self._closing:
                application.close()
            application.step()
            if application.removable:
                self._forget(application)
            self._faults.pop(application.name, None)
        except Exception as error:
            fault = traceback.format_exc()
            if self._faults.get(application.name) != fault:
                self._faults[application.name] = fault
                self._context.journal.write(f"keeper: {application.name} cannot be looked after: {fault}")
            application.waiting.fail(_failed(error))

    def _supervisors(self) -> list[Supervisor]:
        """Of those that can be looked after: what is unread of another would keep the loop awake for nothing."""
        return [supervisor for found in self._sound() for supervisor in found.supervisors]

    def _sound(self) -> list[Application]:
        return [found for found in self._applications.values() if found.name not in self._faults]

    def _isolated(self) -> frozenset[int]:
        """CPUs that running applications want to themselves."""
        releases = [found.supervisor.release for found in self._applications.values()]
        limits = [release.plan.limits for release in releases if release and release.plan.limits.isolate]
        return frozenset(cpu for limit in limits for cpu in limit.cpuset_cpus)

    # What connections ask for, on the loop's thread

    def _activate(self, release: Release, ticket: Ticket) -> None:
        name = release.ref.application
        application = self._applications.get(name)
        new, others = claim_of(release.plan), self._claimed()
        self._check_number(name)
        check_memory(new, others, self._context.memory)
        check_accelerators(new, others)
        if application is None:
            application = Application(name, self._context)
        application.begin(release, ticket, tuple(doubts(new, others)))
        self._applications = {**self._applications, name: application}

    def _start(self, application: Application, ticket: Ticket) -> None:
        claim, others = application.claim_of_current(), self._claimed()
        check_memory(claim, others, self._context.memory)
        check_accelerators(claim, others)
        application.resume(ticket)

    def _examine(self, _ticket: Ticket) -> None:
        for application in self._applications.values():
            application.examine()

    def _forget(self, application: Application) -> None:
        """Take an application away for good; one that stays after all says why."""
        ticket, application.waiting.removal = application.waiting.removal, None
        assert ticket is not None
        try:
            self.folders.forget(application.name)
        except OSError as error:
            hint = "check the device's disk, and try again"
            ticket.fail(RolloutError(f"{application.name} is stopped, but cannot be removed: {error}", hint=hint))
            return
        self._applications = {name: found for name, found in self._applications.items() if found is not application}
        self._context.settings.forget(application.name)
        self._context.limiter.forget(application.name)
        self._context.workers.previews.forget(application.name)
        self._context.workers.servers.forget(application.name)
        self._context.journal.forget(application.name)
        self._context.recorder.forget(application.name)
        self._context.journal.write(f"keeper: {application.name} is removed")
        ticket.done(f"{application.name} is removed")

    def _find(self, name: str) -> Application:
        found = self._applications.get(name)
        if found is None:
            raise NothingSelected(f"there is no application {name!r} here", hint="edgekit status lists them")
        return found

    def _claimed(self) -> tuple[Claimed, ...]:
        return tuple(application.claimed for application in self._applications.values())

    def _check_number(self, name: str) -> None:
        if name not in self._applications and len(self._applications) >= MAX_APPLICATIONS:
            raise RolloutError(
                f"the device has {MAX_APPLICATIONS} applications already", hint="edgekit remove DEVICE APPLICATION"
            )

    def _post(self, work: Callable[[Ticket], None]) -> Ticket:
        ticket = Ticket()
        self._posted.put((work, ticket))
        self.waker.wake()
        return ticket

    def _pause_s(self) -> float:
        """How long the loop may sleep."""
        applications = self._applications.values()
        longest = _BUSY_TURN_S if self._closing or any(found.busy for found in applications) else _TURN_S
        if self._notifier.watchdog_s:
            longest = min(longest, self._notifier.watchdog_s / 4)
        due = [supervisor.wake_at_s for supervisor in self._supervisors()]
        due += [application.wake_at_s for application in self._sound()]
        first = min((at_s for at_s in due if at_s is not None), default=None)
        return longest if first is None else min(longest, max(0.0, first - self._clock()) + 0.01)


def _failed(error: Exception) -> RolloutError:
    return RolloutError(f"the keeper failed: {error!r}", hint="edgekit logs shows more")
