"""Memory line by line: from what was measured of a release, from constants, and what it may become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.host.forecast.clip import read_cameras
from edgekit.host.forecast.constants import CAMERA_BYTES, SURFACE_BYTES_A_PIXEL
from edgekit.host.forecast.memory import Cameras, MemoryForecast, foretell_memory
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.sink import ClipSink, JsonlSink, MqttSink
from tests.fakes.decoding import memory_of_decoder, write_references
from tests.fakes.profiles import MIB, profile, two_lanes

PLAN = two_lanes()
CAMERAS = Cameras(count=4, width_px=640, height_px=360, fps=10.0)


def by_owner(found: MemoryForecast) -> dict[str, float]:
    return {line.owner: line.usual_bytes / MIB for line in found.lines}


def test_what_was_measured_comes_first_and_each_owner_has_a_line() -> None:
    found = foretell_memory(PLAN, (CAMERAS,), profile({}), {})
    lines = by_owner(found)
    assert lines["interpreter"] == 12 and lines["libraries"] == 18 and lines["engine net"] == 10
    assert lines["golden frames, arenas"] == 5 and lines["lanes, sinks, reports"] == 60 - 4 - 45
    assert lines["cameras: 4 x 640x360, decoders and stages"] == 16
    assert found.usual_bytes == sum(line.usual_bytes for line in found.lines)
    assert found.usual_bytes / MIB == pytest.approx(12 + 18 + 10 + 5 + 11 + 16 + 1.1, abs=0.1)
    assert found.file_bytes == 70 * MIB and found.fits


def test_what_an_engine_takes_on_its_accelerator_is_no_part_of_the_process() -> None:
    """A Jetson's GPU memory is in no cgroup's account: against `memory_max` the process alone counts, whole."""
    large = profile({}, accelerator=500 * MIB)
    found = foretell_memory(PLAN, (CAMERAS,), large, {})
    (line,) = found.accelerators
    assert (line.owner, line.usual_bytes, line.known_from) == ("accelerator: engine net", 500 * MIB, "profile")
    assert found.accelerator_bytes == 500 * MIB and found.fits
    assert found.lines == foretell_memory(PLAN, (CAMERAS,), profile({}), {}).lines
    assert by_owner(found)["engine net"] == 10 and by_owner(found)["golden frames, arenas"] == 5
    assert foretell_memory(PLAN, (CAMERAS,), profile({}, accelerator=0), {}).accelerators == ()
    assert foretell_memory(PLAN, (CAMERAS,), None, {}).accelerators == (), "only a profile tells"


def test_one_camera_more_is_one_stream_more() -> None:
    one, two = (foretell_memory(PLAN, (replace(CAMERAS, count=count),), profile({}), {}) for count in (1, 2))
    assert two.usual_bytes - one.usual_bytes == pytest.approx(4 * MIB, abs=MIB / 10)


def test_pictures_that_wait_take_more_than_where_it_was_measured() -> None:
    calm, crowded = (
        foretell_memory(PLAN, (replace(CAMERAS, pictures=pictures),), profile({}), {}) for pictures in (1, 5)
    )
    surface = SURFACE_BYTES_A_PIXEL * 640 * 368
    assert crowded.usual_bytes - calm.usual_bytes == pytest.approx(4 * 4 * surface, rel=0.01)
    assert crowded.most_bytes == pytest.approx(calm.most_bytes, rel=0.01), "leases bound them"


def test_cameras_take_less_than_a_clip_that_a_slow_board_fell_behind_with() -> None:
    behind = profile({}, pictures=4)
    calm, same = (foretell_memory(PLAN, (replace(CAMERAS, pictures=pictures),), behind, {}) for pictures in (1, 4))
    surface = SURFACE_BYTES_A_PIXEL * 640 * 368
    assert same.usual_bytes - calm.usual_bytes == pytest.approx(4 * 3 * surface, rel=0.01)
    assert by_owner(foretell_memory(PLAN, (CAMERAS,), profile({}, pictures=40), {}))["interpreter"] == 12


def test_without_a_profile_constants_and_models_measured_here_tell() -> None:
    contract = ColourContract(width_px=320, height_px=192, order="RGB")
    engine = EnginePlan(runner="onnxruntime", path="/m.onnx", input=contract, threads=1)
    plan = replace(PLAN, engines={"net": engine})
    found = foretell_memory(plan, (CAMERAS,), None, {"net": 15 * MIB})
    lines = by_owner(found)
    assert lines["engine net"] == 15 and lines["ONNX Runtime"] == 6
    assert {line.owner: line.known_from for line in found.lines}["engine net"] == "model"
    small = foretell_memory(replace(PLAN, engines={}), (CAMERAS,), None, {})
    assert "ONNX Runtime" not in by_owner(small) and found.file_bytes == 0


def test_a_profile_of_other_pictures_tells_all_but_what_cameras_take() -> None:
    lines = by_owner(foretell_memory(PLAN, (replace(CAMERAS, width_px=1920, height_px=1080),), profile({}), {}))
    assert lines["interpreter"] == 12 and lines["engine net"] == 10, "the profile's"
    assert lines["cameras: 4 x 1920x1080, decoders and stages"] > 60


def test_cameras_of_two_kinds_have_a_line_each() -> None:
    large = Cameras(count=2, width_px=3840, height_px=2160, fps=25.0, references=2)
    small = Cameras(count=2, width_px=640, height_px=480, fps=10.0, references=16)
    both, alone = (foretell_memory(PLAN, kinds, profile({}), {}) for kinds in ((large, small), (large,)))
    lines = {line.owner: line for line in both.lines}
    much, little = (lines[f"cameras: {size}, decoders and stages"] for size in ("2 x 3840x2160", "2 x 640x480"))
    assert 100 * MIB < much.usual_bytes < 170 * MIB and 20 * MIB < little.usual_bytes < 30 * MIB
    assert much.known_from == little.known_from == "recording"
    assert both.usual_bytes - alone.usual_bytes == pytest.approx(little.usual_bytes, abs=MIB / 5)
    full = "pictures in queues that are full"
    assert {line.owner: line.most_bytes for line in alone.lines}[full] < lines[full].most_bytes


@pytest.mark.parametrize("measured", [False, True])
def test_each_further_reference_is_a_picture_more(*, measured: bool) -> None:
    known = profile({}, references=1) if measured else None
    few, many = (foretell_memory(PLAN, (replace(CAMERAS, references=count),), known, {}) for count in (1, 16))
    surface = SURFACE_BYTES_A_PIXEL * 640 * 368
    assert many.usual_bytes - few.usual_bytes == pytest.approx(4 * 15 * surface, rel=0.01)


@pytest.mark.parametrize("references", [1, 4, 16])
def test_what_is_foretold_of_a_recording_is_what_a_real_decoder_takes(tmp_path: Path, references: int) -> None:
    file = write_references(tmp_path / "c.mp4", references, 1280, 720)
    kind = read_cameras(file, 1, 25.0)
    taken = memory_of_decoder(file)
    lines = by_owner(foretell_memory(replace(PLAN, stages=()), (kind,), None, {}))
    foretold = lines["cameras: 1 x 1280x720, decoders and stages"] - CAMERA_BYTES / MIB
    assert foretold == pytest.approx(taken / MIB, rel=0.15)


def test_sinks_take_little_and_may_take_all_that_their_buffers_hold() -> None:
    sinks = {
        "lines": JsonlSink(kind="jsonl", path="l.jsonl", lane="follow"),
        "clips": ClipSink(kind="clip", lane="follow", before_s=3.0),
        "broker": MqttSink(kind="mqtt", host="b", lane="follow"),
    }
    found = foretell_memory(replace(PLAN, sinks=sinks), (CAMERAS,), profile({}), {})
    clips = next(line for line in found.lines if line.owner == "sink clips")
    assert clips.most_bytes == 4 * (16 << 20), "a buffer for each stream"
    assert 0 < clips.usual_bytes < 2 * MIB
    bounds = {line.owner: line.most_bytes / MIB for line in found.lines}
    assert bounds["sink lines"] == 4 and bounds["sink broker"] == 1


def test_pictures_that_own_code_may_keep_count_at_most() -> None:
    own = replace(PLAN.stages[0], kind="python", entry="a:B", engine="")
    plan = replace(PLAN, stages=(own,), limits=replace(PLAN.limits, pictures_max=25 * MIB))
    found = foretell_memory(plan, (CAMERAS,), profile({}), {})
    assert {line.owner: line.most_bytes for line in found.lines}["pictures that are kept"] == 25 * MIB
    assert "pictures that are kept" not in by_owner(foretell_memory(PLAN, (CAMERAS,), profile({}), {}))


def test_what_is_more_than_the_limit_does_not_fit() -> None:
    tight = replace(PLAN, limits=replace(PLAN.limits, memory_max=50 * MIB))
    assert not foretell_memory(tight, (CAMERAS,), profile({}), {}).fits
    assert foretell_memory(PLAN, (CAMERAS,), profile({}), {}).most_bytes > 0
