"""Brings a sink's messages to a broker, on threads of its own: no lane waits for disk or network."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.outbox import Outbox
from edgekit.device.runtime.sinks.sink_thread import SinkThread
from edgekit.schema.sink import MqttSink
from edgekit.schema.units import format_bytes

if TYPE_CHECKING:
    from edgekit.device.runtime.sinks.broker import BrokerConnection

_LOOK_EVERY_S = 1.0
_TELL_EVERY_S = 5.0
"""The journal hears of changes no more often: two clients of one name throw each other out all the time."""
_CLOSE_S = 3.0
CONNECTING = "is being connected"


class BrokerSender:
    """Messages that each have to arrive, and topics of which the newest message counts.

    Its threads start with the first of these, from the lane's thread: they run on the lane's CPUs, as Linux has it.
    """

    def __init__(self, plan: MqttSink, context: SinkContext, figures: SinkFigures, *, will_topic: str) -> None:
        """Start nothing yet.

        Args:
            plan: the broker.
            context: the sink's.
            figures: are kept up to date.
            will_topic: says whether the worker is there.
        """
        self._plan, self._context, self._figures, self._will_topic = plan, context, figures, will_topic
        self._outbox = Outbox(context.work / f"{context.name}.outbox", plan.buffer)
        self._log = logging.getLogger(f"edgekit.sink.{context.name}")
        self._lock = threading.Lock()
        self._newest: dict[str, bytes] = {}
        """By topic."""
        self._changed: dict[str, None] = {}
        """Topics whose newest message is to be sent, in order."""
        self._under_way: dict[int, int] = {}
        """By the connection's numbers, the outbox's; 0 for what is not from there."""
        self._connections = 0
        self._lost_before = 0
        self._told, self._told_s = f"broker {plan.host} {CONNECTING}", float("-inf")
        self._thread = SinkThread(context.name, figures, self._work)

    def deliver(self, topic: str, payload: bytes) -> None:
        """Have a message sent that has to arrive."""
        self._outbox.put(topic, payload)
        self._thread.wake()

    def retain(self, topic: str, payload: bytes) -> None:
        """Have a topic hold this; what it should have held before is not sent any more."""
        with self._lock:
            self._newest[topic] = payload
            self._changed[topic] = None
        self._thread.wake()

    def close(self) -> None:
        """Send what can be sent in a moment; the rest stays on disk."""
        self._thread.close(_CLOSE_S)

    def _work(self) -> None:
        from edgekit.device.runtime.sinks.broker import BrokerConnection, Will  # noqa: PLC0415  only boards have paho

        plan, release = self._plan, self._context.release
        self._outbox.store()
        client_id = plan.client_id or self._outbox.note("client_id", f"edgekit-{uuid.uuid4().hex[:15]}")
        ca_file = release / plan.ca_file if plan.ca_file else None
        connection = BrokerConnection(plan, client_id, Will(topic=self._will_topic), ca_file, CONNECTING)
        connection.on_change = self._thread.wake
        connection.start(f"{self._context.name}/net")
        self._thread.repeat(lambda: self._step(connection))
        self._thread.drain(lambda: self._last_step(connection), _CLOSE_S / 3)
        connection.close()
        self._outbox.close()

    def _last_step(self, connection: BrokerConnection) -> bool:
        if not connection.problem:
            self._step(connection)
        return bool(self._under_way) and not connection.problem

    def _step(self, connection: BrokerConnection) -> float:
        """Keep what has come, forget what has arrived, send what there is room for."""
        arrived = connection.arrived(self._under_way)
        self._outbox.remove([self._under_way.pop(number) for number in arrived])
        self._outbox.store()
        self._figures.sent += len(arrived)
        self._send_newest(connection)
        for message in self._outbox.take(connection.room):
            number = connection.send(message.topic, message.payload, qos=self._plan.qos)
            self._under_way[number] = message.number
        self._tell(connection)
        return _LOOK_EVERY_S

    def _send_newest(self, connection: BrokerConnection) -> None:
        with self._lock:
            if connection.connections != self._connections:  # a broker may have forgotten what it held
                self._connections = connection.connections
                self._changed = dict.fromkeys(self._newest)
            topics = list(self._changed)[: connection.room]
            messages = [(topic, self._newest[topic]) for topic in topics]
            for topic in topics:
                del self._changed[topic]
        for topic, payload in messages:
            self._under_way[connection.send(topic, payload, qos=1, retain=True)] = 0

    def _tell(self, connection: BrokerConnection) -> None:
        """What is wrong: for the report at any time, for the journal where it changes."""
        figures, outbox = self._figures, self._outbox
        figures.waiting, figures.waiting_bytes = outbox.waiting, outbox.waiting_bytes
        figures.dropped = outbox.dropped
        reasons = [f"broker {self._plan.host} {connection.problem}"] if connection.problem else []
        if outbox.fault:
            reasons.append(f"events cannot be kept on disk ({outbox.fault}) and wait in memory")
        if not reasons:
            self._lost_before = outbox.dropped
        elif outbox.dropped > self._lost_before:
            reasons.append(f"more than {format_bytes(outbox.bound_bytes)} wait: the oldest events are dropped")
        figures.trouble = "; ".join(reasons)
        if figures.trouble != self._told and time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._told, self._told_s = figures.trouble, time.monotonic()
            if figures.trouble:
                self._log.warning("%s", figures.trouble)
            else:
                told = "sends to broker %s: %d events wait, %d were dropped"
                self._log.info(told, self._plan.host, figures.waiting, figures.dropped)
