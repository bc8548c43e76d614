"""`mqtt`: events, counts and the state of streams go to a broker; events wait on disk while it is away.

Topics, all JSON but the last:
    PREFIX/APPLICATION/STREAM/events   each event once, QoS as the recipe says
    PREFIX/APPLICATION/STREAM/counts   retained, whenever they change: while the broker is away the newest ones wait
    PREFIX/APPLICATION/STREAM/state    retained, likewise
    PREFIX/APPLICATION/online          retained, true or false: the broker itself says false where the worker is gone
"""

from __future__ import annotations

import dataclasses
import json
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import (
    StreamEnded,
    StreamEvent,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.home_assistant import Discovery
from edgekit.device.runtime.sinks.sending import BrokerSender
from edgekit.errors import InputError
from edgekit.schema.sink import MqttSink
from edgekit.stage import Frame


class MqttPublisher:
    """Makes messages on its lane's thread, and leaves the rest to a thread of its own: see `BrokerSender`."""

    def __init__(
        self, plan: MqttSink, context: SinkContext, figures: SinkFigures, now: Callable[[], float] = time.time
    ) -> None:
        """Send nothing yet.

        Raises:
            InputError: the certificate authority's file cannot be read.
        """
        _check_ca_file(plan, context)
        self._base = f"{plan.prefix}/{context.plan.application}"
        self._sender = BrokerSender(plan, context, figures, will_topic=f"{self._base}/online")
        self._discovery = plan.discovery and Discovery(plan.discovery, self._base, context.plan)
        self._counts: dict[str, dict[str, int]] = {}
        self._now = now

    def take(self, frame: Frame) -> None:
        """See `Sink.take`."""
        about = {"stream": frame.stream, "frame": frame.sequence}
        for event in frame.events:
            values = {"id": uuid.uuid4().hex, **about, **dataclasses.asdict(event)}
            self._sender.deliver(f"{self._base}/{frame.stream}/events", self._json(values))
        if frame.counts != self._counts.get(frame.stream, {}):
            self._counts[frame.stream] = frame.counts
            self._announce(frame.stream, *frame.counts)
            self._sender.retain(f"{self._base}/{frame.stream}/counts", self._json({**about, "counts": frame.counts}))

    def follow(self, event: StreamEvent) -> None:
        """See `Sink.follow`."""
        match event:
            case StreamStarted() | StreamRestarted():
                self._tell(event.stream, "live", "")
            case StreamLost(state=state, reason=reason):
                self._tell(event.stream, state, reason)
            case StreamEnded(failed=failed, reason=reason):
                self._tell(event.stream, "failed" if failed else "ended", reason)
            case StreamGap():
                pass

    def close(self) -> None:
        """See `Sink.close`. Not longer than some seconds, whatever the broker does."""
        self._sender.close()

    def _tell(self, stream: str, state: str, reason: str) -> None:
        self._announce(stream)
        values = {"stream": stream, "state": state, "reason": reason}
        self._sender.retain(f"{self._base}/{stream}/state", self._json(values))

    def _announce(self, stream: str, *counts: str) -> None:
        if self._discovery:
            for topic, config in self._discovery.new(stream, counts):
                self._sender.retain(topic, json.dumps(config).encode())

    def _json(self, values: dict[str, Any]) -> bytes:
        return json.dumps({"at_s": round(self._now(), 3), **values}).encode()


def _check_ca_file(plan: MqttSink, context: SinkContext) -> None:
    if plan.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=context.release / plan.ca_file)
    except OSError as error:  # of TLS too
        message = f"sink {context.name}: {plan.ca_file} holds no certificate that can be read: {error.strerror}"
        raise InputError(message, hint="put the broker's certificate authority there, as PEM") from None
