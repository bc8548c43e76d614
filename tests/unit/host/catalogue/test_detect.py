"""Boards as trees -> facts -> targets. The cases are data: tests/cases/detect/."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.detect import match_target, name_from_facts, target_from_facts
from edgekit.host.catalogue.identity import identify
from edgekit.host.catalogue.targets import list_targets, read_target, resolve_target
from edgekit.host.settings import settings_from
from edgekit.host.workflow.probe import target_file, write_target
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from edgekit.schema.target import Accelerator, Recognise, Target
from edgekit.schema.units import format_cpus
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board, names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
CASES = {
    file.stem: tomllib.loads(file.read_text()) for file in (Path(__file__).parents[3] / "cases/detect").glob("*.toml")
}


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, ...]:
    return list_targets(SETTINGS, own=tmp_path_factory.mktemp("own"))


def facts_of(board: str, folder: Path) -> DeviceFacts:
    return from_raw(DeviceFacts, probe(str(build_board(board, folder / "root")), "/var/lib"), board)


def plain(facts: DeviceFacts, key: str) -> Any:
    """A fact as cases write it."""
    value = getattr(facts, key)
    if key == "clusters":
        return [f"{group.name} {format_cpus(group.cpus)} {group.capacity}" for group in value]
    if key == "accelerators":
        return [line(accelerator) for accelerator in value]
    if key == "python":
        return f"{value.version} {value.soabi}"
    return list(value) if isinstance(value, tuple) else value


def line(found: Accelerator) -> str:
    if found.kind == "rknn":
        return f"rknn {found.runtime_version}, {found.soc}, driver {found.driver_version}, {found.npu_cores} cores"
    assert (found.sm, found.soc) == ("8.7", "tegra234")
    mode = f"{found.power_mode} of {found.power_conf}"
    sizes = f"{found.sm_count} SMs, {found.dla_cores} DLA"
    return f"{found.kind} {found.runtime_version}, {sizes}, CUDA {found.cuda}, {mode}"


def test_every_board_is_a_case() -> None:
    assert sorted(case["board"] for case in CASES.values()) == names()


@pytest.mark.parametrize("name", sorted(CASES))
def test_board_is_recognised(name: str, targets: tuple[Target, ...], tmp_path: Path) -> None:
    case = CASES[name]
    facts = facts_of(case["board"], tmp_path)
    assert {key: plain(facts, key) for key in case["facts"]} == case["facts"]
    found = identify(facts, targets)
    match = found.match
    assert (match.target, found.stranger) == (case["target"], case.get("stranger", ""))
    assert set(match.reasons) == {target.name for target in targets} - {match.target}
    assert all(match.reasons.values())


UNUSABLE = {"rock-5b-broken": "the version of libc is not told"}
"""Trees that no target can be written of, and why."""


def test_what_a_probe_writes_is_recognised_on_every_board_beside_all_others(
    targets: tuple[Target, ...], tmp_path: Path
) -> None:
    """The whole way: facts, a file as `target probe` writes it, read again; then all of them are known at once."""
    boards = {board: facts_of(board, tmp_path / board) for board in names() if board not in UNUSABLE}
    own = {}
    for board, facts in boards.items():
        written = target_from_facts(facts, name=f"own-{board}")
        file = target_file(tmp_path / f"{written.name}.toml", written.name)
        write_target(file, written, force=False)
        own[board] = resolve_target(read_target(file, SETTINGS))
        assert own[board] == written
        assert match_target(facts, (own[board], *targets)).target == written.name
        assert match_target(facts, (*targets, own[board])).target == written.name
    for board, facts in boards.items():
        best = match_target(facts, (*targets, *own.values())).target.removeprefix("own-")
        nameless = [dataclasses.replace(own[one], name="", title="") for one in (best, board)]
        assert nameless[0] == nameless[1], f"{board} is taken for {best}"


@pytest.mark.parametrize(("board", "why"), UNUSABLE.items())
def test_no_target_is_written_of_what_cannot_be_read(board: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why):
        target_from_facts(facts_of(board, tmp_path), name="own")


def test_reasons_name_what_was_found_and_what_is_needed(targets: tuple[Target, ...], tmp_path: Path) -> None:
    reasons = match_target(facts_of("orin-nano-jp60", tmp_path), targets).reasons
    assert reasons["jetson-orin-nano-jp62"] == ("L4T is 36.3.0, not 36.4 or 36.5",)
    assert "its version is 22.04, not 24.04" in reasons["jetson-orin-jp72"]


def test_more_specific_target_wins(targets: tuple[Target, ...], tmp_path: Path) -> None:
    facts = facts_of("orin-jp72", tmp_path)
    (general,) = [target for target in targets if target.name == "jetson-orin-jp72"]
    marks = dataclasses.replace(general.recognise, compatible=("nvidia,p3767-0005",))
    special = dataclasses.replace(general, name="nano-jp72", recognise=marks)
    for order in ((general, special), (special, general)):
        match = match_target(facts, order)
        assert match.target == "nano-jp72"
        assert match.reasons["jetson-orin-jp72"] == ("nano-jp72 fits better",)


def test_target_without_marks_is_never_matched(targets: tuple[Target, ...], tmp_path: Path) -> None:
    unmarked = dataclasses.replace(targets[0], name="host", recognise=Recognise())
    assert match_target(facts_of("x86-host", tmp_path), (unmarked,)) == match_target(
        facts_of("virt-arm64", tmp_path / "2"), ()
    )


def test_l4t_prefix_is_whole_numbers(targets: tuple[Target, ...], tmp_path: Path) -> None:
    facts = dataclasses.replace(facts_of("orin-nano-jp62", tmp_path), l4t="36.40.1")
    assert match_target(facts, targets).target == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arch": "armv7l"}, "architecture armv7l"),
        ({"libc": "", "libc_version": "", "warnings": ("there is no glibc",)}, "there is no glibc"),
    ],
)
def test_no_target_for_machines_that_edgekit_does_not_build_for(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    facts = dataclasses.replace(facts_of("unknown-arm64", tmp_path), **change)
    with pytest.raises(InputError, match=said):
        target_from_facts(facts, name="box")


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("rock-5b", "rock-5b-debian12"),
        ("x86-host", "precision-7560-ubuntu2404"),
        ("orin-nano-jp62", "p3768-0000-p3767-0005-ubuntu2204"),
    ],
)
def test_names_of_probed_targets(board: str, name: str, tmp_path: Path) -> None:
    assert name_from_facts(facts_of(board, tmp_path)) == name
