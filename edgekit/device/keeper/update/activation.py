"""Which release of an application runs: the saved state machine of an activation, one per application.

`next_state` is pure. The keeper saves a state before it does the state's work, so that a power cut at any moment
leaves exactly the old release (`activating`, `settling`, `rolling_back`) or exactly the new one (`running`): the step
from `settling` to `running` is one rename of one file.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, get_args

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.update.reserve import DiskReserve
from edgekit.errors import InputError, RolloutError
from edgekit.schema.bounds import Between
from edgekit.schema.control import ActivationPhase, ReleaseFailure, ReleaseRef
from edgekit.schema.message import Message, NewerWord, from_message, to_message

_STATE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Message):
    """What `state.json` holds. Nothing in it must be understood: a board comes up whatever a newer keeper wrote."""

    phase: ActivationPhase | NewerWord = "idle"
    current: ReleaseRef | None = None
    """The committed release."""
    previous: ReleaseRef | None = None
    """The one committed before it."""
    candidate: ReleaseRef | None = None
    """The one on trial."""
    failure: ReleaseFailure | None = None
    """The last one."""
    boots: Annotated[int, Between(0, 1 << 31)] = 0
    """In how many boots the committed release was started since it was healthy: see `boot_count`."""
    boot: str = ""
    """The last of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """Try this release."""

    candidate: ReleaseRef


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameHealthy:
    """The candidate's report is good for the first time, or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostHealth:
    """The candidate's report is bad again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The candidate was healthy for long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFailed:
    """The worker ended, hangs, or is not healthy in time."""

    failure: ReleaseFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The release that ran before runs again, or is at least looked after as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The operator wants nothing to run, until `Resume` or `Activate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """The operator wants the committed release to run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The keeper has come up, after whatever ended the last one."""

    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The committed release is about to be started for the first time in this boot."""

    boot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedHealthy:
    """The committed release was healthy for as long as a trial asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverHealthy:
    """The committed release was not healthy in any of its boots."""

    failure: ReleaseFailure


UpdateEvent = (Activate | BecameHealthy | LostHealth | Settled | ReleaseFailed | Restored | Stop | Resume | Started) | (
    Starting | ProvedHealthy | NeverHealthy
)
AT_REST: frozenset[ActivationPhase] = frozenset({"idle", "running", "stopped"})
"""No activation is going on."""


def next_state(state: State, event: UpdateEvent) -> State:
    """The state after something happened; the same object where it changes nothing."""
    match event:
        case Activate(candidate=candidate) if state.phase in AT_REST:
            return replace(state, phase="activating", candidate=candidate)
        case BecameHealthy() if state.phase == "activating":
            return replace(state, phase="settling")
        case LostHealth() if state.phase == "settling":
            return replace(state, phase="activating")
        case Settled() if state.phase == "settling":
            return State(phase="running", current=state.candidate, previous=_previous(state), failure=state.failure)
        case ReleaseFailed(failure=failure):
            return _after_failure(state, failure)
        case Restored() if state.phase == "rolling_back":
            return replace(state, phase="running")
        case Stop() if state.phase in ("running", "idle"):
            return replace(state, phase="stopped")
        case Resume() if state.phase == "stopped" and state.current:
            return replace(state, phase="running")
        case Started(at_s=at_s):
            return _after_start(state, at_s)
        case Starting() | ProvedHealthy() | NeverHealthy() if state.phase == "running":
            return _after_boot(state, event)
    return state


def wanted(state: State) -> ReleaseRef | None:
    """The release whose worker has to run in this state."""
    match state.phase:
        case "activating" | "settling":
            return state.candidate
        case "running" | "rolling_back":
            return state.current
    return None


def _previous(state: State) -> ReleaseRef | None:
    same = state.current is not None and state.candidate is not None and state.current.digest == state.candidate.digest
    return state.previous if same else state.current


def _after_failure(state: State, failure: ReleaseFailure) -> State:
    if state.phase in ("activating", "settling"):
        back: ActivationPhase = "rolling_back" if state.current else "stopped"
        return replace(state, phase=back, candidate=None, failure=failure)
    if state.phase == "rolling_back":
        return replace(state, phase="running")
    return replace(state, failure=failure)


def _after_start(state: State, at_s: float) -> State:
    """Nothing runs yet. What was on trial when the keeper ended did not pass; what was stopped stays so."""
    failure = state.failure
    if state.candidate:
        failure = ReleaseFailure(
            digest=state.candidate.digest,
            application=state.candidate.application,
            version=state.candidate.version,
            reason="the keeper or the power went away before the release was committed",
            probes=(),
            log_tail=(),
            at_s=at_s,
            settings=state.candidate.settings,
        )
    phase: ActivationPhase = "running" if state.current else "idle"
    if state.phase == "stopped":
        phase = "stopped"
    return replace(state, phase=phase, candidate=None, failure=failure)


def _after_boot(state: State, event: Starting | ProvedHealthy | NeverHealthy) -> State:
    """The committed release is counted, or left after too many boots."""
    match event:
        case Starting(boot=boot):
            return replace(state, boots=state.boots + 1, boot=boot)
        case ProvedHealthy():
            return replace(state, boots=0)
        case NeverHealthy(failure=failure) if state.previous:
            return State(phase="running", current=state.previous, failure=failure)
    return state


def load_state(path: Path, disk: Filesystem, at_s: float) -> State:
    """Read the saved state; there is none before the first activation.

    A file that cannot be read is put aside as `.bad`, and the state says so: the keeper must come up all the same.
    """
    with contextlib.suppress(OSError):  # a read-only disk refuses to delete even what is not there
        disk.remove(path.with_name(path.name + ".tmp"))
    try:
        return _known(from_message(State, path.read_bytes(), path.name))
    except FileNotFoundError:
        return State()
    except (InputError, OSError) as error:
        reason = f"{path} could not be read{_put_aside(path, disk)}; nothing runs until the next deploy: {error}"
        failure = ReleaseFailure(
            digest="", application="", version="", reason=reason, probes=(), log_tail=(), at_s=at_s
        )
        return State(failure=failure)


def _known(state: State) -> State:
    """The state, where a newer keeper was in a phase that this one does not have: what was committed runs."""
    if state.phase in get_args(ActivationPhase):
        return state
    return replace(state, phase="running" if state.current else "idle")


def set_aside(path: Path) -> Path:
    """Where a state file goes that could not be read."""
    return path.with_name(path.name + ".bad")


def _put_aside(path: Path, disk: Filesystem) -> str:
    try:
        disk.rename(path, set_aside(path))
    except OSError as error:
        return f" and cannot be put aside ({error.strerror})"
    return f" and is now {set_aside(path).name}"


def save_state(path: Path, state: State, disk: Filesystem) -> None:
    """Make a state durable. When this returns, the state's work may begin."""
    disk.replace(path, to_message(state))


class SavedState:
    """One application's state, and its file."""

    def __init__(self, path: Path, disk: Filesystem, at_s: float, reserve: DiskReserve | None = None) -> None:
        self._path = path
        self._disk = disk
        self._reserve = reserve
        self.state = load_state(path, disk, at_s)
        self.lost = set_aside(path).exists()
        """Whether an older state could not be read, and with it which releases are this application's."""

    def apply(self, event: UpdateEvent) -> str:
        """Save the next state, then be in it.

        A state that only undoes or observes is entered even where it cannot be saved: what is on disk then leads to
        the same release after a restart. So is one whose file is in its place though it could not be made durable:
        what is on disk decides what runs.

        Returns:
            Why the state could not be saved, or empty.

        Raises:
            RolloutError: a state that promises something could not be saved, and is not entered.
        """
        new = next_state(self.state, event)
        trouble = ""
        if new != self.state:
            try:
                with self._disk.explain_full(self._path.parents[1], _STATE_BYTES):
                    self._disk.keep_folder(self._path.parent)
                    save_state(self._path, new, self._disk)
                if self._reserve:
                    self._reserve.renew()
            except RolloutError as error:  # the disk is full
                trouble = self._spend(new, error)
                if trouble and isinstance(event, (Activate, Settled)):
                    raise RolloutError(trouble, hint="free space on the device, or check its disk") from error
            except OSError as error:
                trouble = f"the state {new.phase} could not be saved: {error}"
                if isinstance(event, (Activate, Settled)) and not self._is_there(new):
                    raise RolloutError(trouble, hint="free space on the device, or check its disk") from error
        self.state = new
        if self.lost and isinstance(event, Settled):
            self.lost = False
            with contextlib.suppress(OSError):
                self._disk.remove(set_aside(self._path))
        return trouble

    def _spend(self, new: State, error: RolloutError) -> str:
        """Save a state in the room that is kept for it: it may be the one that takes away what fills the disk.

        Returns:
            Why that was not possible, or empty.
        """
        kept = self._reserve is not None and self._reserve.replace(self._path, to_message(new))
        if kept or self._is_there(new):
            return ""
        return f"the state {new.phase} could not be saved: {error}"

    def _is_there(self, state: State) -> bool:
        """Whether the file holds this state, durably or not."""
        try:
            return self._path.read_bytes() == to_message(state)
        except OSError:
            return False

    def note(self, event: UpdateEvent) -> None:
        """Be in the next state without saving it: for what a restart may forget. Nothing goes wrong with that."""
        self.state = next_state(self.state, event)
