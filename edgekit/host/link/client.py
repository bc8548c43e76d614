"""Speaks with a device's keeper: `edgekit.schema.control` over a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from edgekit.errors import BY_EXIT_CODE, EdgekitError, InputError, LockHeld, Unreachable
from edgekit.executor import Executor, OpensSockets, Stream
from edgekit.executor.sent_program import skip_greeting
from edgekit.host.link.answer_bounds import ACTIVATION_WHOLE_S, WHOLE_S, AnswerBounds
from edgekit.host.link.pings import Pings
from edgekit.host.link.request import request_line
from edgekit.host.link.sending_rate import SLICE_BYTES, SendingRate
from edgekit.host.user import user_at_machine
from edgekit.schema.board import PYTHON, BoardPaths
from edgekit.schema.control import PROTOCOL, Event, Hello, SettingsAnswer, Status, Verb
from edgekit.schema.control_bounds import MAX_LINE_BYTES, PING_S
from edgekit.schema.fleet import Device
from edgekit.schema.message import from_message, from_message_data

ANSWER_S = 120.0
"""How long the keeper may say nothing. A dead link is noticed earlier, by the executor."""
ACTIVATION_S = 900.0
"""The same while it lays out or starts a release: a worker may take long to report for the first time."""
_OUTBOX_BYTES = 256 << 10
_CAREFUL_BYTES = 4 << 10
"""What SSH is given at once on a link that breaks: of a packet that is cut nothing arrives."""

Watch = Callable[[Event], None]


class KeeperClient:
    """One conversation with one keeper. Use as a context manager."""

    def __init__(
        self,
        device: Device,
        executor: Executor,
        pace: SendingRate | None = None,
        *,
        careful: bool = False,
        ping_s: float = PING_S,
    ) -> None:
        """Start the conversation.

        Args:
            device: whose keeper.
            executor: the way there.
            pace: bounds how fast this side talks.
            careful: whether the link is known to break: what is sent goes in small parts.
            ping_s: how often a lock that it holds is kept alive.
        """
        self._name = device.name
        self._pace, self._careful = pace, careful
        paths = BoardPaths(prefix=device.prefix)
        straight = executor.open_socket(paths.socket) if isinstance(executor, OpensSockets) else None
        self._stream: Stream = straight or executor.open(paths.command("connect"))
        self._outbox = bytearray()
        self._talking = threading.Lock()
        """Held from a request to the end of its answer: no ping may come between."""
        self._ping_s = ping_s
        self._pings: Pings | None = None
        self._greeted = straight is not None
        """Whether what comes is the keeper's: a login shell may greet first where a program is started."""
        self._features: frozenset[str] = frozenset()
        self.trust_version = 0
        """Of the trust file that the device says it goes by; 0: it has none."""

    def __enter__(self) -> KeeperClient:
        """Greet the keeper and see that it speaks our protocol."""
        try:
            self._greet()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up: that also frees the deployment lock."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._pings is not None:
            self._pings.stop()
        self._stream.close()

    def ask(
        self,
        verb: Verb,
        *,
        payload: bytes = b"",
        watch: Watch | None = None,
        patience_s: float | None = ANSWER_S,
        whole_s: float = WHOLE_S,
        **fields: Any,
    ) -> dict[str, object]:
        """Send a request and wait for its end.

        Args:
            verb: what to ask.
            payload: raw bytes after the request.
            watch: called with every event before the end.
            patience_s: how long the keeper may say nothing; None for ever.
            whole_s: how long all of it may take.
            fields: the request's other fields.

        Returns:
            The data of the `done` event.

        Raises:
            EdgekitError: what the keeper answered, as the class with its exit code.
            Unreachable: the link broke, or no keeper listens.
        """
        with self._talking:
            self._pack(verb, payload, fields)
            self._stream.settimeout(ANSWER_S)
            self._flush()
            for event in self._events(AnswerBounds(self._name, patience_s, whole_s, watched=watch is not None)):
                if event.kind == "done":
                    return event.data
                if watch is not None:
                    watch(event)
            raise self._hung_up()

    def send(self, verb: Verb, *, payload: bytes, **fields: Any) -> int:
        """Send a request that is answered by nothing when all is well: `chunk`, `patch`. Small ones travel together.

        Returns:
            The bytes that it takes on its way, without SSH's own.

        Raises:
            EdgekitError: what the keeper answered meanwhile to one of those before.
        """
        with self._talking:
            size = self._pack(verb, payload, fields)
            if len(self._outbox) >= _OUTBOX_BYTES:
                self._stream.settimeout(ANSWER_S)
                self._flush()
                self._look_for_refusal()
        return size

    def status(self) -> Status:
        """What runs there."""
        return from_message_data(Status, self.ask("status"), f"status of {self._name}")

    def lock(self, application: str, holder: str, watch: Watch | None = None, *, break_lock: bool = False) -> None:
        """Take an application's deployment lock for as long as this conversation goes on, whatever else this side does.

        Args:
            application: which.
            holder: who deploys, for others who meet the lock.
            watch: told whom it was taken from.
            break_lock: take it from whoever has it.

        Raises:
            LockHeld: somebody else has it.
            InputError: the keeper there is older and lets nobody break a lock.
        """
        if break_lock:
            self.check_can("leases", "let anybody break a lock: --break-lock does nothing there")
        leased = self.can("leases")
        self.ask("lock", application=application, holder=holder, watch=watch, lease=leased, break_lock=break_lock)
        if leased and self._pings is None:
            self._pings = Pings(self._ping, self._ping_s)

    def change(self, verb: Verb, application: str, watch: Watch, *, break_lock: bool = False) -> dict[str, object]:
        """Start, stop, remove or roll back an application, and wait for the outcome.

        Args:
            verb: what to do.
            application: with which; empty: with the only one there.
            watch: called with every event before the end.
            break_lock: take the deployment lock from whoever has it.

        Raises:
            NothingSelected: there is no such application, or several and none is named.
            RolloutError: it did not become healthy.
            LockHeld: somebody deploys it.
            InputError: the keeper there is older, and cannot do what is asked.
        """
        if application:
            self.check_can("applications", f"{verb} one application of several")
        if break_lock:
            self.check_can("leases", "let anybody break a lock: --break-lock does nothing there")
        fields: dict[str, Any] = {"application": application, "holder": user_at_machine(), "break_lock": break_lock}
        return self.ask(verb, watch=watch, patience_s=ACTIVATION_S, whole_s=ACTIVATION_WHOLE_S, **fields)

    def activate(self, digest: str, settings: bytes, watch: Watch) -> None:
        """Activate a release that is installed there, and wait for the outcome.

        Args:
            digest: the release's.
            settings: what it shall run with; empty: what the board has for its application.
            watch: called with every event before the end.

        Raises:
            RolloutError: it did not become healthy; the one before it runs again.
        """
        outcome_s = {"patience_s": ACTIVATION_S, "whole_s": ACTIVATION_WHOLE_S}
        self.ask("activate", digest=digest, payload=settings, watch=watch, **outcome_s)

    def settings(self, application: str, content: bytes = b"") -> SettingsAnswer:
        """What an application's committed release runs with.

        Args:
            application: which; empty: the only one there.
            content: other values, to learn what they would change.

        Raises:
            NothingSelected: there is no such application, or several and none is named.
            InputError: the keeper there is older and has no settings, or the values do not fit.
        """
        self.check_can("settings", "keep settings apart from releases")
        answer = self.ask("settings", application=application, payload=content)
        return from_message_data(SettingsAnswer, answer, f"settings of {self._name}")

    def logs(self, watch: Watch, *, application: str, lines: int, follow: bool) -> None:
        """Read the last lines of the journal there.

        Args:
            watch: called with an event of kind `log` for each line.
            application: whose lines; empty: everybody's.
            lines: how many.
            follow: go on with those that come, until this side hangs up.
        """
        if application:
            self.check_can("applications", "tell the lines of one application from those of others")
        patience_s = None if follow else ANSWER_S
        self.ask("logs", application=application, follow=follow, lines=lines, watch=watch, patience_s=patience_s)

    def can(self, feature: str) -> bool:
        """Whether the keeper there announces a feature: see `schema.control_features`."""
        return feature in self._features

    def check_can(self, feature: str, what: str) -> None:
        """Before a request that needs a feature. Raises InputError, which says `what` the keeper there cannot do."""
        if not self.can(feature):
            raise InputError(
                f"the keeper on {self._name} is older and cannot {what}", hint=f"edgekit provision {self._name}"
            )

    def _greet(self) -> None:
        hello = from_message_data(Hello, self.ask("hello"), f"greeting of {self._name}")
        if hello.protocol != PROTOCOL:
            raise InputError(
                f"the keeper on {self._name} speaks protocol {hello.protocol}, this edgekit speaks {PROTOCOL}",
                hint=f"edgekit provision {self._name}",
            )
        self._features = frozenset(hello.features)
        self.trust_version = hello.trust_version

    def _ping(self) -> None:
        """Let the keeper hear of this side, unless it does anyhow. Why it hung up is for who asks next."""
        if not self._talking.acquire(blocking=False):
            return
        try:
            self._pack("ping", b"", {})
            self._write()
        finally:
            self._talking.release()

    def _pack(self, verb: Verb, payload: bytes, fields: dict[str, Any]) -> int:
        line = request_line(verb, payload, fields)
        self._outbox += line
        self._outbox += payload
        return len(line) + len(payload)

    def _flush(self) -> None:
        """Write what waits. A keeper that hung up in the middle may have sent why, which is the better error."""
        try:
            self._write()
        except Unreachable:
            self._look_for_refusal()
            raise

    def _write(self) -> None:
        """Write what waits, at the pace that is allowed."""
        data, self._outbox = bytes(self._outbox), bytearray()
        slice_bytes = _CAREFUL_BYTES if self._careful else SLICE_BYTES if self._pace else max(1, len(data))
        for at in range(0, len(data), slice_bytes):
            if self._pace:
                self._pace.take(len(data[at : at + slice_bytes]))
            self._stream.settimeout(ANSWER_S)
            self._stream.write(data[at : at + slice_bytes])

    def _look_for_refusal(self) -> None:
        try:
            line = self._line(lambda: 0.0)
        except Unreachable:  # nothing has come, or nothing will: the next write finds out
            return
        if not line:
            raise self._hung_up()
        self._event(line)

    def _events(self, bounds: AnswerBounds) -> Iterator[Event]:
        while line := self._line(bounds.next_s):
            bounds.count(line)
            yield self._event(line)

    def _line(self, wait_s: Callable[[], float | None]) -> bytes:
        """The next line of the keeper's, each awaited for so long; empty at the end."""

        def read(limit: int) -> bytes:
            self._stream.settimeout(wait_s())
            return self._stream.readline(limit)

        if not self._greeted:
            self._greeted = skip_greeting(read)
        return read(MAX_LINE_BYTES) if self._greeted else b""

    def _event(self, line: bytes) -> Event:
        if not line.endswith(b"\n"):
            raise self._hung_up() if len(line) < MAX_LINE_BYTES else self._no_keeper("a line without end")
        event = from_message(Event, line, f"answer of {self._name}")
        if event.kind == "error":
            raise self._error(event)
        return event

    def _error(self, event: Event) -> EdgekitError:
        kind, hint = BY_EXIT_CODE.get(event.exit_code, EdgekitError), event.hint or f"edgekit logs {self._name}"
        if kind is LockHeld:
            holder = str(event.data.get("holder", ""))
            return LockHeld(event.message, hint=hint, details=event.details, holder=holder)
        return kind(event.message, hint=hint, details=event.details)

    def _no_keeper(self, what: str) -> Unreachable:
        """What comes can be no keeper's."""
        hint = f"edgekit provision {self._name} brings it a keeper that is whole"
        return Unreachable(f"the keeper on {self._name} answers with {what}", hint=hint)

    def _hung_up(self) -> EdgekitError:
        """Why the conversation ended, from what the program over there wrote to its standard error."""
        errors, name = self._stream.errors(), self._name
        provision = f"edgekit provision {name}"
        if "edgekitd.pyz" in errors and "can't open file" in errors:
            return Unreachable(f"{name} has no keeper", hint=provision, details=errors)
        if PYTHON in errors and "not found" in errors:
            return Unreachable(f"{name} has no {PYTHON}", hint="install Python 3.10 or newer there", details=errors)
        if "Permission denied" in errors:
            hint = "log in as root, or as a member of the group edgekit there"
            return Unreachable(f"you may not speak with the keeper on {name}", hint=hint, details=errors)
        hint = f"{provision} starts it; on a board, systemctl status edgekitd says how it ended"
        return Unreachable(f"the keeper on {name} does not answer", hint=hint, details=errors)
