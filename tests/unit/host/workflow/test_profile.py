"""Where a release is measured, what keeps it from being measured, and profiles as files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.errors import InputError, RolloutError
from edgekit.host.workflow.profile import ProfileOptions, profile_release
from edgekit.host.workflow.profiles import read_profile
from edgekit.schema.message import to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.source import FileSource
from tests.fakes.devices import access_to
from tests.fakes.keeper_link import APPLICATION, FakeLink
from tests.fakes.profiles import profile, two_lanes
from tests.fakes.releases import make_release
from tests.fakes.workstations import workstation_in


@pytest.fixture
def release(tmp_path: Path) -> Path:
    clip = FileSource(kind="file", path="recipe/clip.mp4", lane="decode")
    return written(tmp_path / "release", two_lanes(sources={"belt": clip}))


def written(folder: Path, plan: WorkerPlan, arch: str = "") -> Path:
    made = make_release(plan=plan)
    manifest = made.manifest
    if arch:
        manifest = dataclasses.replace(manifest, requires=dataclasses.replace(manifest.requires, arch=arch))
    (folder / "files").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(to_message(manifest))
    (folder / "files/plan.json").write_bytes(to_message(plan))
    return folder


def test_a_board_whose_applications_run_is_left_alone(release: Path, tmp_path: Path) -> None:
    link = FakeLink(application=APPLICATION)
    with pytest.raises(RolloutError, match=r"gate-7 runs sorter: measuring on CPUs 0-2 would disturb it") as caught:
        profile_release(
            "gate-7", release, ProfileOptions(out=tmp_path / "p"), access_to({"gate-7": link}), workstation_in(tmp_path)
        )
    assert "edgekit stop gate-7 sorter" in caught.value.hint and "--beside" in caught.value.hint
    assert not (tmp_path / "p").exists()


def test_a_release_for_another_machine_is_not_run_here(tmp_path: Path) -> None:
    foreign = written(tmp_path / "foreign", two_lanes(), arch="riscv64")
    with pytest.raises(InputError, match="is for riscv64, and this machine is") as caught:
        profile_release("host", foreign, ProfileOptions(out=tmp_path / "p"), access_to({}), workstation_in(tmp_path))
    assert "--target host" in caught.value.hint


def test_what_is_no_profile_is_told_with_what_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    for content, message in ((None, "cannot be read: No such file"), (b"{", "not JSON"), (b"{}", "edgekit")):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_profile(file)
    file.write_bytes(to_message(dataclasses.replace(profile({}), format=2)))
    with pytest.raises(InputError, match="has format 2, and this edgekit reads 1") as caught:
        read_profile(file)
    assert caught.value.hint == "edgekit profile DEVICE RELEASE makes one"
    file.write_bytes(to_message(profile({})))
    assert read_profile(file) == profile({})
