"""What it costs to hand a 1080p frame from one thread to another that sleeps: latency, CPU time, objects.

The product is a source's thread that has a leased frame, and a lane's thread that waits: latency is from there until
that thread has it. Peers do the same as others do it: `queue.Queue` with a copy of the picture, a bare
`queue.SimpleQueue` with nothing around it, and a ring of shared memory beside a `multiprocessing.Queue`, as between
processes: copied in, and used where it lies, as Frigate does it. The bare queue is the floor: it does nothing but
wake a thread, and how long that takes at worst is the machine's. All take turns, round by round, on the same CPUs,
under SCHED_FIFO where that is allowed: else other programs' time slices are what is measured. CPU time is for all
that a frame costs beside its stages: its objects, its lease, the line, figures, its end; with room for so many frames
that threads seldom wait.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import queue
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Protocol

import numpy as np

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import StreamLeases, pass_on
from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamEvent
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.imaging.copying import copy_picture, planes_of
from edgekit.imaging.image import FrameSpec, Yuv420Image
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame
from measure import Figure, compared, measured

FRAMES, UNPACED = 300, 3000
_ROOM, _UNPACED_ROOM = 6, 30
_PACE_S = 0.002
_WARM = 30
_SPEC = FrameSpec(width_px=1920, height_px=1080, matrix="709", range="limited")
_BYTES = 1920 * 1080 * 3 // 2
_SURFACES = 8
"""25 MB in all: colder than a CPU's caches, as a decoder's are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One scheme, once."""

    p50_s: float
    p99_s: float
    """Of all frames, the first ones too: what takes its memory when it is first used shows that here."""
    warm_p99_s: float


class Decoder:
    """Makes frames as a decoder does: views of its own memory, new objects for each. The same for all schemes."""

    def __init__(self) -> None:
        self._surfaces = [bytearray(np.full(_BYTES, number, np.uint8)) for number in range(_SURFACES)]

    def frame(self, number: int) -> Frame:
        memory, luma = self._surfaces[number % _SURFACES], 1920 * 1080
        image = Yuv420Image(
            y=np.frombuffer(memory, np.uint8, luma).reshape(1080, 1920),
            u=np.frombuffer(memory, np.uint8, luma // 4, luma).reshape(540, 960),
            v=np.frombuffer(memory, np.uint8, luma // 4, luma * 5 // 4).reshape(540, 960),
            spec=_SPEC,
        )
        return Frame(stream="bench", sequence=number, captured_s=time.perf_counter(), image=image)


class Scheme(Protocol):
    """One way to hand frames over. `received` is called by the other thread for each."""

    def start(self, received: Callable[[float], None], count: int, room: int) -> None:
        """Have a thread wait for `count` frames, of which `room` may wait for it."""

    def give(self, frame: Frame) -> None:
        """Hand over a frame, which is new."""

    def join(self) -> None:
        """Wait until all were received."""


class TimedQueues(LaneQueues):
    """A lane's line that tells when its thread has an entry."""

    received: Callable[[float], None]

    def take(self, ready: Callable[[str], bool]) -> Entry | None:
        entry = super().take(ready)
        if isinstance(entry, Frame):
            self.received(entry.captured_s)
        return entry


class LaneScheme:
    """The product: leases, a lane's queues, its thread, one stage."""

    name = "bench"

    def start(self, received: Callable[[float], None], count: int, room: int) -> None:
        self._leases = StreamLeases("bench", room + 2, PicturePool())
        self._lane = Lane(
            name="lane",
            plan=LanePlan(cpus=(), queue=room, drop="block"),
            streams=frozenset({"bench"}),
            crews=(Crew(steps=(self,), figures=LaneFigures("lane", time.monotonic)),),
        )
        self._lane.queues = TimedQueues(room, "block", self._lane.scheduler, lane="lane")
        self._lane.queues.received = received
        self._lane.threads[0].thread.start()
        _pin(self._lane.threads[0].thread.tid, 1)

    def give(self, frame: Frame) -> None:
        """As a source's thread does it."""
        self._leases.wait()
        self._leases.lend(frame, "feed")
        frame.captured_s = time.perf_counter()
        self._lane.queues.rouse()
        self._lane.queues.wait_for_room("bench")
        pass_on(frame, "feed", ("lane",))
        self._lane.queues.put(frame)

    def join(self) -> None:
        self._lane.queues.put(StreamEnded(stream="bench", reason=""))
        self._lane.threads[0].thread.join(60)

    def frame(self, frame: Frame) -> Frame:
        return frame

    def event(self, event: StreamEvent) -> None:
        pass

    def close(self) -> None:
        pass


class QueueScheme:
    """A queue of the standard library, with or without a copy of each picture."""

    def __init__(self, make: Callable[[int], Any], *, copy: bool) -> None:
        self._make, self._copy = make, copy

    def start(self, received: Callable[[float], None], count: int, room: int) -> None:
        self._queue = self._make(room)
        ready = threading.Event()

        def consume() -> None:
            _pin(0, 1)
            ready.set()
            for _ in range(count):
                frame = self._queue.get()
                received(frame.captured_s)
                del frame

        self._thread = threading.Thread(target=consume)
        self._thread.start()
        ready.wait()

    def give(self, frame: Frame) -> None:
        if self._copy:
            frame.image = copy_picture(frame.image)
        self._queue.put(frame)

    def join(self) -> None:
        self._thread.join(60)


class SharedMemoryScheme:
    """A ring in shared memory and a queue of its slots' names, to another process. Latencies come at the end."""

    def start(self, received: Callable[[float], None], count: int, room: int) -> None:
        context = multiprocessing.get_context("fork")
        self._received = received
        self._slots = [SharedMemory(create=True, size=_BYTES) for _ in range(_SURFACES)]
        self._queue: Any = context.Queue(_SURFACES)
        self._results, results = context.Pipe(duplex=False)
        self._process = context.Process(target=_consume_shared, args=(self._queue, results, count))
        self._process.start()
        assert self._results.recv() == "ready"

    def give(self, frame: Frame) -> None:
        slot, begin = self._slots[frame.sequence % _SURFACES], 0
        for plane in planes_of(frame.image):
            slot.buf[begin : begin + plane.size] = plane.reshape(-1).data
            begin += plane.size
        self._queue.put((frame.captured_s, slot.name))

    def join(self) -> None:
        for latency_s in self._results.recv():
            self._received(time.perf_counter() - latency_s)
        self._process.join(60)
        for slot in self._slots:
            slot.close()
            slot.unlink()


def _consume_shared(names: Any, results: Any, count: int) -> None:
    _pin(0, 1)
    results.send("ready")
    latencies: list[float] = []
    slots: dict[str, SharedMemory] = {}
    for _ in range(count):
        at_s, name = names.get()
        if name not in slots:
            slots[name] = SharedMemory(name)
        np.ndarray(_BYTES, np.uint8, buffer=slots[name].buf)[0]
        latencies.append(time.perf_counter() - at_s)
    results.send(latencies)
    results.close()


def latencies(scheme: Scheme, decoder: Decoder) -> Round:
    """Paced, so that the other thread sleeps each time."""
    found: list[float] = []
    scheme.start(lambda at_s: found.append(time.perf_counter() - at_s), FRAMES, _ROOM)
    for number in range(FRAMES):
        scheme.give(decoder.frame(number))
        time.sleep(_PACE_S)
    scheme.join()
    return Round(p50_s=statistics.median(found), p99_s=_p99(found), warm_p99_s=_p99(found[_WARM:]))


def _p99(found: list[float]) -> float:
    return sorted(found)[len(found) * 99 // 100]


def cpu_of(scheme: Scheme, decoder: Decoder) -> float:
    """CPU seconds of this process for one frame, unpaced."""
    scheme.start(lambda _at_s: None, UNPACED, _UNPACED_ROOM)
    began_s = time.process_time()
    for number in range(UNPACED):
        scheme.give(decoder.frame(number))
    scheme.join()
    return (time.process_time() - began_s) / UNPACED


def _pin(tid: int, place: int) -> None:
    cpus = sorted(CPUS)
    os.sched_setaffinity(tid, {cpus[place % len(cpus)]})


CPUS = frozenset(os.sched_getaffinity(0))


@contextmanager
def alone() -> Iterator[None]:
    """This thread and those that it starts, before what else wants these CPUs."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    _pin(0, 0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)
        os.sched_setscheduler(0, *before)


SCHEMES: dict[str, Callable[[], Scheme]] = {
    "lane": LaneScheme,
    "bare": lambda: QueueScheme(lambda _room: queue.SimpleQueue(), copy=False),
    "copy": lambda: QueueScheme(queue.Queue, copy=True),
    "shm": SharedMemoryScheme,
}


def figures(rounds: int) -> list[Figure]:
    """Ratios of the peers' latency and CPU time to the lane's, and the objects that frames leave behind."""
    found, cpus = taking_turns(rounds)

    def of(name: str, what: str) -> list[float]:
        return cpus[name] if what == "cpu" else [getattr(one, what) for one in found[name]]

    def against(name: str, what: str, peer: str, bar: float | None) -> Figure:
        mine, other = of("lane", what), of(name, what)
        ratio = statistics.median(b / a for a, b in zip(mine, other, strict=True))
        said = f"{peer}: {statistics.median(other) * 1e6:.0f} us, mine {statistics.median(mine) * 1e6:.0f}"
        return compared(f"handoff_{_NAMES[name, what]}", ratio, mine, bar=bar, better="higher", against=said)

    def floor(what: str, peer: str, bar: float | None = None) -> Figure:
        figure = against("bare", what, peer, bar)
        return replace(figure, ratio=1 / figure.ratio if figure.ratio else None, better="lower")

    return [
        against("copy", "p50_s", "queue.Queue and a copy", 6),
        against("copy", "cpu", "queue.Queue and a copy, CPU", 20),
        floor("p50_s", "queue.SimpleQueue", 1.25),
        against("shm", "p99_s", "a new ring and multiprocessing.Queue, p99", 20),
        against("shm", "warm_p99_s", "a ring that was used before, p99", None),
        floor("p99_s", "queue.SimpleQueue, p99: no hand-off is sooner"),
        frame_blocks(),
    ]


def taking_turns(rounds: int) -> tuple[dict[str, list[Round]], dict[str, list[float]]]:
    """Latencies of all schemes, and CPU seconds of two, by round."""
    found: dict[str, list[Round]] = {name: [] for name in SCHEMES}
    cpus: dict[str, list[float]] = {"lane": [], "copy": []}
    decoder = Decoder()
    with alone():
        for number in range(rounds + 1):
            for name, make in SCHEMES.items():
                gc.collect()
                one = latencies(make(), decoder)
                found[name] += [one] if number else []
            for name in cpus:
                cost = cpu_of(SCHEMES[name](), decoder)
                cpus[name] += [cost] if number else []
    return found, cpus


_NAMES = {
    ("copy", "p50_s"): "vs_copy",
    ("copy", "cpu"): "cpu_vs_copy",
    ("bare", "p50_s"): "vs_bare",
    ("bare", "p99_s"): "p99_vs_bare",
    ("shm", "p99_s"): "vs_shm_queue",
    ("shm", "warm_p99_s"): "vs_warm_shm_queue",
}


def frame_blocks() -> Figure:
    """Objects that a frame leaves behind, and those that it is while it is under way."""
    decoder, scheme = Decoder(), LaneScheme()
    scheme.start(lambda _at_s: None, 0, _ROOM)
    for number in range(_WARM):
        scheme.give(decoder.frame(number))
    left = []
    for _ in range(9):
        before = sys.getallocatedblocks()
        for number in range(UNPACED // 10):
            scheme.give(decoder.frame(number))
        time.sleep(0.01)
        left.append((sys.getallocatedblocks() - before) / (UNPACED // 10))
    scheme.join()
    before = sys.getallocatedblocks()
    held = [decoder.frame(number) for number in range(100)]
    under_way = (sys.getallocatedblocks() - before) / len(held)
    said = f"sys.getallocatedblocks; under way a frame is {under_way:.0f} objects"
    return measured("frame_blocks", left, unit="left by a frame", bar=10, against=said)
