"""What others cost a camera, and what further slots give one: lanes on a fake accelerator that really waits.

An inference is a sleep in a slot, as a driver's: the lane's thread is gone meanwhile, and no CPU is busy. Beside the
product stands what a worker without a scheduler does: the same threads take from one `queue.Queue`, first come.
"""

from __future__ import annotations

import queue
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np

from edgekit.device.runner.loaded import LoadedEngine, Runner
from edgekit.device.runner.tensors import InputBuffers, Tensors, TensorSpec, plain_inputs
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamEnded, StreamEvent
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.imaging.image import RgbImage
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame
from measure import Figure, compared, measured
from runtime_handoff import alone

SECONDS, FPS, DEADLINE_S = 4.0, 30, 0.066
SHORT_S, LONG_S, THREADS = 0.008, 0.3, 2
CAMERA_FRAMES = int(SECONDS * FPS)
LONG_STREAMS, LONG_FPS = 3, 4
MANY = 64
SLOTS, HOT_FRAMES, HOT_S = 3, 90, 0.02
_PIXEL = np.zeros((1, 1, 3), np.uint8)
_SPEC = TensorSpec(name="x", shape=(1,), dtype=np.dtype(np.float32))

Put = Callable[[Frame], None]


def figures(rounds: int) -> list[Figure]:
    """The camera's p99 beside long work against alone, and the time of one slot against that of three."""
    runs = {"alone": list[list[float]](), "lane": list[list[float]](), "first come": list[list[float]]()}
    one, three = [], []
    with alone():
        for number in range(rounds + 1):
            found = {
                "alone": camera_latencies(by_lane, long_streams=0),
                "lane": camera_latencies(by_lane, long_streams=LONG_STREAMS),
                "first come": camera_latencies(first_come, long_streams=LONG_STREAMS),
            }
            costs = hot_stream_s(1), hot_stream_s(SLOTS)
            if number:  # the first one warms up
                for name, latencies in found.items():
                    runs[name].append(latencies)
                one.append(costs[0])
                three.append(costs[1])
    beside = [p99_s(latencies) for latencies in runs["lane"]]
    bare = [p99_s(latencies) for latencies in runs["alone"]]
    faster = statistics.median(a / b for a, b in zip(one, three, strict=True))
    ratio = statistics.median(a / b for a, b in zip(beside, bare, strict=True))
    said = f"the camera alone, {statistics.median(bare) * 1e3:.1f} ms; first come: {_first_come(runs['first come'])}"
    return [
        compared("blocked_p99_ratio", ratio, beside, bar=1.5, better="lower", against=said),
        compared("three_slots_vs_one", faster, three, bar=2.5, better="higher", against="the same frames in one slot"),
        measured(
            "decision_64_streams_us", [decision_us(MANY) for _ in range(rounds)], unit="us", against=said_of_one()
        ),
    ]


def said_of_one() -> str:
    """What a decision takes where one stream waits, in words."""
    return f"CPU time of a decision while all wait; where one of them does: {decision_us(1):.1f} us"


def decision_us(waiting: int) -> float:
    """CPU time in which a line of `MANY` streams with deadlines gives its next frame, the median.

    Args:
        waiting: how many of them have a frame there.
    """
    rules = {f"s{number}": StreamRule(priority=number % 3, deadline_s=3600.0) for number in range(MANY)}
    line, took_s = LaneQueues(4, "drop_oldest", Scheduler(rules)), []
    for turn in range(50):
        for stream in list(rules)[:waiting]:
            line.put(frame(stream, turn))
        began_s = time.thread_time()
        entry = line.poll(lambda _stream: True)
        took_s.append(time.thread_time() - began_s)
        while entry is not None:
            line.done(entry, line.clock())
            entry = line.poll(lambda _stream: True)
    return statistics.median(took_s) * 1e6


def _first_come(runs: list[list[float]]) -> str:
    done = sorted(latency_s for latencies in runs for latency_s in latencies)
    lost = 1 - len(done) / (len(runs) * CAMERA_FRAMES)
    return f"{done[len(done) * 99 // 100] * 1e3:.0f} ms, and {lost:.0%} of its frames lost"


def p99_s(latencies: list[float]) -> float:
    """Of all frames that the camera gave. One that was dropped counts as one that took as long as all of it: none gets
    faster by losing the slow ones."""
    every = sorted(latencies) + [SECONDS] * (CAMERA_FRAMES - len(latencies))
    return every[CAMERA_FRAMES * 99 // 100]


def camera_latencies(
    through: Callable[[list[float]], tuple[Put, Callable[[], None]]], *, long_streams: int
) -> list[float]:
    """From capture to the end of its inference, of a camera beside streams whose inferences take long."""
    latencies: list[float] = []
    put, end = through(latencies)
    feeds = [threading.Thread(target=feed, args=(put, "gate", FPS))]
    feeds += [threading.Thread(target=feed, args=(put, f"long{number}", LONG_FPS)) for number in range(long_streams)]
    for thread in feeds:
        thread.start()
    for thread in feeds:
        thread.join()
    time.sleep(DEADLINE_S)
    end()
    return latencies


def feed(put: Put, stream: str, fps: int) -> None:
    """A camera's thread."""
    began_s = time.monotonic()
    for number in range(int(SECONDS * fps)):
        time.sleep(max(0.0, began_s + number / fps - time.monotonic()))
        put(frame(stream, number))


def frame(stream: str, number: int) -> Frame:
    """One pixel, captured now."""
    image = RgbImage(pixels=_PIXEL, order="RGB")
    return Frame(stream=stream, sequence=number, captured_s=time.monotonic(), image=image)


def infer(frame: Frame, latencies: list[float]) -> None:
    """As long as the stream's model takes."""
    if frame.stream == "gate":
        time.sleep(SHORT_S)
        latencies.append(time.monotonic() - frame.captured_s)
    else:
        time.sleep(LONG_S)


class WaitingStep:
    """Works on a frame by a call that sleeps."""

    name = "infer"

    def __init__(self, work: Callable[[Frame], None]) -> None:
        self._work = work

    def frame(self, frame: Frame) -> Frame:
        self._work(frame)
        return frame

    def event(self, event: StreamEvent) -> None:
        pass

    def close(self) -> None:
        pass


def lane_of(threads: int, streams: frozenset[str], work: Callable[[Frame], None], **more: object) -> Lane:
    """A lane whose one step is `work`, started."""
    crews = tuple(
        Crew(steps=(WaitingStep(work),), figures=LaneFigures(f"lane.{number}", time.monotonic))
        for number in range(threads)
    )
    plan = LanePlan(cpus=(), threads=threads, queue=4, drop="block")
    lane = Lane(name="lane", plan=plan, streams=streams, crews=crews, **more)  # type: ignore[arg-type]
    for one in lane.threads:
        one.thread.start()
    return lane


def by_lane(latencies: list[float]) -> tuple[Put, Callable[[], None]]:
    """The product: the camera has a deadline, the others none."""
    streams = frozenset({"gate", *(f"long{number}" for number in range(LONG_STREAMS))})
    rules = {"gate": StreamRule(deadline_s=DEADLINE_S, max_wait_s=2.0)}
    lane = lane_of(THREADS, streams, lambda frame: infer(frame, latencies), rules=rules, live=streams)

    def end() -> None:
        lane.queues.close()
        for one in lane.threads:
            one.thread.join(60)

    return lane.queues.put, end


def first_come(latencies: list[float]) -> tuple[Put, Callable[[], None]]:
    """The peer: as many threads, one line of bounded length that drops its oldest."""
    line: queue.Queue[Frame | None] = queue.Queue(4 * (LONG_STREAMS + 1))

    def work() -> None:
        while (taken := line.get()) is not None:
            infer(taken, latencies)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()

    def put(entry: Frame) -> None:
        while True:
            try:
                return line.put_nowait(entry)
            except queue.Full:
                line.get_nowait()

    def end() -> None:
        while not line.empty():
            line.get_nowait()
        for _ in threads:
            line.put(None)
        for thread in threads:
            thread.join()

    return put, end


class WaitingContext:
    """A slot of the fake accelerator."""

    def __init__(self) -> None:
        self.inputs = plain_inputs((_SPEC,))

    def accepts(self, inputs: InputBuffers) -> bool:
        return True

    def start(self, inputs: InputBuffers) -> None:
        pass

    def finish(self) -> Tensors:
        time.sleep(HOT_S)
        return self.inputs.arrays

    def cancel(self) -> None:
        pass


def hot_stream_s(slots: int) -> float:
    """For one stream that always has a frame, on a lane of as many threads as the engine has slots."""
    runner = Runner(
        LoadedEngine(
            inputs=(_SPEC,),
            outputs=(_SPEC,),
            picture="x",
            contexts=tuple(WaitingContext() for _ in range(slots)),
            close=lambda: None,
            hint="",
        )
    )
    tensors = {"x": np.zeros(1, np.float32)}
    lane = lane_of(slots, frozenset({"hot"}), lambda _frame: runner.infer(tensors) and None)
    began_s = time.perf_counter()
    for number in range(HOT_FRAMES):
        lane.queues.wait_for_room("hot")
        lane.queues.put(frame("hot", number))
    lane.queues.wait_for_room("hot")
    lane.queues.put(StreamEnded(stream="hot", reason=""))
    lane.ended.wait()
    took_s = time.perf_counter() - began_s
    for one in lane.threads:
        one.thread.join(60)
    runner.close()
    return took_s
