"""`make soak`, `make soak-cameras`: one worker, cameras of a real RTSP server, and a fault of its own for each but one.

    soak.py [--cameras 4|8] [--minutes N] [--json FILE]

Ends with 1 where a camera was told or back too late, another one noticed it, something grew or leaked (memory,
pictures, threads, descriptors), or a secret was told. That memory grows by less than 1 MiB an hour takes half an hour
to show.
Limits are what the worker promises on a machine that has time; `SLACK_S` is for one that has not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from edgekit.device.keeper.process.growth import growth  # noqa: E402
from edgekit.schema.report import Report, StreamReport  # noqa: E402
from tests.fakes.secret_search import spellings, tellers, texts_under, visible_texts  # noqa: E402
from tests.fakes.vitals import descriptors, rss_mib, threads  # noqa: E402
from tests.soak.camera_site import CAMERAS, FOUR, SINKS, USER, CameraSite, camera_site  # noqa: E402
from tests.soak.faults import CameraTrial  # noqa: E402

STAGGER_S, SLACK_S = 4.0, 10.0
SETTLE_S, QUIET_S = 3.0, 12.0
"""After each round every camera is live for so long; memory is compared once it has settled."""
MOST_MIB_PER_H = 1.0
LONG_S = 1800.0
"""A run of so long has to show that memory does not grow; a shorter one that nobody sees it grow."""
HELD_S = 10.0
PATIENCE_S = 120.0
CONSOLE = Console(width=None if sys.stdout.isatty() else 130)


@dataclass(slots=True)
class Samples:
    """Of the worker, at each of its reports."""

    memory: list[tuple[float, float]] = field(default_factory=list)
    quiet: list[tuple[float, float]] = field(default_factory=list)
    """Memory after each round, the median: while a camera comes back, its old decoder and its new one are there."""
    threads: list[list[str]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    """While every camera was live."""
    leaks: set[str] = field(default_factory=set)
    """Pictures that somebody still had after their frame's end, at a quiet time."""
    tellers: set[str] = field(default_factory=set)
    """What held a secret."""


class CameraSoak:
    """The run: in each round every fault comes once, one over the other; in the end there is a list of complaints."""

    def __init__(self, site: CameraSite, minutes: float) -> None:
        self.site, self.samples = site, Samples()
        self.trials = {name: CameraTrial(fault) for name, fault in site.faults.items()}
        self.last: dict[str, StreamReport] = {}
        self.report: Report | None = None
        self._secrets = frozenset[bytes]().union(*(spellings(USER, one) for one in site.passwords))
        self._seconds, self._began = 60 * minutes, False

    def run(self) -> None:
        """Rounds until the time is over."""
        self._until_all_live(PATIENCE_S)
        self._began = True
        self._be_quiet()
        until_s = time.monotonic() + self._seconds
        while time.monotonic() < until_s and not any(trial.waits for trial in self.trials.values()):
            begin_s = time.monotonic()
            for number, trial in enumerate(self.trials.values()):
                trial.due_s = begin_s + STAGGER_S * number
            self._watch(begin_s + STAGGER_S * len(self.trials))
            self._until_all_live(PATIENCE_S)
            self._be_quiet()

    def _be_quiet(self) -> None:
        self._watch(time.monotonic() + SETTLE_S)
        before = len(self.samples.memory)
        self._watch(time.monotonic() + QUIET_S - SETTLE_S)
        self.samples.leaks |= set(leaks_of(self.report))
        at_s, mib = zip(*self.samples.memory[before:], strict=True)
        self.samples.quiet.append((statistics.median(at_s), statistics.median(mib)))

    def complaints(self) -> list[str]:
        """What was not as it should be; none: all was well."""
        found = [
            f"{name}: {complaint}"
            for name, trial in self.trials.items()
            for complaint in trial.complaints(self.last[name].reconnects, SLACK_S)
        ]
        found += [f"{name}: it noticed the others' faults" for name in self._untouched() if self.last[name].reconnects]
        samples, slope = self.samples, growth(self.samples.quiet)
        if slope.verdict(MOST_MIB_PER_H) == "grows":
            found.append(f"memory grows by {slope.per_hour:.2f} ± {slope.bound:.2f} MiB/h")
        elif self._seconds >= LONG_S and slope.verdict(MOST_MIB_PER_H) != "steady":
            found.append(f"memory: {slope.per_hour:+.2f} ± {slope.bound:.2f} MiB/h, nobody can say that it is steady")
        found += sorted(samples.leaks)
        first = Counter(samples.threads[0]) | Counter(SINKS)  # a sink's begins with its first line
        if more := [names for names in samples.threads if len(names) > sum(first.values())]:
            found.append(f"threads: {sorted(first.elements())} at first, {max(more, key=len)} later, {len(more)} times")
        if not samples.descriptors:
            found.append("descriptors: the cameras were never live all at once")
        elif samples.descriptors[-1] > samples.descriptors[0]:
            found.append(f"descriptors: {samples.descriptors[0]} at first, {samples.descriptors[-1]} at the end")
        folder = self.site.worker.log.parent
        texts = {**texts_under(folder), **visible_texts()}
        found += [f"a secret stands in {name}" for name in sorted(samples.tellers | set(tellers(texts, self._secrets)))]
        return found

    def _untouched(self) -> set[str]:
        return set(self.last) - set(self.trials)

    def _until_all_live(self, patience_s: float) -> None:
        """Go on until every camera is live and every trial is through; whoever is not by then is complained about."""
        until_s = time.monotonic() + patience_s
        for report in self.site.worker.reports():
            self._look(report)
            well = bool(self.last) and all(one.state == "live" and one.fps > 0 for one in self.last.values())
            if (well and not any(trial.waits for trial in self.trials.values())) or time.monotonic() > until_s:
                return

    def _watch(self, until_s: float) -> None:
        for report in self.site.worker.reports():
            self._look(report)
            if time.monotonic() > until_s:
                return

    def _look(self, report: Report) -> None:
        now_s, worker = time.monotonic(), self.site.worker
        self.samples.tellers |= set(tellers({"a report": b"".join(worker.said)}, self._secrets))
        worker.said.clear()
        self.report = report
        self.last = {stream.name: stream for stream in report.streams}
        for name, stream in self.last.items():
            if name in self.trials:
                self.trials[name].see(stream, now_s)
        if self._began:
            pid, samples = worker.process.pid, self.samples
            samples.memory.append((now_s, rss_mib(pid)))
            samples.threads.append(threads(pid))
            if all(stream.state == "live" for stream in self.last.values()):
                samples.descriptors.append(descriptors(pid))


def leaks_of(report: Report | None) -> list[str]:
    """Pictures that nobody should have any more: their frames have ended, or stand still."""
    if report is None or report.memory is None:
        return ["leases: the worker tells nothing of them"]
    found = [f"leases: {one.stream} has {one.held} of {one.most}" for one in report.memory.leases if one.outlived]
    for one in report.memory.holders:
        if one.outlives or one.age_s >= HELD_S:
            found.append(f"leases: {one.place or 'somebody'} of lane {one.lane} has a picture of {one.stream}")
    return found


def figure_of(soak: CameraSoak) -> dict[str, object]:
    """The slope, as benchmarks write theirs."""
    slope = growth(soak.samples.quiet)
    return {
        "name": "rss_slope_mib_per_h",
        "median": slope.per_hour,
        "spread": slope.bound,
        "bar": MOST_MIB_PER_H,
        "better": "lower",
        "unit": "MiB/h",
        "n": slope.n,
    }


def table_of(soak: CameraSoak) -> Table:
    """A line for each camera."""
    table = Table(
        "camera", "what happens to it", "times", "told, worst", "limit", "back, median", "worst", "limit", "fps"
    )
    for name, stream in sorted(soak.last.items()):
        trial = soak.trials.get(name)
        if trial is None:
            table.add_row(name, "nothing", "", "", "", "", "", "", f"{stream.fps:.1f}")
            continue
        told_s, back_s, fault = trial.told_s or [math.nan], trial.back_s or [math.nan], trial.fault
        times = (max(told_s), fault.told_within_s, statistics.median(back_s), max(back_s), fault.back_within_s)
        table.add_row(
            name, fault.about, str(len(trial.back_s)), *(f"{one:.1f} s" for one in times), f"{stream.fps:.1f}"
        )
    return table


def outcome(soak: CameraSoak, complaints: list[str]) -> dict[str, object]:
    """The same, to be written."""
    samples, slope = soak.samples, growth(soak.samples.quiet)
    return {
        "cameras": {
            name: {"told_s": trial.told_s, "back_s": trial.back_s, "back_within_s": trial.fault.back_within_s}
            for name, trial in soak.trials.items()
        },
        "memory": {**asdict(slope), "verdict": slope.verdict(MOST_MIB_PER_H), "mib": samples.memory[-1][1]},
        "rss": [(round(at_s - samples.memory[0][0], 1), round(mib, 2)) for at_s, mib in samples.memory],
        "quiet": [(round(at_s - samples.memory[0][0], 1), round(mib, 2)) for at_s, mib in samples.quiet],
        "threads": [min(map(len, samples.threads)), max(map(len, samples.threads))],
        "descriptors": [samples.descriptors[0], samples.descriptors[-1]] if samples.descriptors else [],
        "figures": [figure_of(soak)],
        "complaints": complaints,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, choices=(4, 8), default=8, help="a site, or one of each fault")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults come")
    parser.add_argument("--json", type=Path, help="write what was found, and every sample of memory, to this file")
    wanted = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="edgekit-soak-") as folder,
        camera_site(Path(folder), FOUR if wanted.cameras == 4 else tuple(CAMERAS)) as site,
    ):
        soak = CameraSoak(site, wanted.minutes)
        soak.run()
        complaints = soak.complaints()
    found = outcome(soak, complaints)
    CONSOLE.print(table_of(soak))
    slope, samples = growth(soak.samples.quiet), soak.samples
    CONSOLE.print(
        f"memory: {samples.memory[-1][1]:.1f} MiB, at most {max(mib for _, mib in samples.memory):.1f}; between rounds "
        f"{slope.per_hour:+.2f} ± {slope.bound:.2f} MiB/h in the last {slope.seconds:.0f} s ({slope.n} rounds, 95 %): "
        f"{slope.verdict(MOST_MIB_PER_H)}\n"
        f"rss_slope_mib_per_h {slope.per_hour:+.2f} ± {slope.bound:.2f}\n"
        f"leases that leaked: {len(samples.leaks)}\n"
        f"threads: {found['threads']}, descriptors at first and at the end: {found['descriptors']}\n"
        f"load of this machine: {os.getloadavg()}"
    )
    for complaint in complaints:
        CONSOLE.print(f"NOT KEPT: {complaint}", markup=False)
    if wanted.json:
        wanted.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
