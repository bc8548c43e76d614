"""Where results go. A sink sees every frame that came through, and what happens to its stream, in order.

One module a kind, and the table of kinds: `make_sink`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.jsonl import JsonlWriter
from edgekit.device.runtime.sinks.preview.sink import PreviewPlayer
from edgekit.device.runtime.sinks.score import CountScorer
from edgekit.device.runtime.sources.packets import PacketTaker
from edgekit.schema.sink import ClipSink, JsonlSink, MqttSink, PreviewSink, PythonSink, ScoreSink, WebhookSink
from edgekit.stage import Frame


class Sink(Protocol):
    """Takes results on the thread of its lane. It may raise: that is counted, and costs nobody else anything."""

    def take(self, frame: Frame) -> None:
        """One frame's result. It is read only: other sinks have it too."""

    def follow(self, event: StreamEvent) -> None:
        """Something happened to a stream."""

    def close(self) -> None:
        """Nothing follows."""


@runtime_checkable
class TakesPackets(Protocol):
    """A sink that also wants what streams are decoded from."""

    def taker(self, stream: str) -> PacketTaker | None:
        """Who takes the packets of a stream; None where they are not wanted."""


def make_sink(context: SinkContext) -> Sink:
    """The sink of that name in a plan. It sends nothing anywhere before its first frame or event.

    Raises:
        InputError: it cannot be made.
    """
    figures = context.figures
    match plan := context.plan.sinks[context.name]:
        case JsonlSink():
            return JsonlWriter(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
        case ScoreSink():
            return CountScorer(plan, context.release, figures.scores.setdefault(context.name, {}))
        case MqttSink():
            from edgekit.device.runtime.sinks.mqtt import MqttPublisher  # noqa: PLC0415  only then paho is there

            return MqttPublisher(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
        case PreviewSink():
            return PreviewPlayer(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
        case WebhookSink():
            from edgekit.device.runtime.sinks.webhook import WebhookCaller  # noqa: PLC0415  TLS is a lot to load

            return WebhookCaller(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
        case PythonSink():
            from edgekit.device.runtime.sinks.own import OwnSink  # noqa: PLC0415  as the others that have a thread

            return OwnSink(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
        case ClipSink():
            from edgekit.device.runtime.sinks.clip import ClipRecorder  # noqa: PLC0415  only then PyAV is needed

            return ClipRecorder(plan, context, figures.sinks.setdefault(context.name, SinkFigures()))
