"""The shipped recipe with one thing wrong that no build would have let through: golden frames or health refuse it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.bad_releases import (
    REFUSED,
    Slowness,
    altered,
    deploy_slower,
    gated,
    swapped_channels,
    wrong_scale,
    wrong_weights,
)
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
LIMIT_S = 900
"""For a command on a busy machine."""
SLOWNESS = Slowness(times=8, gate_ratio=0.3, passes=60, start_s=45)
"""A model eight times as slow reaches an eighth of the good one's rate: it stays below, and the good one above the
gate, also where other tests take half of the machine during one of the two. Twice as slow: `test_on_bad_releases`."""


def carry_out(site: Site, *words: str) -> tuple[int, str]:
    process = site.start(*words)
    _, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, err


@dataclass(frozen=True)
class TriedSite:
    """The site's device and its release."""

    site: Site

    def make(self, version: str, **changes: Any) -> Path:
        return altered(
            self.site.folder / "built", self.site.folder / version, version=version, key=self.site.key, **changes
        )

    def deploy(self, release: Path) -> tuple[int, str]:
        return carry_out(self.site, "deploy", str(release), "board")

    def go_back(self) -> None:
        code, err = carry_out(self.site, "rollback", "board")
        assert code == 0, err

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.site.status()
        return found


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


def test_another_limit_in_the_plan_takes_less_than_4000_bytes_with_how_it_was_made(site: Site) -> None:
    new = altered(
        site.folder / "built", site.folder / "limit", version="1.0.1", key=site.key, plan=gated(0.2, start_s=60)
    )
    process = site.start("deploy", str(new), "board", "--json")
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["changed"] and told["sent_bytes"] < 4000
    kept = site.prefix / "var/lib/edgekit/releases" / told["digest"] / "provenance.json"
    assert kept.stat().st_size > 4000, "what is told of it is more than what was sent"


@pytest.mark.long
def test_a_model_eight_times_as_slow_is_refused_by_a_gate_that_the_good_one_is_above(site: Site) -> None:
    code, said = deploy_slower(TriedSite(site), SLOWNESS)
    assert code == REFUSED and "< min_fps" in said, said
    assert site.status()["current"]["version"] == "3.0.0"
