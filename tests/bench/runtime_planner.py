"""What `edgekit plan` says of frames a second and latency, against a worker of gate-watch with 1, 2 and 4 cameras.

The profile is of one clip, taken anew in each round, as these machines are not equally fast all day; measured is a
worker with RTSP cameras. When the pictures of each camera come is chance, and half of p99 hangs on it: each run's
forecast is given the distances that the run had. Strangers on this machine change the p99 of profile and run by half,
each for itself: told is by how much the forecasts' median is off the runs', and how far single rounds are apart.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

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
PROFILE_S = 20.0
FPS = 10.0
CONSOLE = Console(stderr=True)


def figures(rounds: int) -> list[Figure]:
    """The largest error of rate and p99 at the three numbers of cameras, of the rounds' medians."""
    runs: dict[str, list[tuple[float, float]]] = {}
    with gate_site() as site:
        for _ in range(rounds):
            site.profile(PROFILE_S)
            for number in NUMBERS:
                for name, pair in foretold_and_measured(site, number).items():
                    runs.setdefault(f"{name}, {number} cameras", []).append(pair)
    errors = {name: error(*map(statistics.median, zip(*pairs, strict=True))) for name, pairs in runs.items()}
    worst = max(errors, key=lambda name: abs(errors[name]))
    said = "a real worker's with 1, 2 and 4 RTSP cameras: " + ", ".join(
        f"{name} {percent:+.1f}" for name, percent in errors.items()
    )
    single = [error(*pair) for pair in runs[worst]]
    figure = measured("planner_error_percent", single, unit="%", bar=15.0, against=said)
    return [replace(figure, median=abs(errors[worst]))]


def error(foretold: float, seen: float) -> float:
    """By how many percent more is foretold."""
    return 100 * (foretold - seen) / seen


def foretold_and_measured(site: GateSite, number: int) -> dict[str, tuple[float, float]]:
    """Frames a second and p99 of one run, as foretold and as measured."""
    ran = site.run(number, max(LEAST_S, FRAMES / number / FPS))
    foretold, fps = forecast(site, ran), statistics.mean(ran.fps.values())
    CONSOLE.print(
        f"  {number} cameras: {foretold.fps:.2f} fps, p99 {foretold.p99_ms:.1f} ms foretold, "
        f"{fps:.2f} fps, p99 {ran.p99_ms:.1f} ms measured"
    )
    return {"fps": (foretold.fps, fps), "p99": (foretold.p99_ms, ran.p99_ms)}


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
