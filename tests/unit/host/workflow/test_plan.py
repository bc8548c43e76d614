"""Plans ahead: of a recipe or a release, with a profile or without, beside what runs on a board."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.workflow.plan import PlanOptions, PlanResult, plan_ahead
from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.memory import EngineMemory, WorkerMemory
from edgekit.schema.message import to_message
from edgekit.schema.plan import EnginePlan, WorkerPlan
from edgekit.schema.profile import DECODE, Profile
from edgekit.schema.report import Report, StreamReport
from tests.fakes.decoding import write_references
from tests.fakes.devices import access_to
from tests.fakes.keeper_link import APPLICATION, WORKER, FakeLink
from tests.fakes.profiles import MIB, cost, profile, two_lanes
from tests.fakes.releases import make_release
from tests.fakes.workstations import workstation_in

COSTS = {DECODE: cost(4.0), "see": cost(10.0), "follow": cost(2.0), "lines": cost(1.0)}
ROOT = Path(__file__).parents[4]


class Desk:
    """A folder with a release and a profile of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.link = folder, FakeLink()

    def release(self, plan: WorkerPlan) -> Path:
        path = self.folder / "release"
        (path / "files").mkdir(parents=True, exist_ok=True)
        (path / "manifest.json").write_bytes(to_message(make_release(plan=plan).manifest))
        (path / "files/plan.json").write_bytes(to_message(plan))
        return path

    def profile(self, measured: Profile) -> Path:
        (self.folder / "p.json").write_bytes(to_message(measured))
        return self.folder / "p.json"

    def ahead(self, recipe: Path, **options: object) -> PlanResult:
        given = PlanOptions(**options)  # type: ignore[arg-type]
        return plan_ahead(recipe, given, access_to({"gate-7": self.link}), workstation_in(self.folder))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_profile_tells_times_and_how_many_cameras_fit(desk: Desk) -> None:
    found = desk.ahead(desk.release(two_lanes()), profile=desk.profile(profile(COSTS)), cameras=3)
    assert [load.cameras for load in found.loads] == [1, 2, 3] and found.loads[0].p50_ms == pytest.approx(17, abs=0.1)
    assert found.most_cameras in (9, 10) and (found.cameras[0].width_px, found.cameras[0].fps) == (640, 10.0)
    assert found.profiled.startswith("bench (a board), 2026-11-26") and found.refusals == ()


def test_without_a_profile_memory_alone_is_foretold(desk: Desk) -> None:
    found = desk.ahead(ROOT / "recipes/gate-watch", target="rk3588-debian12", cameras=2)
    assert found.loads == () and found.memory_usual_bytes > 60 * MIB
    assert any("edgekit profile DEVICE RELEASE measures them" in text for text in found.warnings)
    assert any("engine street is not in the sum" in text for text in found.warnings), "an NPU's own memory"
    (kind,) = found.cameras
    assert kind.count == 2 and kind.width_px == 1920


def test_a_model_for_the_cpu_is_measured_on_this_machine(desk: Desk) -> None:
    found = desk.ahead(ROOT / "recipes/gate-watch", target="host", size=(640, 360), fps=10.0)
    lines = {line.owner: line for line in found.memory.lines}
    assert 2 * MIB < lines["engine street"].usual_bytes < 60 * MIB and lines["engine street"].known_from == "model"
    assert not any("not in the sum" in text for text in found.warnings)


def test_what_cannot_fit_is_refused_with_the_sum(desk: Desk) -> None:
    plan = two_lanes()
    tight = dataclasses.replace(plan, limits=dataclasses.replace(plan.limits, memory_max=48 * MIB))
    found = desk.ahead(desk.release(tight), profile=desk.profile(profile(COSTS)))
    (text,) = found.refusals
    assert f"{found.memory_usual_bytes / MIB:.1f} MiB are needed and memory_max is 48.0 MiB" in text
    roomy = dataclasses.replace(plan, limits=dataclasses.replace(plan.limits, memory_max=64 * MIB))
    again = desk.ahead(desk.release(roomy), profile=desk.profile(profile(COSTS)))
    assert again.refusals == () and "with every queue and buffer full" in again.warnings[0]


def test_all_applications_of_a_board_count_together(desk: Desk) -> None:
    desk.link.application = dataclasses.replace(APPLICATION, worker=dataclasses.replace(WORKER, memory_max=900 * MIB))
    measured = desk.profile(profile(COSTS, accelerator=0))
    found = desk.ahead(desk.release(two_lanes()), profile=measured, device="gate-7")
    assert [(one.application, one.memory_max // MIB) for one in found.board] == [("line", 200), ("sorter", 900)]
    (text,) = found.refusals
    assert "line 200.0 MiB + sorter 900.0 MiB = 1.1 GiB of 960.0 MiB" in text


def test_cameras_that_run_on_the_device_tell_their_size_and_rate(desk: Desk) -> None:
    plan = two_lanes()
    cameras = dict.fromkeys(("north", "yard", "door"), next(iter(plan.sources.values())))
    release = desk.release(dataclasses.replace(plan, sources=cameras))
    usual = StreamReport(name="north", state="live", since_s=9, width_px=2560, height_px=1440, wanted_fps=15.0)
    others = (
        dataclasses.replace(usual, name="yard", state="stalled"),
        dataclasses.replace(usual, name="door", width_px=640, height_px=480, wanted_fps=0.0, fps=7.04),
    )

    def ahead(*streams: StreamReport, **options: object) -> list[tuple[str, float]]:
        report = Report(phase="running", streams=streams)
        desk.link.application = dataclasses.replace(APPLICATION, application="line", report=report)
        return [(str(kind), kind.fps) for kind in desk.ahead(release, device="gate-7", **options).cameras]

    assert ahead(usual, *others) == [("2 x 2560x1440", 15.0), ("1 x 640x480", 7.0)]
    assert ahead(usual, *others, fps=5.0)[0] == ("2 x 2560x1440", 5.0)
    assert ahead(usual, *others, size=(640, 360)) == [("3 x 640x360", 25.0)], "what is asked for counts first"
    assert ahead(usual, others[0]) == [("3 x 1920x1080", 25.0)], "one has not come yet"
    measured = desk.profile(profile(COSTS))
    assert desk.ahead(release, device="gate-7", profile=measured).cameras[0].width_px == 640, "the profile's"
    ahead(usual, *others)
    given = {"device": "gate-7", "profile": measured, "picture": desk.folder / "lanes.svg"}
    with pytest.raises(InputError, match="nothing to draw: nothing is said of times: the profile is not of") as caught:
        desk.ahead(release, **given)
    assert "--size WIDTHxHEIGHT" in caught.value.hint
    assert desk.ahead(release, **given, size=(640, 360)).picture, "the hint cures"


def test_what_engines_take_on_accelerators_counts_for_the_board_and_not_for_the_limit(desk: Desk) -> None:
    engine = EngineMemory(name="n", runner="rknn", file_bytes=1, loaded_bytes=1, accelerator_bytes=80 * MIB)
    memory = WorkerMemory(engines=(engine,))
    desk.link.application = dataclasses.replace(
        APPLICATION,
        worker=dataclasses.replace(WORKER, memory_max=600 * MIB),
        report=Report(phase="running", memory=memory),
    )
    given = {"device": "gate-7", "profile": desk.profile(profile(COSTS, accelerator=70 * MIB))}
    found = desk.ahead(desk.release(two_lanes()), **given)
    assert (found.refusals, found.accelerator_bytes) == ((), 70 * MIB) and found.memory.fits
    assert [str(one) for one in found.board] == [
        "line 200.0 MiB + 70.0 MiB on accelerators",
        "sorter 600.0 MiB + 80.0 MiB on accelerators",
    ]
    given["profile"] = desk.profile(profile(COSTS, accelerator=90 * MIB))
    (text,) = desk.ahead(desk.release(two_lanes()), **given).refusals
    assert "sorter 600.0 MiB + 80.0 MiB on accelerators = 970.0 MiB of 960.0 MiB" in text and "smaller models" in text


def test_accelerators_have_to_fit_a_board_of_the_target_beside_the_limit(desk: Desk) -> None:
    release, huge = desk.release(two_lanes()), desk.profile(profile(COSTS, accelerator=4000 * MIB))
    (text,) = desk.ahead(release, profile=huge).refusals
    assert "line 200.0 MiB + 3.9 GiB on accelerators" in text
    charged = desk.release(dataclasses.replace(two_lanes(), target="jetson-orin-nano-4gb-jp72"))
    found = desk.ahead(charged, profile=huge)
    assert found.refusals == () and found.memory.accelerators, "L4T 39 has it in the process's account"
    unknown = desk.ahead(desk.release(dataclasses.replace(two_lanes(), target="nowhere")), profile=huge)
    assert unknown.refusals == () and unknown.board == ()


def test_an_accelerator_that_does_not_tell_what_it_takes_is_named(desk: Desk) -> None:
    found = desk.ahead(desk.release(two_lanes()), profile=desk.profile(profile(COSTS, accelerator=0)))
    assert "what engine net takes on its accelerator is not known: the profile does not tell" in found.warnings


def test_a_core_that_another_application_has_is_told_before_a_byte_moves(desk: Desk) -> None:
    engine = EnginePlan(runner="rknn", path="net.rknn", input=None, threads=1, npu_cores=(0, 1))
    plan = dataclasses.replace(two_lanes(), engines={"net": engine})
    desk.link.application = dataclasses.replace(APPLICATION, accelerators=AcceleratorUse(used=("NPU core 1",)))
    found = desk.ahead(desk.release(plan), device="gate-7", size=(640, 360))
    (text,) = found.refusals
    assert "line computes on NPU core 1, which sorter has, and neither line nor sorter agrees to share: write" in text
    agreed = AcceleratorUse(used=("NPU core 1",), shared=True, busy_percent={"NPU core 1": 90.0})
    desk.link.application = dataclasses.replace(APPLICATION, accelerators=agreed)
    plan = dataclasses.replace(plan, limits=dataclasses.replace(plan.limits, share_accelerators=True))
    found = desk.ahead(desk.release(plan), device="gate-7", size=(640, 360))
    assert found.refusals == ()
    assert "how busy NPU core 1 will be is not known: line was built without a profile of it" in found.warnings


def test_time_on_accelerators_is_added_up_over_the_board(desk: Desk) -> None:
    plan = dataclasses.replace(
        two_lanes(), engines={"net": EnginePlan(runner="tensorrt", path="net.plan", input=None, threads=1)}
    )
    measured = desk.profile(profile({**COSTS, "see": cost(1.0, wait_ms=30.0)}))
    busy = AcceleratorUse(used=("GPU",), busy_percent={"GPU": 70.5})
    desk.link.application = dataclasses.replace(APPLICATION, accelerators=busy)
    found = desk.ahead(desk.release(plan), profile=measured, device="gate-7", cameras=1)
    assert found.busy_percent == {"GPU": 30.0}
    assert "GPU has not enough time for its applications: line 30 % + sorter 70.5 % = 100.5 %" in found.refusals[0]
    slower = desk.ahead(desk.release(plan), profile=measured, device="gate-7", cameras=1, fps=5.0)
    assert slower.busy_percent == {"GPU": 15.0} and slower.refusals == ()


def test_an_application_that_is_there_already_is_not_counted_twice(desk: Desk) -> None:
    desk.link.application = dataclasses.replace(APPLICATION, application="line")
    found = desk.ahead(desk.release(two_lanes()), device="gate-7", size=(640, 360))
    assert [one.application for one in found.board] == ["line"] and found.refusals == ()


def test_recordings_say_which_cameras_there_are(desk: Desk) -> None:
    large = write_references(desk.folder / "yard=2.mp4", 4, 1280, 720)
    small = write_references(desk.folder / "door.mp4", 1, 640, 360)
    measured, release = desk.profile(profile(COSTS)), desk.release(two_lanes())
    same = desk.ahead(release, profile=measured, clips=(f"{small}=3",))
    assert [load.cameras for load in same.loads] == [1, 2, 3] and same.cameras[0].references == 1
    both = desk.ahead(release, profile=measured, clips=(f"{small}=3", str(large)))
    assert [(kind.count, kind.size, kind.references) for kind in both.cameras] == [
        (3, "640x360", 1),
        (1, "1280x720", 4),
    ]
    assert both.loads == () and "the profile is not of 1280x720" in both.warnings[0]
    rates = desk.ahead(release, profile=measured, clips=(str(small), str(small)), fps=5.0)
    assert {kind.fps for kind in rates.cameras} == {5.0} and rates.loads
    bare = desk.ahead(release, clips=(str(large),))
    assert not any("reference pictures" in text for text in bare.warnings)


def test_recordings_and_numbers_cannot_both_say_which_cameras_there_are(desk: Desk) -> None:
    file = write_references(desk.folder / "door.mp4", 1, 160, 96)
    with pytest.raises(InputError, match="--clip says which cameras there are") as caught:
        desk.ahead(desk.release(two_lanes()), clips=(str(file),), cameras=2)
    assert "--clip FILE=N" in caught.value.hint
    with pytest.raises(InputError, match="--clip names 70 cameras"):
        desk.ahead(desk.release(two_lanes()), clips=(f"{file}=70",))
    with pytest.raises(InputError, match="cannot be read"):
        desk.ahead(desk.release(two_lanes()), clips=("gone.mp4=2",))


def test_the_picture_is_written_and_nothing_can_be_drawn_without_a_profile(desk: Desk) -> None:
    file = desk.folder / "lanes.svg"
    found = desk.ahead(desk.release(two_lanes()), profile=desk.profile(profile(COSTS)), picture=file)
    assert found.picture == str(file) and file.read_text().startswith("<svg")
    with pytest.raises(InputError, match="nothing to draw") as caught:
        desk.ahead(desk.release(two_lanes()), picture=file)
    assert "--profile" in caught.value.hint
    with pytest.raises(InputError, match="can be no file") as caught:
        desk.ahead(desk.release(two_lanes()), picture=desk.folder / "nowhere/lanes.svg")
    assert "--picture FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({}, "--target is missing", "edgekit target list"),
        ({"target": "host", "profile": "p.json"}, "p.json is of line, not of gate-watch", "edgekit profile"),
    ],
)
def test_mistakes(desk: Desk, options: dict[str, object], message: str, hint: str) -> None:
    file = desk.profile(profile(COSTS))
    given = {name: file if name == "profile" else value for name, value in options.items()}
    with pytest.raises(InputError, match=message) as caught:
        desk.ahead(ROOT / "recipes/gate-watch", **given)
    assert hint in caught.value.hint


def test_pictures_that_nobody_has_measured_are_refused_with_what_measures_them(desk: Desk) -> None:
    with pytest.raises(InputError, match="not of 1280x720") as caught:
        desk.ahead(desk.release(two_lanes()), profile=desk.profile(profile(COSTS)), size=(1280, 720))
    assert "--size 1280x720" in caught.value.hint


def test_a_profile_of_another_kind_of_board_is_told(desk: Desk) -> None:
    measured = dataclasses.replace(profile(COSTS), target="virt-arm64")
    found = desk.ahead(desk.release(two_lanes()), profile=desk.profile(measured))
    assert "the profile was measured on virt-arm64, and this is for rk3588-debian12" in found.warnings


def test_slow_cameras_are_planned_as_slow_as_they_were_measured(desk: Desk) -> None:
    found = desk.ahead(desk.release(two_lanes()), profile=desk.profile(profile(COSTS, fps=0.0396)))
    assert [kind.fps for kind in found.cameras] == [0.04]
    assert [load.fps for load in found.loads] == [pytest.approx(0.04, rel=0.05)]
