"""`edgekit profile` and `edgekit plan`, as a user types them: gate-watch for this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.trust import sha256_file
from tests.fakes.command_line import run

pytestmark = pytest.mark.integration
RECIPE = Path(__file__).parents[2] / "recipes/gate-watch"
MIB = 1 << 20


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a release and its profile."""
    folder = tmp_path_factory.mktemp("desk")
    answer(folder, "keys", "init")
    answer(folder, "build", str(RECIPE), "--target", "host", "--out", "release")
    clip = str(RECIPE / "clips/north.mp4")
    answer(folder, "profile", "host", "release", "--seconds", "3", "--clip", clip, "--out", "p.json")
    return folder


def answer(folder: Path, *argv: str, code: int = 0) -> dict[str, Any]:
    done = run(*argv, "--json", cwd=folder)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_profile_says_what_was_measured_where_and_of_what(desk: Path) -> None:
    made = json.loads((desk / "p.json").read_text())
    assert (made["application"], made["target"], made["device"]) == ("gate-watch", "host", "host")
    assert made["release"] == sha256_file(desk / "release/manifest.json")
    (size,) = made["sizes"]
    assert (size["width_px"], size["height_px"], size["codec"]) == (640, 360, "h264")
    assert {"decode", "scale", "see", "find", "follow", "count", "results", "broker"} <= set(size["costs"])
    assert size["costs"]["see"]["cpu_p50_ms"] > 0.1 and made["engines"]["street"]["stage"] == "see"
    assert size["clip"] == "north.mp4, 640x360 h264"


def test_the_plan_foretells_memory_times_and_how_many_cameras_fit(desk: Path) -> None:
    found = answer(desk, "plan", "release", "--profile", "p.json", "--cameras", "2", "--picture", "lanes.svg")
    (cameras,) = found["cameras"]
    assert (cameras["count"], cameras["width_px"], cameras["height_px"]) == (2, 640, 360)
    assert 40 * MIB < found["memory_usual_bytes"] < 120 * MIB
    assert [load["cameras"] for load in found["loads"]] == [1, 2] and found["loads"][0]["p99_ms"] > 1
    assert found["most_cameras"] > 2 and (desk / "lanes.svg").read_text().startswith("<svg")
    words = run("plan", "release", "--profile", "p.json", "--cameras", "2", cwd=desk).stdout
    assert "such cameras keep up" in words and "together" in words


@pytest.mark.long
def test_a_release_starts_from_its_profile_s_costs_unless_another_engine_was_measured(desk: Path) -> None:
    build = ("build", str(RECIPE), "--target", "host", "--out", "again", "--profile")
    answer(desk, *build, "p.json")
    (costs,) = json.loads((desk / "again/files/plan.json").read_text())["costs"]
    measured = json.loads((desk / "p.json").read_text())
    steps = measured["sizes"][0]["costs"]
    assert (costs["width_px"], costs["height_px"]) == (640, 360)
    assert costs["lanes_ms"]["detect"] == pytest.approx(steps["scale"]["p95_ms"] + steps["see"]["p95_ms"], abs=0.001)
    measured["engines"]["street"]["sha256"] = "0" * 64
    (desk / "stale.json").write_text(json.dumps(measured))
    refused = run(*build, "stale.json", cwd=desk)
    assert refused.returncode == 2 and "is stale: model street had another engine then" in refused.stderr
    assert "build without --profile" in refused.stderr


def test_a_limit_that_cannot_hold_is_refused_with_the_sum(desk: Path) -> None:
    found = answer(desk, "plan", str(RECIPE), "--target", "host", "--cameras", "8", "--size", "3840x2160", code=8)
    (reason,) = found["refusals"]
    assert "are needed and memory_max is 500.0 MiB" in reason and "smaller cameras" in reason


def test_what_the_profile_does_not_know_is_an_error_whose_hint_cures(desk: Path) -> None:
    wrong = answer(desk, "plan", "release", "--profile", "p.json", "--size", "320x180", code=2)["error"]
    assert wrong["message"] == "the profile knows pictures of 640x360, not of 320x180"
    assert wrong["hint"] == "edgekit profile DEVICE RELEASE --size 320x180"
    answer(desk, "profile", "host", "release", "--seconds", "2", "--size", "320x180", "--out", "small.json")
    assert answer(desk, "plan", "release", "--profile", "small.json", "--size", "320x180")["loads"]
