"""What a release needs, joined with what a board has. The cases are data: tests/cases/negotiation/.

A case names a board (tests/fakes/boards), changes of its facts, the target that the release is for, changes of what it
requires (by default what that target has), and the findings, each as `severity subject: found, needed`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgekit
from edgekit.device.facts import facts as probe
from edgekit.host.catalogue import list_targets
from edgekit.host.detect import match_target
from edgekit.host.fleet.engine_fit import judge_engine, newest_opset
from edgekit.host.fleet.finding import Finding
from edgekit.host.fleet.negotiate import judge_board, judge_keeper, judge_login, judge_release
from edgekit.host.settings import settings_from
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import EngineEntry, Requires
from edgekit.schema.reader import from_raw
from edgekit.schema.target import Target
from tests.fakes.boards.tree import build_board

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[3] / "cases/negotiation"
CASES = {file.stem: tomllib.loads(file.read_text()) for file in FOLDER.glob("*.toml")}
TARGETS = {
    target.name: target for target in list_targets(settings_from({}, Path(edgekit.__file__).parent), Path("none"))
}
USUAL = {"disk_free_bytes": 8 << 30, "clock_s": 1000.0, "uid": 0}


def facts_of(case: dict[str, Any], folder: Path) -> DeviceFacts:
    raw = probe(str(build_board(case["board"], folder)), "/var/lib") | USUAL
    changes = case.get("facts", {})
    assert changes.keys() <= raw.keys()
    merged = {key: raw[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
    accelerators = [one | case.get("accelerator", {}) for one in raw["accelerators"]]
    return from_raw(DeviceFacts, raw | {"accelerators": accelerators} | merged, case["board"])


def engine_of(case: dict[str, Any]) -> EngineEntry:
    raw = {"name": "parts", "path": "engines/parts", "model_sha256": "0" * 64, **case["engine"]}
    return from_raw(EngineEntry, raw, "engine")


def requires_of(case: dict[str, Any], target: Target) -> Requires:
    usual = {
        "arch": target.os.arch,
        "libc_version": target.os.libc_version,
        "python": target.os.python,
        "cpus": [1, 2],
        "memory_bytes": 256 << 20,
        "disk_bytes": 64 << 20,
        "cgroup_controllers": ["cpuset", "memory", "pids"],
    }
    return from_raw(Requires, usual | case.get("requires", {}), "requires")


def judge(case: dict[str, Any], folder: Path) -> tuple[Finding, ...]:
    facts, target = facts_of(case, folder), TARGETS[case["target"]]
    systemd = case.get("systemd", True)
    return (
        *judge_keeper(facts, systemd=systemd, clock_s=case.get("clock_s", 1000.0)),
        *judge_login(facts, systemd=systemd),
        *judge_release(requires_of(case, target), facts, present_bytes=case.get("present_bytes", 0)),
        *judge_board(target, recognised=match_target(facts, tuple(TARGETS.values())).target),
        *(judge_engine(engine_of(case), facts, case.get("onnxruntime", "")) if "engine" in case else ()),
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = judge(case, tmp_path / "root")
    assert [f"{item.severity} {item.subject}: {item.found}, {item.needed}" for item in found] == case["findings"]
    for item in found:
        assert item.cure
        assert str(item).endswith(f": {item.cure}")


def test_there_are_enough_engines() -> None:
    assert sum("engine" in case for case in CASES.values()) >= 40


@given(
    runner=st.sampled_from(["rknn", "tensorrt", "onnxruntime"]),
    facts=st.dictionaries(
        st.sampled_from(["format", "toolkit", "platform", "memory_bytes", "tensorrt", "sm", "sm_count", "l4t", "dla"])
        | st.sampled_from(["cuda", "power_mode", "power_conf", "opset", "x"]),
        st.text()
        | st.sampled_from(["rknn 6", "2.3.2", "10.3.0.30", "8.7", "8", "36.4.7", "-1", "9" * 30, "tensorrt plan"]),
    ),
    board=st.sampled_from(["rock-5b", "rock-5b-mainline", "orin-nano-jp62", "virt-arm64"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_engine_says_is_no_traceback(
    runner: str, facts: dict[str, str], board: str, tmp_path: Path
) -> None:
    folder = tmp_path / board
    device = PROBED.get(board) or PROBED.setdefault(board, facts_of({"board": board}, folder))
    for found in judge_engine(engine_of({"engine": {"runner": runner, "facts": facts}}), device, "1.23.2"):
        assert str(found)


PROBED: dict[str, DeviceFacts] = {}


def test_operator_sets_of_versions_in_between() -> None:
    assert [newest_opset(text) for text in ("1.20.1", "1.22.1", "1.23.2", "1.27.0", "1.40.0", "1.10.0", "")] == [
        *(21, 22, 23, 26, 28, 0, 0)
    ]


def test_findings_read_as_sentences() -> None:
    libc = Finding(severity="refuse", subject="libc", found="2.31", needed="2.36 or newer", cure="build anew")
    assert str(libc) == "libc is 2.31, needed is 2.36 or newer: build anew"
    keygen = Finding(
        severity="refuse", subject="ssh-keygen", found="", needed="", cure="apt-get install openssh-client"
    )
    assert str(keygen) == "ssh-keygen is not there: apt-get install openssh-client"
