"""What busy neighbours cost a lane's p99, and what keeps them away: CPUs, shares, scheduling class. Needs root.

A camera hands a frame to a lane each 10 ms, whose step computes for a millisecond or two without the interpreter's
lock; processes beside it never wait, one of them streams through memory. Neighbours are confined as `limits.isolate`
confines them: to other CPUs. All cases in turn, in each round; the last one is the product's whole answer. What it is
worth hangs on how many neighbours there are, and what it leaves must not: so it is told for few of them as well.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame
from measure import Figure, compared
from runtime_schedule import WaitingStep, frame

PERIOD_S, FRAMES = 0.01, 250
MANY, FEW = 4, 2
"""Neighbours for each CPU: some applications with a thread for each, or one and an update."""
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How lane and neighbours stand to each other."""

    affinity: bool = False
    """The lane is pinned to the last CPU."""
    confined: bool = False
    """Neighbours are kept off that CPU, and the worker has no other."""
    weight: bool = False
    """The worker's group has sixteen times the neighbours' shares of every CPU."""
    realtime: bool = False


BEST = "realtime + cpuset"
CASES = {
    "free": Case(),
    "affinity": Case(affinity=True),
    "cpuset": Case(affinity=True, confined=True),
    "weight": Case(weight=True),
    "realtime": Case(realtime=True),
    BEST: Case(affinity=True, confined=True, realtime=True),
}


def figures(rounds: int) -> list[Figure]:
    """The lane's p99 as everybody's equal against its p99 isolated and realtime."""
    if os.geteuid() != 0:
        raise SystemExit("error: this moves processes between control groups: run it as root")
    found: dict[str, list[float]] = {name: [] for name in CASES}
    few: dict[str, list[float]] = {"free": [], BEST: []}
    for _ in range(rounds):
        for name, case in CASES.items():
            found[name].append(p99_s(case, MANY))
        for name, values in few.items():
            values.append(p99_s(CASES[name], FEW))
    free, best = found["free"], found[BEST]
    others = ", ".join(f"{name} {ratio(free, found[name]):.2f}" for name in CASES if name not in ("free", BEST))
    less = f"{statistics.median(few['free']) * 1e3:.1f} ms, {ratio(few['free'], few[BEST]):.2f} times"
    said = (
        f"the same lane unpinned beside {MANY} neighbours for each CPU, {statistics.median(free) * 1e3:.1f} ms; "
        f"against that alone: {others}; beside {FEW} for each: {less}"
    )
    return [compared("pinned_p99_vs_unpinned", ratio(free, best), best, bar=5.0, better="higher", against=said)]


def ratio(slow: list[float], fast: list[float]) -> float:
    """The median of the rounds'."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def p99_s(case: Case, neighbours: int) -> float:
    """From a frame's capture to the end of its step, of a lane in a process of its own, with so many for each CPU."""
    last = max(os.sched_getaffinity(0))
    number = neighbours * len(os.sched_getaffinity(0))
    burners = [multiprocessing.Process(target=burn, args=(one == 0,), daemon=True) for one in range(number)]
    for burner in burners:
        burner.start()
    if case.confined:
        for burner in burners:
            os.sched_setaffinity(burner.pid or 0, os.sched_getaffinity(0) - {last})
    asked = json.dumps({"cpu": last, "pinned": case.affinity, "alone": case.confined, "realtime": case.realtime})
    argv = [sys.executable, __file__, asked]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})
    try:
        with weighted(child.pid, burners) if case.weight else contextlib.nullcontext():
            out, _ = child.communicate(timeout=120)
    finally:
        for burner in burners:
            burner.kill()
            burner.join()
    if child.returncode:
        raise SystemExit(f"error: the lane's process ended with {child.returncode}")
    return float(out)


@contextlib.contextmanager
def weighted(pid: int, burners: list[multiprocessing.Process]) -> Iterator[None]:
    """Groups for the worker and its neighbours; cgroup v2, or v1 where the machine has that."""
    second = (_GROUPS / "cgroup.controllers").exists()
    root, file, shares = (
        (_GROUPS, "cpu.weight", (1600, 100)) if second else (_GROUPS / "cpu", "cpu.shares", (16384, 1024))
    )
    home = root / Path("/proc/self/cgroup").read_text().partition("cpu:")[2].partition("\n")[0].lstrip("/")
    made = [root / f"edgekit-bench-{name}" for name in ("worker", "rest")]
    try:
        for group, share, pids in zip(made, shares, ([pid], [one.pid for one in burners]), strict=True):
            group.mkdir(exist_ok=True)
            (group / file).write_text(str(share))
            for one in pids:
                (group / "cgroup.procs").write_text(str(one))
        yield
    finally:
        for group in made:
            for one in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (home / "cgroup.procs").write_text(one)
            group.rmdir()


def burn(memory: bool) -> None:
    """A neighbour that never waits; one also streams through memory."""
    there, here = np.zeros(4_000_000, np.uint8), np.zeros(4_000_000, np.uint8)
    while True:
        if memory:
            np.copyto(here, there)
        else:
            sum(number * number for number in range(5000))


def lane_p99_s(*, cpu: int, pinned: bool, alone: bool, realtime: bool) -> float:
    """In the worker's process: a camera's thread and a lane."""
    if alone:
        os.sched_setaffinity(0, {cpu})
    picture, small = np.zeros((1080, 1920, 3), np.uint8), np.empty((360, 640, 3), np.uint8)
    latencies: list[float] = []

    def work(taken: Frame) -> None:
        for _ in range(2):
            cv2.resize(picture, (640, 360), dst=small, interpolation=cv2.INTER_LINEAR)
        latencies.append(time.monotonic() - taken.captured_s)

    plan = LanePlan(cpus=(cpu,) if pinned else (), realtime=realtime, queue=4, drop="block")
    crew = Crew(steps=(WaitingStep(work),), figures=LaneFigures("lane", time.monotonic))
    lane = Lane(name="lane", plan=plan, streams=frozenset({"gate"}), crews=(crew,), rules={"gate": StreamRule()})
    (thread,) = lane.threads
    thread.thread.start()
    if thread.thread.note:
        raise SystemExit(f"error: {thread.thread.note}")
    feeder = threading.Thread(target=feed, args=(lane,))
    feeder.start()
    feeder.join()
    time.sleep(1.0)
    lane.queues.close()
    thread.thread.join(60)
    lost = [1.0] * (FRAMES - len(latencies))  # superseded: none gets faster by losing the slow ones
    return sorted(latencies + lost)[FRAMES * 99 // 100]


def feed(lane: Lane) -> None:
    """The camera: frames come when they come, whoever has the CPU."""
    due_s = time.monotonic()
    for number in range(FRAMES):
        time.sleep(max(0.0, due_s - time.monotonic()))
        lane.queues.put(frame("gate", number))
        due_s = max(due_s + PERIOD_S, time.monotonic())


if __name__ == "__main__":
    cv2.setNumThreads(1)
    print(lane_p99_s(**json.loads(sys.argv[1])))
