"""How figures are taken: peer and product in turn, a warm-up, the median of the paired ratios."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
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


def machine() -> str:
    """This machine in words."""
    return f"{platform.machine()} {platform.system()} {platform.release()}, Python {platform.python_version()}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(values: list[float]) -> float:
    """Distance of the quartiles."""
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def paired(product: Callable[[], object], peer: Callable[[], object], n: int) -> tuple[list[float], list[float]]:
    """`n` times of the product and the ratios to the peer's, taken in turn after one warm-up of each."""
    peer()
    product()
    times: list[float] = []
    ratios: list[float] = []
    for _ in range(n):
        against = seconds(peer)
        times.append(seconds(product))
        ratios.append(times[-1] / against)
    return times, ratios
