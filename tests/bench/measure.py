"""How figures are taken: peer and product in turn, a warm-up, the median of the paired ratios."""

from __future__ import annotations

import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of a benchmark's table, and one object of its JSON."""

    name: str
    ratio: float | None
    bar: float | None
    better: Literal["higher", "lower"]
    against: str
    median: float
    spread: float
    """Distance of the quartiles, in `unit`."""
    unit: str
    n: int
    machine: str


def compared(
    name: str, ratio: float, costs: list[float], *, bar: float | None, better: Literal["higher", "lower"], against: str
) -> Figure:
    """A figure that is a ratio, beside the product's own seconds."""
    return replace(measured(name, costs, unit="s", bar=bar, against=against), ratio=ratio, better=better)


def measured(name: str, values: list[float], *, unit: str, bar: float | None = None, against: str = "") -> Figure:
    """A figure that is measured by itself, the lower the better."""
    return Figure(
        name=name,
        ratio=None,
        bar=bar,
        better="lower",
        against=against,
        median=statistics.median(values),
        spread=spread(values),
        unit=unit,
        n=len(values),
        machine=machine(),
    )


def machine() -> str:
    """This machine in words."""
    return f"{platform.machine()} {platform.system()} {platform.release()}, Python {platform.python_version()}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu_seconds(argv: list[str], env: Mapping[str, str]) -> float:
    """CPU time of one command and what it starts, user and system. Source: getrusage(2), RUSAGE_CHILDREN."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, capture_output=True, env=env, timeout=600)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: list[float]) -> float:
    """Distance of the quartiles; 0 of a single value."""
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def paired(product: Callable[[], object], peer: Callable[[], object], n: int) -> tuple[list[float], list[float]]:
    """`n` wall times of the product and the ratios to the peer's, taken in turn after one warm-up of each."""
    return paired_costs(lambda: seconds(product), lambda: seconds(peer), n)


def paired_costs(product: Callable[[], float], peer: Callable[[], float], n: int) -> tuple[list[float], list[float]]:
    """As `paired`, for calls that tell what they cost themselves."""
    peer()
    product()
    costs: list[float] = []
    ratios: list[float] = []
    for _ in range(n):
        against = peer()
        costs.append(product())
        ratios.append(costs[-1] / against)
    return costs, ratios
