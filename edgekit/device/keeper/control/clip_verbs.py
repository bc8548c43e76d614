"""What one client asks of clips: which there are, and their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgekit.device.keeper.clips import ClipShelf
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.update.releases import Release
from edgekit.schema.control import Event, Request
from edgekit.schema.message import to_message_data
from edgekit.schema.sink import ClipSink


class ClipVerbs:
    """Of one connection."""

    def __init__(self, keeper: Keeper, choose: Callable[[Request], str], committed: Callable[[str], Release]) -> None:
        """Answer for one client.

        Args:
            keeper: knows where applications write.
            choose: gives the application that a request is about.
            committed: gives an application's committed release, which names the sinks of clips.
        """
        self._keeper, self._choose, self._committed = keeper, choose, committed
        self._shelves: dict[str, ClipShelf] = {}
        """Of applications whose clips were asked for: each piece would have their release looked through anew."""

    def clips(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """List an application's."""
        application = self._choose(request)
        self._shelves.pop(application, None)
        for clip in self._shelf(application).clips():
            yield Event(kind="progress", data=to_message_data(clip))
        yield Event(kind="done", data={"application": application})

    def clip(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """Hand out a piece of one."""
        piece = self._shelf(self._choose(request)).piece(request.sink, request.file, request.offset)
        yield Event(kind="done", data=to_message_data(piece))

    def _shelf(self, application: str) -> ClipShelf:
        if application not in self._shelves:
            sinks = self._committed(application).plan.sinks
            names = tuple(name for name, sink in sinks.items() if isinstance(sink, ClipSink))
            self._shelves[application] = ClipShelf(self._keeper.folders.work(application), names)
        return self._shelves[application]
