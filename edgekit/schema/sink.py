"""Where results go, as written in recipe.toml: one dataclass for each kind. `kind` tells them apart.

A new kind is a class here, a member of `RecipeSink`, and a module in `edgekit/device/runtime/sinks/` that plays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.names import (
    ClassEntry,
    HeaderName,
    HostName,
    HttpUrl,
    InnerPath,
    OneLine,
    OutputPath,
    TableName,
    Topic,
)
from edgekit.schema.result import EventKind
from edgekit.schema.stages.product import Product
from edgekit.schema.units import Bytes, SmallestUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlSink:
    """Results as lines of JSON: events, changed counts, what happens to streams; more if it is asked for."""

    kind: Literal["jsonl"]
    path: OutputPath
    """A file in the worker's state folder, `-` for the log."""
    detections: bool = False
    """Also what was found in each frame."""
    detections_every_s: Annotated[float, Between(0, 86_400)] = 0.0
    """At most once in so many seconds of a stream; 0: of each frame."""
    tracks: bool = False
    """Also each track when it has ended: from when to when, from where to where."""
    max_bytes: Annotated[Bytes, SmallestUnit("K")] = Bytes(4 << 20)
    """The file is started anew past this size."""
    keep: Annotated[int, Between(0, 100)] = 1
    """So many older files stay: FILE.1 is the newest of them."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSink:
    """A clip's counts are compared with a ground truth after each pass."""

    takes: ClassVar[tuple[Product, ...]] = ("counts",)

    kind: Literal["score"]
    path: InnerPath
    """The ground truth, in the recipe: JSON with `counts`."""
    source: TableName | None = None
    """Whose counts; may be left out where there is one source."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSink:
    """Events, counts and the state of streams go to an MQTT broker; while that is away, events wait on disk."""

    kind: Literal["mqtt"]
    host: HostName
    """The broker's name or address."""
    port: Annotated[int, Between(1, 65_535)] | None = None
    """Unset: 8883 with TLS, else 1883."""
    user: OneLine | None = None
    password: OneLine | None = None
    """A secret setting: `{ setting = "NAME" }`."""
    tls: bool = False
    """Encrypted, and the broker shows a certificate for its `host`."""
    ca_file: InnerPath | None = None
    """Who signs the broker's certificate: a PEM file in the recipe. Unset: whom the board trusts."""
    prefix: Topic = "edgekit"
    """First part of every topic: PREFIX/APPLICATION/STREAM/events. A setting where boards share a broker."""
    client_id: Annotated[str, Matches("[0-9A-Za-z_.-]{1,64}", "1 to 64 letters, digits, ., - and _")] | None = None
    """For brokers that go by it. Unset: made up once on each board."""
    qos: Annotated[int, Between(0, 2)] = 1
    """Of events: 1 is at least once, 2 exactly once as long as the worker lives, 0 not seen to arrive."""
    keepalive_s: Annotated[int, Between(5, 3600)] = 30
    """A broker that says nothing for half as long again is away."""
    backoff_s: Annotated[int, Between(1, 3600)] = 30
    """Longest pause between two tries to connect; the first ones come sooner."""
    buffer: Annotated[Bytes, SmallestUnit("K")] = Bytes(16 << 20)
    """So much waits on disk at most; then the oldest events are dropped."""
    discovery: Topic | None = None
    """Home Assistant's discovery topic, usually "homeassistant": streams and counts show up there by themselves."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSink:
    """Pictures of all streams for people, with what was found drawn into them: `edgekit view DEVICE` opens it."""

    kind: Literal["preview"]
    fps: Annotated[float, Between(above=0, maximum=30)] = 5.0
    """Pictures of each stream in a second, at most. None are made while nobody looks."""
    width_px: Annotated[int, Between(64, 1920)] = 640
    """Wider pictures are made smaller."""
    quality: Annotated[int, Between(10, 95)] = 80
    """Of the JPEGs."""
    viewers: Annotated[int, Between(1, 50)] = 8
    """How many may look at a time; the next one is turned away."""
    port: Annotated[int, Between(1024, 65_535)] | None = None
    """Also at this TCP port of the board, for whoever shows the `token`. Unset: through `edgekit view` alone."""
    address: HostName = "127.0.0.1"
    """Where the board opens the port. Off the board's own loopback, token and pictures travel unencrypted."""
    token: OneLine | None = None
    """A secret setting: `{ setting = "NAME" }`. 16 characters or more."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOptions:
    """Which events a sink takes; a list that is empty lets all through."""

    events: tuple[EventKind, ...] = ()
    places: tuple[OneLine, ...] = ()
    """Names of lines and zones."""
    labels: tuple[OneLine, ...] = ()
    """What crossed, entered, left or stayed."""

    def wants(self, kind: str, place: str, label: str) -> bool:
        """Whether it takes such an event."""
        given = ((self.events, kind), (self.places, place), (self.labels, label))
        return all(not wanted or value in wanted for wanted, value in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSink(EventOptions):
    """Video of each event, with the seconds before it, as the camera sent it: nothing is encoded again.

    Clips lie in a folder of the sink's name in the worker's own, each with a JSON file beside it.
    """

    takes: ClassVar[tuple[Product, ...]] = ("events",)

    kind: Literal["clip"]
    sources: tuple[TableName, ...] = ()
    """Whose events; empty: those of all sources."""
    before_s: Annotated[float, Between(0, 120)] = 5.0
    """So much before the event, and on to the key picture before that."""
    after_s: Annotated[float, Between(0, 600)] = 5.0
    """So much after it; what happens meanwhile makes the clip longer."""
    longest_s: Annotated[float, Between(1, 3600)] = 60.0
    """A clip ends so long after its first event at the latest; a later event begins another."""
    format: Literal["mp4", "mkv"] = "mp4"
    buffer: Annotated[Bytes, SmallestUnit("K")] = Bytes(16 << 20)
    """Memory for the packets of each stream: what is older than fits is gone, also for a disk that is too slow."""
    quota: Annotated[Bytes, SmallestUnit("M")] = Bytes(256 << 20)
    """What all clips may take on disk; then the oldest go."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSink(EventOptions):
    """Events are posted to a web server as JSON; while it is away, they wait on disk."""

    takes: ClassVar[tuple[Product, ...]] = ("events",)

    kind: Literal["webhook"]
    url: HttpUrl
    """Where they go. One that holds a key is a secret setting."""
    token: OneLine | None = None
    """A secret setting: `{ setting = "NAME" }`, sent in the `header`."""
    header: HeaderName = "Authorization"
    """Which header the token is for: `Authorization` says `Bearer TOKEN`, any other the token alone."""
    ca_file: InnerPath | None = None
    """Who signs the server's certificate: a PEM file in the recipe. Unset: whom the board trusts."""
    sender: OneLine | None = None
    """Stands in each message: a setting, where boards share a server."""
    batch: Annotated[int, Between(1, 1000)] = 1
    """1: each event is a request of its own, an object; more: a request holds a list of up to so many."""
    counts: bool = False
    """Counts are posted too, whenever they change: the newest ones, as fast as the server takes them."""
    timeout_s: Annotated[float, Between(0.5, 120)] = 10.0
    """So long a request may take from its beginning to the end of its answer."""
    backoff_s: Annotated[float, Between(1, 3600)] = 60.0
    """Longest pause between two tries, unless the server asks for a longer one; the first ones come sooner."""
    buffer: Annotated[Bytes, SmallestUnit("K")] = Bytes(16 << 20)
    """So much waits on disk at most; then the oldest events are dropped."""
    lane: TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSink:
    """The recipe's own sink, a class in its `app/`: see `edgekit.stage.ResultSink`."""

    kind: Literal["python"]
    entry: ClassEntry
    """`module:Class` in the recipe's `app/` folder."""
    options: dict[str, Any] = field(default_factory=dict)
    """For the dataclass that the class names in its attribute `Options`; as they are where it names none."""
    queue: Annotated[int, Between(1, 1000)] = 64
    """How many results wait for it at most; then the oldest are dropped."""
    pictures: bool = False
    """Each result comes with a copy of its picture, within `limits.pictures_max`."""
    lane: TableName


RecipeSink = JsonlSink | ScoreSink | MqttSink | PreviewSink | ClipSink | WebhookSink | PythonSink
"""Where results go, by `kind`."""


def kept_bytes(sink: RecipeSink) -> int:
    """What it may keep in the worker's folder, by its own limits."""
    match sink:
        case ClipSink():
            return sink.quota
        case JsonlSink():
            return 0 if sink.path == "-" else sink.max_bytes * (1 + sink.keep)
        case MqttSink() | WebhookSink():
            return sink.buffer
        case _:
            return 0
