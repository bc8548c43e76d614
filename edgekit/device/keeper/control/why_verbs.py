"""What went wrong, for a client; and what a client is refused, for the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.incidents.release_notes import troubled_streams
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.update.releases import Offered
from edgekit.errors import EdgekitError, InputError, LockHeld, NothingSelected, Unreachable
from edgekit.judging.error_causes import cause_of
from edgekit.schema.control import Event, Request, Verb
from edgekit.schema.incident import Incident, Incidents
from edgekit.schema.message import to_message_data
from edgekit.schema.names import is_application_name

_BRINGS: frozenset[Verb] = frozenset(
    {"offer", "provenance", "permit", "trust", "chunk", "patch", "missing", "install", "activate", "rollback", "start"}
)
"""What a client asks for by these is on record where it is refused."""

_DECIDES: frozenset[Verb] = frozenset({"install", "activate", "rollback", "start"})
"""Those after all that belongs to the release has come."""


class WhyVerbs:
    """Of one connection."""

    def __init__(self, recorder: IncidentRecorder, keeper: Keeper) -> None:
        self._recorder, self._keeper = recorder, keeper

    def why(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """See `Request`."""
        whose, names = request.application, self._keeper.names
        told = self._recorder.told(whose) if not whose or is_application_name(whose) else ()
        if whose and whose not in names and not any(one.application == whose for one in told):
            listed = f"it has: {', '.join(names)}" if names else "it has none"
            raise NothingSelected(f"nothing is known of an application {whose[:80]!r} on the device", hint=listed)
        now = tuple(one for name in names if whose in ("", name) and (one := self._unhealthy(name)))
        yield Event(kind="done", data=to_message_data(Incidents(applications=names, incidents=told, now=now)))

    def recorded(
        self, request: Request, events: Iterator[Event], offered: Callable[[], Offered | None]
    ) -> Iterator[Event]:
        """An answer as it is. Where it ends in an error before anything has begun, that is a refusal, and on record.

        Args:
            request: what a client asked for.
            events: the answer.
            offered: the release that it has offered by then, if one was believed.
        """
        begun = False
        try:
            for event in events:
                begun = begun or event.kind == "state"
                yield event
        except Exception as error:
            if not begun:
                self._refused(request, offered(), error)
            raise

    def _refused(self, request: Request, offered: Offered | None, error: Exception) -> None:
        """Put on record that a client was refused something, unless only somebody else was faster."""
        if request.verb not in _BRINGS or isinstance(error, (LockHeld, NothingSelected, Unreachable)):
            return
        if request.verb not in _DECIDES and isinstance(error, InputError):  # a patch without its base: it is sent whole
            return
        manifest = offered.manifest if offered else None
        application = manifest.application if manifest else request.application
        self._recorder.record(
            Incident(
                kind="refused",
                application=application if is_application_name(application) else "",
                version=manifest.version if manifest else "",
                digest=offered.digest if offered else "",
                reason=error.message if isinstance(error, EdgekitError) else str(error),
                hint=error.hint if isinstance(error, EdgekitError) else "",
                cause=cause_of(error),
            )
        )

    def _unhealthy(self, name: str) -> Incident | None:
        """An application whose worker runs, and is not healthy now."""
        found = self._keeper.application(name)
        view = found.view() if found else None
        if view is None or not view.worker.pid or not view.unhealthy_because or view.state.current is None:
            return None
        return Incident(
            kind="unhealthy",
            application=name,
            version=view.state.current.version,
            digest=view.state.current.digest,
            reason="; ".join(view.unhealthy_because),
            cause="unhealthy",
            probes=view.unhealthy_because,
            streams=troubled_streams(view.report),
        )
