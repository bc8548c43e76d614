"""Brings a sink's messages to a web server: what must arrive waits on disk, of the rest the newest waits in memory."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.http_link import HttpLink, Outcome
from edgekit.device.runtime.sinks.outbox import Outbox, OutMessage
from edgekit.device.runtime.sinks.sink_thread import SinkThread
from edgekit.device.runtime.sources.live import Backoff
from edgekit.schema.sink import WebhookSink
from edgekit.schema.units import format_bytes

_LOOK_EVERY_S = 1.0
_TELL_EVERY_S = 5.0
_CLOSE_S = 3.0
_REFUSED = frozenset({400, 402, 406, 409, 410, 411, 412, 413, 414, 415, 416, 417, 422, 426, 428, 431, 451})
"""The server will never take this very message. All else but 2xx is mended on the server, on the network or in the
settings, and the message waits for that. Source: RFC 9110, section 15."""
_REASONS = {
    401: "refuses this token (401)",
    403: "refuses this token (403)",
    404: "has no such path (404)",
    405: "takes no POST at that path (405)",
    429: "asks for fewer messages (429)",
}


class EventPoster:
    """Its threads start from the lane's thread: they run on the lane's CPUs, as Linux has it."""

    def __init__(
        self, plan: WebhookSink, context: SinkContext, figures: SinkFigures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start nothing yet.

        Raises:
            OSError: the certificate authority's file cannot be read.
        """
        self._plan, self._context, self._figures, self._clock = plan, context, figures, clock
        self._outbox = Outbox(context.work / f"{context.name}.outbox", plan.buffer)
        self._thread = SinkThread(context.name, figures, self._work)
        ca_file = context.release / plan.ca_file if plan.ca_file else None
        self._link = HttpLink(plan.url, _headers(plan), ca_file, plan.timeout_s, self._thread.wake)
        self._backoff = Backoff(plan.backoff_s)
        self._log = logging.getLogger(f"edgekit.sink.{context.name}")
        self._newest: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._waiting: list[OutMessage] = []
        """Taken out of the outbox, and not arrived."""
        self._under_way: list[OutMessage] = []
        """Part of these, or one that stands in no outbox."""
        self._alone = 0
        """So many messages are sent one by one: the server did not take them together."""
        self._again_s = float("-inf")
        self._problem = self._refusal = ""
        self._refused = self._lost_before = 0
        self._told, self._told_s = "", float("-inf")

    def deliver(self, payload: bytes) -> None:
        """Have a message sent that has to arrive: a JSON object."""
        self._outbox.put("", payload)
        self.start()

    def renew(self, key: str, payload: bytes) -> None:
        """Have this sent; what stood under this key and is not sent is not sent any more."""
        with self._lock:
            self._newest[key] = payload
        self.start()

    def close(self) -> None:
        """Send what can be sent in a moment; the rest stays on disk."""
        self._thread.close(_CLOSE_S)

    def start(self) -> None:
        """Send what there is from now on."""
        self._thread.wake()

    def _work(self) -> None:
        self._link.start(f"{self._context.name}/net")
        self._thread.repeat(self._step)
        self._thread.drain(self._last_step, _CLOSE_S / 3)
        self._link.close()
        self._outbox.close()

    def _last_step(self) -> bool:
        if not self._problem:
            self._step()
        return self._link.busy and not self._problem

    def _step(self) -> float:
        """See how the last request went, keep on disk what has come, send the next."""
        outcome = self._link.take_outcome()
        if outcome is not None:
            self._judge(outcome)
        self._outbox.store()
        if not self._link.busy and self._clock() >= self._again_s:
            self._send()
        self._tell()
        return max(0.0, min(_LOOK_EVERY_S, self._again_s - self._clock())) or _LOOK_EVERY_S

    def _send(self) -> None:
        most = 1 if self._alone else self._plan.batch
        if len(self._waiting) < most:
            self._waiting += self._outbox.take(most - len(self._waiting))
        self._under_way = self._waiting[:most]
        if not self._under_way:
            with self._lock:
                if not self._newest:
                    return
                key = next(iter(self._newest))
                self._under_way = [OutMessage(number=0, topic=key, payload=self._newest.pop(key))]
        payloads = [message.payload.strip() for message in self._under_way]
        body = payloads[0] if self._plan.batch == 1 else b"[" + b",".join(payloads) + b"]"
        self._link.post(body, hashlib.sha256(body).hexdigest()[:32])

    def _judge(self, outcome: Outcome) -> None:
        sent, self._under_way = self._under_way, []
        kept = [message for message in sent if message.number]
        if 200 <= outcome.status < 300:
            self._figures.sent += len(sent)
            self._forget(kept)
            self._problem = self._refusal = ""
            self._lost_before = self._outbox.dropped
            self._backoff.reset()
        elif outcome.status in _REFUSED and len(kept) > 1:
            self._alone = len(kept)
        elif outcome.status in _REFUSED:
            self._refused += len(sent)
            self._refusal = f"server {self._link.host} does not take what it is sent ({outcome.status})"
            self._forget(kept)
            self._problem = ""
        else:
            self._problem = f"server {self._link.host} {_reason(outcome)}"
            self._again_s = self._clock() + max(self._backoff.pause_s(), outcome.retry_after_s)
            with self._lock:
                for message in sent:
                    if not message.number:
                        self._newest.setdefault(message.topic, message.payload)

    def _forget(self, messages: list[OutMessage]) -> None:
        numbers = {message.number for message in messages}
        self._outbox.remove(numbers)
        self._waiting = [message for message in self._waiting if message.number not in numbers]
        self._alone = max(0, self._alone - len(messages))

    def _tell(self) -> None:
        """What is wrong: for the report at any time, for the journal where it changes."""
        figures, outbox = self._figures, self._outbox
        figures.waiting, figures.waiting_bytes = outbox.waiting, outbox.waiting_bytes
        figures.dropped = outbox.dropped + self._refused
        reasons = [reason for reason in (self._problem, self._refusal) if reason]
        if outbox.fault:
            reasons.append(f"events cannot be kept on disk ({outbox.fault}) and wait in memory")
        if outbox.dropped > self._lost_before:
            reasons.append(f"more than {format_bytes(self._plan.buffer)} wait: the oldest events are dropped")
        figures.trouble = "; ".join(reasons)
        if figures.trouble != self._told and self._clock() - self._told_s >= _TELL_EVERY_S:
            self._told, self._told_s = figures.trouble, self._clock()
            if figures.trouble:
                self._log.warning("%s", figures.trouble)
            else:
                told = "sends to server %s: %d events wait, %d were dropped"
                self._log.info(told, self._link.host, figures.waiting, figures.dropped)


def _headers(plan: WebhookSink) -> dict[str, str]:
    headers = {"User-Agent": "edgekit", "Accept": "*/*"}
    if plan.token is not None:
        headers[plan.header] = f"Bearer {plan.token}" if plan.header.lower() == "authorization" else plan.token
    return headers


def _reason(outcome: Outcome) -> str:
    if outcome.problem:
        return f"cannot be had: {outcome.problem}"
    if 300 <= outcome.status < 400:
        return f"leads elsewhere ({outcome.status}), where nothing is sent: write that address"
    return _REASONS.get(outcome.status, f"answers with {outcome.status}")
