"""Where a release is measured, what keeps it from being measured, and profiles as files."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import InputError, RolloutError
from edgekit.executor import Completed
from edgekit.host.workflow.profile import ProfileOptions, profile_release
from edgekit.host.workflow.profiles import read_profile
from edgekit.schema.message import to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import Profile, ProfileReply
from edgekit.schema.source import FileSource
from edgekit.sent.facts.report import facts as probe
from edgekit.trust import sha256_file
from tests.fakes.boards.tree import build_board
from tests.fakes.devices import FactsExecutor, access_to
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


@pytest.mark.parametrize("out", ["nowhere/p.json", "."])
def test_a_profile_that_cannot_be_written_is_known_before_anything_is_measured(
    out: str, release: Path, tmp_path: Path
) -> None:
    board = Board()
    board.measures = answered()
    asked.clear()
    options = ProfileOptions(out=tmp_path / out)
    with pytest.raises(InputError, match="can be no file") as refused:
        profile_release("gate-7", release, options, access_to({"gate-7": board}), workstation_in(tmp_path))
    assert not asked and "--out FILE" in refused.value.hint


def test_what_is_no_profile_is_told_with_what_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    lacking = b'{"format": 2}'
    for content, message in ((None, "cannot be read: No such file"), (b"{", "not JSON"), (lacking, "edgekit")):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_profile(file)
        assert caught.value.hint == "edgekit profile DEVICE RELEASE makes one"
    newer = to_message(dataclasses.replace(profile({}), format=3))
    older = b'{"edgekit": "1", "sizes": [{"costs": {"see": {"spread_ms": [1, 2, 3]}}}]}'  # the first said no format
    for content, number in ((newer, 3), (older, 1), (b"{}", 1)):
        file.write_bytes(content)
        with pytest.raises(InputError, match=f"has format {number}, and this edgekit reads 2") as caught:
            read_profile(file)
        assert caught.value.hint == "edgekit profile DEVICE RELEASE makes one"
    file.write_bytes(to_message(profile({})))
    assert read_profile(file) == profile({})


class Board(FakeLink):
    """A board with a release on it that measures, or does not."""

    there = True
    measures = Completed(argv=(), returncode=0, stdout=b"", stderr=b"")

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        """See `Executor.run`."""
        asked.append((tuple(argv), options.get("stdin", b"")))
        if argv[0] == "test":
            return Completed(argv=tuple(argv), returncode=not self.there, stdout=b"", stderr=b"")
        if "--release" in argv:
            return self.measures
        return FactsExecutor(facts()).run(argv, **options)  # type: ignore[no-any-return]


asked: list[tuple[tuple[str, ...], bytes]] = []


@functools.cache
def facts() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        raw = probe(str(build_board("orin-nano-jp62", Path(made) / "root")), "/var/lib")
    return raw | {"disk_free_bytes": 8 << 30, "uid": 0, "clock_s": 1000.0}


def answered(**fields: object) -> Completed:
    measured = profile({})
    given: dict[str, object] = {
        "format": measured.format,
        "sizes": measured.sizes,
        "engines": measured.engines,
        "memory": measured.memory,
        **fields,
    }
    reply = to_message(ProfileReply(**given))  # type: ignore[arg-type]
    return Completed(argv=(), returncode=0, stdout=reply, stderr=b"")


def on_board(board: Board, release: Path, folder: Path) -> Profile:
    asked.clear()
    options = ProfileOptions(out=folder / "p.json")
    return profile_release("gate-7", release, options, access_to({"gate-7": board}), workstation_in(folder))


def test_a_board_measures_what_is_installed_there_as_the_worker_s_user(release: Path, tmp_path: Path) -> None:
    board = Board()
    board.measures = answered(notes=("sink broker was left out",))
    made = on_board(board, release, tmp_path)
    digest = sha256_file(release / "manifest.json")
    (argv, request) = next((argv, stdin) for argv, stdin in asked if "--release" in argv)
    assert argv[argv.index("--release") + 1] == f"/var/lib/edgekit/releases/{digest}"
    assert argv[-2:] == ("--user", "edgekit-worker") and b"its own source, belt" in request
    assert (made.device, made.release, made.notes) == ("gate-7", digest, ("sink broker was left out",))
    assert "Orin" in made.machine and made.power_mode, "as the board says"
    assert read_profile(tmp_path / "p.json") == made


def test_a_release_that_is_not_there_or_cannot_be_measured_is_told_with_a_cure(release: Path, tmp_path: Path) -> None:
    board = Board()
    board.there = False
    with pytest.raises(RolloutError, match="is not on gate-7") as caught:
        on_board(board, release, tmp_path)
    assert f"edgekit deploy {release} gate-7 && edgekit stop gate-7" in caught.value.hint
    board.there = True
    board.measures = answered(failure="golden frames failed", hint="build again")
    with pytest.raises(InputError, match="on gate-7: golden frames failed"):
        on_board(board, release, tmp_path)
    old = b"No module named edgekit.device.runtime.profiling"
    board.measures = Completed(argv=(), returncode=1, stdout=b"", stderr=old)
    with pytest.raises(RolloutError, match="built by an edgekit that measures nothing"):
        on_board(board, release, tmp_path)
    for said, number in ((b'{"sizes": [{"costs": {"see": {"spread_ms": [1]}}}]}', 1), (b'{"format": 3}', 3)):
        board.measures = Completed(argv=(), returncode=0, stdout=said, stderr=b"")
        with pytest.raises(RolloutError, match=f"measures in format {number}, and this edgekit reads 2") as caught:
            on_board(board, release, tmp_path)
        assert "build and deploy it again" in caught.value.hint
    source = (
        b"Traceback (most recent call last):\n    import runpy; runpy.run_module('edgekit.device.runtime.profiling')\n"
    )
    board.measures = Completed(argv=(), returncode=1, stdout=b"", stderr=source + b"MemoryError\n")
    with pytest.raises(InputError, match="ended while it was measured on gate-7, with exit code 1"):
        on_board(board, release, tmp_path)
    board.measures = Completed(argv=(), returncode=-9, stdout=b"", stderr=b"")
    with pytest.raises(InputError, match="ended while it was measured on gate-7, with signal 9"):
        on_board(board, release, tmp_path)
    assert not (tmp_path / "p.json").exists()
