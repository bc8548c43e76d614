"""What `edgekit plan` says of frames a second and latency, against a worker of gate-watch with 1, 2 and 4 cameras.

The profile is of one clip, taken in the same run; measured is a worker with RTSP cameras. When the pictures of each
camera come is chance, and half of p99 hangs on it: each run's forecast is given the distances that the run had.
"""

from __future__ import annotations

import statistics

from rich.console import Console

from edgekit.executor.local import LocalExecutor
from edgekit.host.forecast.ask import ask_forecast
from edgekit.host.release.folder import open_release, read_plan
from edgekit.host.workflow.profiles import read_profile
from edgekit.schema.forecast import ForecastRequest, LoadForecast
from gate_site import GateSite, Ran, gate_site
from measure import Figure, measured

NUMBERS, LEAST_S, FRAMES = (1, 2, 4), 12.0, 400
"""Each run has so many frames: of fewer, one or two that a stranger disturbed are p99 already."""
FPS = 10.0
CONSOLE = Console(stderr=True)


def figures(rounds: int) -> list[Figure]:
    """The largest error of rate and p99 at the three numbers of cameras, each the median of the rounds."""
    with gate_site() as site:
        site.profile(20.0)
        errors = {
            f"{name}, {number} cameras": values
            for number in NUMBERS
            for name, values in errors_of(site, number, rounds).items()
        }
    worst = max(errors, key=lambda name: statistics.median(errors[name]))
    said = f"a real worker's fps and p99 with 1, 2 and 4 RTSP cameras; the worst: {worst}"
    return [measured("planner_error_percent", errors[worst], unit="%", bar=15.0, against=said)]


def errors_of(site: GateSite, number: int, rounds: int) -> dict[str, list[float]]:
    """By how many percent fps and p99 were off in each run."""
    fps, p99 = [], []
    for _ in range(rounds):
        ran = site.run(number, max(LEAST_S, FRAMES / number / FPS))
        foretold = forecast(site, ran)
        measured_fps = statistics.mean(ran.fps.values())
        fps.append(100 * abs(foretold.fps - measured_fps) / measured_fps)
        p99.append(100 * abs(foretold.p99_ms - ran.p99_ms) / ran.p99_ms)
        CONSOLE.print(
            f"  {number} cameras: {foretold.fps:.2f} fps, p99 {foretold.p99_ms:.1f} ms foretold, "
            f"{measured_fps:.2f} fps, p99 {ran.p99_ms:.1f} ms measured"
        )
    return {"fps": fps, "p99": p99}


def forecast(site: GateSite, ran: Ran) -> LoadForecast:
    """What is foretold of a run, from when its cameras' pictures came."""
    plan = read_plan(open_release(site.release))
    assert plan is not None
    profile, number = read_profile(site.measured), len(ran.phases)
    size = profile.sizes[0]
    request = ForecastRequest(
        plan=plan,
        profile=profile,
        width_px=size.width_px,
        height_px=size.height_px,
        fps=FPS,
        counts=(number,),
        phases=ran.phases,
        seek_most=False,
    )
    return ask_forecast(request, LocalExecutor()).loads[0]
