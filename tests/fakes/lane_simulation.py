"""Cameras in front of a lane's own queues and scheduler, on a virtual clock."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from math import inf

from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.frames import frame


@dataclass(slots=True, kw_only=True)
class Camera:
    """One stream of a simulation, and what became of it."""

    name: str
    period_s: float
    cost_s: float
    rule: StreamRule = StreamRule()
    until_s: float = inf
    given: int = 0
    done: list[int] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    served_s: list[float] = field(default_factory=list)
    handed_on: list[int] = field(default_factory=list)
    """What has left the lane, in the order in which it did."""

    @property
    def longest_gap_s(self) -> float:
        """Between two frames that were served."""
        return max((b - a for a, b in zip(self.served_s, self.served_s[1:], strict=False)), default=0.0)


class Simulation:
    """Cameras in front of a lane of several threads, each of which takes what the scheduler says."""

    def __init__(self, cameras: list[Camera], places: int = 1, *, queue: int = 1, jitter: float = 0.0, seed: int = 1):
        self.cameras = {camera.name: camera for camera in cameras}
        self.places, self._rng, self._jitter = places, random.Random(seed), jitter
        self.clock = Clock(0.0)
        self.scheduler = Scheduler({camera.name: camera.rule for camera in cameras}, places, name="lane")
        self.queues = LaneQueues(queue, "drop_oldest", self.scheduler, lane="lane")
        self.queues.clock = self.clock
        self.running: list[tuple[float, int, Frame, float]] = []
        self.idle_while_waiting = 0

    def run(self, seconds: float) -> None:
        """Let cameras give frames for so long, from now on, and everything be done."""
        begin_s = self.clock.now_s
        phases = {name: self._rng.uniform(0, camera.period_s) for name, camera in self.cameras.items()}
        arrivals = [
            (begin_s + phases[name] + number * camera.period_s, name, camera.given + number)
            for name, camera in self.cameras.items()
            for number in range(int(min(seconds, camera.until_s) / camera.period_s))
        ]
        heapq.heapify(arrivals)
        while arrivals or self.running:
            ends_s = self.running[0][0] if self.running else inf
            if arrivals and arrivals[0][0] < ends_s:
                self.clock.now_s, name, number = heapq.heappop(arrivals)
                self.cameras[name].given += 1
                self.queues.put(frame(number, name, captured_s=self.clock.now_s))
            else:
                self._end()
            self.start()

    def _end(self) -> None:
        self.clock.now_s, _, done, began_s = heapq.heappop(self.running)
        camera = self.cameras[done.stream]
        camera.done.append(done.sequence)
        camera.latencies_s.append(self.clock.now_s - done.captured_s)
        if self.places > 1:
            order = self.queues.order_of(done.stream)
            order.finish(done.sequence, done, lambda left: camera.handed_on.append(left.sequence))
        else:
            camera.handed_on.append(done.sequence)
        self.queues.done(done, began_s)

    def start(self) -> None:
        """Let free threads take what they get."""
        while len(self.running) < self.places:
            taken = self.queues.poll(lambda _stream: True)
            if taken is None:
                self.idle_while_waiting += len(self.queues) > 0
                return
            assert isinstance(taken, Frame)
            camera = self.cameras[taken.stream]
            camera.served_s.append(self.clock.now_s)
            cost_s = camera.cost_s * self._rng.uniform(1 - self._jitter, 1)
            heapq.heappush(self.running, (self.clock.now_s + cost_s, len(camera.done), taken, self.clock.now_s))

    def drops(self, name: str) -> dict[str, int]:
        """One stream's, by cause."""
        return {cause: count for (stream, cause), count in self.queues.drops().items() if stream == name}
