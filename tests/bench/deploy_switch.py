"""How long a board sees nothing: in a good switch from one release to the next, and in one that goes back by itself.

The shipped recipe, by real keeper and workers on this machine. Somebody looks at the application all the time, as fast
as the keeper answers; what counts is what they see, and so is rounded up by one look.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgekit.schema.board import BoardPaths
from edgekit.sent.keeper_socket import KeeperSocket
from measure import Figure, measured
from tests.fakes.bad_releases import Plan, altered
from tests.fakes.eventually import eventually
from tests.integration.test_deploy import Site

ROOT = Path(__file__).parents[2]
ROLLBACK_BAR_S = 10.0
PAUSE_S = 0.005


@dataclass(slots=True)
class Looks:
    """What was seen, and when."""

    seen: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)

    def longest_gap_s(self) -> float:
        """Between two looks at a healthy application with nothing but others in between."""
        well = [at_s for at_s, found in self.seen if _well(found)]
        return max(after - before for before, after in pairwise(well))

    def rollback_s(self) -> float | None:
        """From the first sign that the release on trial fails to a healthy look at the one before; None until then."""
        sign_s = next((at_s for at_s, found in self.seen if _fails(found)), math.inf)
        back_s = (at_s for at_s, found in self.seen if at_s > sign_s and found["phase"] == "running" and _well(found))
        return next((at_s - sign_s for at_s in back_s), None)


def _frames(found: Mapping[str, Any]) -> int:
    return int((found.get("report") or {}).get("frames", 0))


def _well(found: Mapping[str, Any]) -> bool:
    return bool(found.get("healthy")) and _frames(found) > 0


def _fails(found: Mapping[str, Any]) -> bool:
    return found["phase"] == "rolling_back" or (found.get("report") or {}).get("phase") == "failed"


def without_a_class(plan: Plan) -> None:
    """A stage's class is not in its file: golden frames pass no stage so late, so only a started worker finds out."""
    (stage,) = [one for one in plan["stages"] if one["name"] == "eject"]
    stage["entry"] = "ejector:Missing"


@contextmanager
def looking(site: Site) -> Iterator[Looks]:
    """Look at the one application there is until the block ends."""
    looks, over = Looks(), threading.Event()

    def look() -> None:
        keeper = KeeperSocket(BoardPaths(prefix=str(site.prefix)).socket, patience_s=60.0)
        while not over.is_set():
            found = keeper.ask("status")["applications"]
            looks.seen.append((time.monotonic(), found[0]))
            time.sleep(PAUSE_S)
        keeper.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        over.set()
        thread.join()


def switches(site: Site, rounds: int) -> Iterator[Figure]:
    """Good and bad releases in turn."""
    built = site.folder / "built"
    _carry_out(site, 0, "build", str(ROOT / "recipes/sorting-line"), "--target", "host", "--out", str(built))
    _carry_out(site, 0, "deploy", str(built), "board")
    downtimes, rollbacks = [], []
    for number in range(rounds):
        good = altered(built, site.folder / f"good-{number}", version=f"1.1.{number}", key=site.key)
        bad = altered(built, site.folder / f"bad-{number}", version=f"2.0.{number}", key=site.key, plan=without_a_class)
        with looking(site) as looks:
            _carry_out(site, 0, "deploy", str(good), "board")
        downtimes.append(looks.longest_gap_s())
        with looking(site) as looks:
            _carry_out(site, 8, "deploy", str(bad), "board")
            rollbacks.append(eventually(looks.rollback_s))
    seen = "between two healthy looks, a good release after another"
    yield measured("switch_downtime_s", downtimes, unit="s", against=seen)
    back = "a stage that cannot start: from the first sign to the old one healthy"
    yield measured("rollback_s", rollbacks, unit="s", bar=ROLLBACK_BAR_S, against=back)


def _carry_out(site: Site, code: int, *words: str) -> None:
    process = site.start(*words)
    _, err = process.communicate(timeout=900)
    assert process.returncode == code, err
