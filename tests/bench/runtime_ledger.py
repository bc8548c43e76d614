"""What `edgekit plan` says of memory, against what the kernel charges to gate-watch's worker with 1, 2 and 4 cameras.

Foretold is the sum of anonymous, shared and the kernel's own memory, from a profile of one clip that was taken in the
same run; measured is that sum at its peak, in a cgroup of the worker's own, with RTSP cameras and a broker.
"""

from __future__ import annotations

import statistics

from rich.console import Console

from gate_site import GATES, GateSite, edgekit, gate_site
from measure import Figure, measured

NUMBERS, SECONDS = (1, 2, 4), 8.0
CONSOLE = Console(stderr=True)


def figures(rounds: int) -> list[Figure]:
    """The largest error of the three numbers of cameras."""
    with gate_site() as site:
        site.profile(10.0)
        errors = {number: error(site, number, rounds) for number in NUMBERS}
    worst = max(errors, key=lambda number: statistics.median(errors[number]))
    said = f"memory charged at its peak; {', '.join(map(str, NUMBERS))} cameras, the worst: {worst}"
    return [measured("ledger_error_percent", errors[worst], unit="%", bar=10.0, against=said)]


def error(site: GateSite, number: int, rounds: int) -> list[float]:
    """By how many percent each run was off."""
    told = edgekit(site.folder, "plan", str(site.release), "--profile", str(site.measured), "--cameras", str(number))
    foretold = told["memory_usual_bytes"]
    assert isinstance(foretold, int) and number <= len(GATES)
    taken = [site.run(number, SECONDS).memory_bytes for _ in range(rounds)]
    shown = ", ".join(f"{one / 2**20:.1f}" for one in taken)
    CONSOLE.print(f"  {number} cameras: {foretold / 2**20:.1f} MiB foretold, {shown} measured")
    return [100 * abs(foretold - one) / one for one in taken]
