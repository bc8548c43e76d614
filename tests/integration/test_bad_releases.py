"""The shipped recipe with one thing wrong that no build would have let through: golden frames or health refuse it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.bad_releases import altered, gated, repeated, swapped_channels, wrong_scale, wrong_weights
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
LIMIT_S = 900
"""For a command on a busy machine."""
PASSES = 60
"""So often a release runs its model for each frame where its rate counts: most of the work, as on a real board."""
GATE_RATIO, LOOKS, TRIES = 0.75, 5, 4
"""A model twice as slow reaches half of the good one's rate."""


def carry_out(site: Site, *words: str) -> tuple[int, str]:
    process = site.start(*words)
    _, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, err


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A device on this machine that runs the recipe."""
    with running_site() as site:
        recipe, built = str(ROOT / "recipes/sorting-line"), str(site.folder / "built")
        for words in (
            ("provision", "board"),
            ("build", recipe, "--target", "host", "--out", built),
            ("deploy", built, "board"),
        ):
            code, err = carry_out(site, *words)
            assert code == 0, err
        yield site


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("weights", {"model": wrong_weights}),
        ("channels", {"plan": swapped_channels}),
        ("scale", {"plan": wrong_scale}),
    ],
)
def test_golden_frames_refuse_it_beside_the_good_one_which_never_stops(
    site: Site, fault: str, changes: dict[str, Any]
) -> None:
    before = site.status()
    assert before["healthy"]
    bad = altered(site.folder / "built", site.folder / fault, version="2.0.0", key=site.key, **changes)
    code, err = carry_out(site, "deploy", str(bad), "board")
    assert code == 8, err
    assert "2.0.0 was refused: golden frames failed" in err and "trying golden frames of" in err
    status = site.status()
    assert status["current"] == before["current"]
    assert "golden frames failed" in status["last_failure"]["reason"]
    worker = status["worker"]
    assert (worker["pid"], worker["restarts"]) == (before["worker"]["pid"], before["worker"]["restarts"])
    assert status["report"]["uptime_s"] > before["report"]["uptime_s"] and status["healthy"]
    assert status["report"]["frames"] > before["report"]["frames"]
    assert not list((site.prefix / "var/lib/edgekit/apps").glob("*/golden"))
    told = site.edgekit("why", "board", "--json").json["last"]
    assert (told["cause"], "was refused" in told["sentence"]) == ("golden", True)


def test_a_model_twice_as_slow_is_refused_by_a_gate_that_the_good_one_is_above(site: Site) -> None:
    """The rate is measured again where a busy machine became faster meanwhile."""
    built, key = site.folder / "built", site.key
    patient = gated(0.1, start_s=300)
    good = altered(built, site.folder / "good", version="3.0.0", key=key, plan=patient, model=repeated(PASSES))
    code, err = carry_out(site, "deploy", str(good), "board")
    assert code == 0, err
    before = site.status()["current"]
    for number in range(1, TRIES):
        fps = statistics.median(site.status()["report"]["fps"] for _ in range(LOOKS))
        gate, version = gated(GATE_RATIO * fps, start_s=30), f"3.{number}.0"
        slow = altered(built, site.folder / version, version=version, key=key, plan=gate, model=repeated(2 * PASSES))
        code, err = carry_out(site, "deploy", str(slow), "board")
        if code == 8:
            break
        assert carry_out(site, "rollback", "board")[0] == 0
    assert (code, site.status()["current"]) == (8, before), err
    assert "< min_fps" in err, err
