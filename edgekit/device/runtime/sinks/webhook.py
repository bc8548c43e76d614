"""`webhook`: events, and counts where they are wanted, are posted to a web server as JSON."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.posting import EventPoster
from edgekit.errors import InputError
from edgekit.schema.result import PostedCounts, PostedEvent, to_json
from edgekit.schema.sink import WebhookSink
from edgekit.stage import Frame


class WebhookCaller:
    """Makes messages on its lane's thread, and leaves the rest to threads of its own: see `EventPoster`."""

    def __init__(
        self, plan: WebhookSink, context: SinkContext, figures: SinkFigures, now: Callable[[], float] = time.time
    ) -> None:
        """Send nothing yet.

        Raises:
            InputError: the certificate authority's file cannot be read, or no header can hold the token.
        """
        if plan.token is not None and not plan.token.isascii():
            raise InputError(
                f"sink {context.name}: its token holds a letter that no header can hold",
                hint="give one of ASCII letters",
            )
        try:
            self._poster = EventPoster(plan, context, figures)
        except OSError as error:  # of TLS too
            message = f"sink {context.name}: {plan.ca_file} holds no certificate that can be read: {error.strerror}"
            raise InputError(message, hint="put the server's certificate authority there, as PEM") from None
        self._plan, self._application, self._now = plan, context.plan.application, now
        self._counts: dict[str, dict[str, int]] = {}

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        at_s = round(self._now() - (time.monotonic() - frame.captured_s), 3)
        for event in frame.events:
            if self._plan.wants(event.kind, event.place, event.label):
                posted = PostedEvent(
                    id=uuid.uuid4().hex,
                    at_s=at_s,
                    sender=self._plan.sender or "",
                    application=self._application,
                    stream=frame.stream,
                    frame=frame.sequence,
                    kind=event.kind,
                    place=event.place,
                    label=event.label,
                    track=event.track,
                    direction=event.direction,
                    seconds=event.seconds,
                )
                self._poster.deliver(to_json(posted))
        if self._plan.counts and frame.counts != self._counts.get(frame.stream, {}):
            self._counts[frame.stream] = frame.counts
            counts = PostedCounts(
                at_s=at_s,
                sender=self._plan.sender or "",
                application=self._application,
                stream=frame.stream,
                frame=frame.sequence,
                counts=frame.counts,
            )
            self._poster.renew(frame.stream, to_json(counts))

    def follow(self, event: StreamEvent) -> None:  # noqa: ARG002
        """See `Sink.follow`. Nothing is posted of a stream's state; what waits on disk from before is sent."""
        self._poster.start()

    def close(self) -> None:
        """See `Sink.close`. Not longer than some seconds, whatever the server does."""
        self._poster.close()
