"""Latency of gate-watch where the worker chooses when garbage is collected, against where Python does.

Four RTSP cameras, a real worker for each run, the two by turns. Its stages compute little in Python: a recipe whose
stages make many objects gains or loses more.
"""

from __future__ import annotations

import statistics

from gate_site import gate_site
from measure import Figure, compared, paired_costs

CAMERAS, SECONDS = 4, 30.0


def figures(rounds: int) -> list[Figure]:
    """p99 from capture to sink, as a ratio."""
    with gate_site() as site:
        costs, ratios = paired_costs(
            lambda: site.run(CAMERAS, SECONDS).p99_ms / 1000,
            lambda: site.run(CAMERAS, SECONDS, "python").p99_ms / 1000,
            n=rounds,
        )
    against = f"p99 of {CAMERAS} cameras where Python collects by itself"
    ratio = statistics.median(ratios)
    return [compared("collector_p99_vs_python", ratio, costs, bar=None, better="lower", against=against)]
