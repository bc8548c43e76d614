"""A process with one sink that sends and nothing else, which does what it is told.

    python -m tests.fakes.publisher FOLDER OPTIONS

OPTIONS is the sink as JSON. Each line on stdin is a command, and each is answered with a line of JSON, the figures:
    events A B      frames with an event each, of tracks A to B - 1
    count NAME N    a frame with a count
    lost REASON     the stream is down
    fill, free      the work folder's disk is filled up; and has room again
    look            nothing
    close           the sink is closed, and the process ends
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from edgekit.device.runtime.frames.stream import StreamLost, StreamStarted
from edgekit.device.runtime.sinks import make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.reader import from_raw
from edgekit.schema.sink import MqttSink, WebhookSink
from edgekit.stage import SceneEvent
from tests.fakes.frames import frame, stream_info
from tests.fakes.plans import small_plan


def _fill(work: Path) -> None:
    block = 1 << 16
    with (work / "filler").open("ab", buffering=0) as filler:
        while block:
            try:
                filler.write(bytes(block))
            except OSError:
                block //= 2


def main() -> None:
    """Obey until told to close."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    work = Path(sys.argv[1])
    options = json.loads(sys.argv[2])
    kinds: dict[str, type[MqttSink | WebhookSink]] = {"mqtt": MqttSink, "webhook": WebhookSink}
    kind = options["kind"]
    plan = small_plan(sinks={kind: from_raw(kinds[kind], options, "options")})
    figures = PipelineFigures()
    sink = make_sink(SinkContext(name=kind, plan=plan, release=work, work=work, figures=figures))
    sink.follow(StreamStarted(info=stream_info("gate")))
    for line in sys.stdin:
        match line.split():
            case ["events", first, end]:
                for track in range(int(first), int(end)):
                    event = SceneEvent(kind="crossed", place="door", label="person", track=track, direction="in")
                    sink.take(frame(track, "gate", events=(event,)))
            case ["count", name, number]:
                sink.take(frame(0, "gate", counts={name: int(number)}))
            case ["lost", reason]:
                sink.follow(StreamLost(stream="gate", state="down", reason=reason))
            case ["fill"]:
                _fill(work)
            case ["free"]:
                (work / "filler").unlink()
            case ["close"]:
                sink.close()
        own = figures.sinks[kind]
        print(json.dumps({key: value for key, value in vars(own).items() if key != "held"}), flush=True)
        if line.strip() == "close":
            return


if __name__ == "__main__":
    main()
