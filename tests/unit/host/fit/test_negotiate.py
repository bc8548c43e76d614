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
from edgekit.host.catalogue.detect import has_marks
from edgekit.host.catalogue.identity import identify
from edgekit.host.catalogue.targets import list_targets
from edgekit.host.fit.engine_fit import judge_each, judge_engines
from edgekit.host.fit.finding import Finding
from edgekit.host.fit.negotiate import judge_board, judge_keeper, judge_login, judge_release
from edgekit.host.fit.onnxruntime import reach_of
from edgekit.host.settings import settings_from
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import EngineEntry, Requires, WheelEntry
from edgekit.schema.reader import from_raw
from edgekit.schema.target import Target
from edgekit.sent.facts.report import facts as probe
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


def engines_of(case: dict[str, Any]) -> tuple[EngineEntry, ...]:
    usual = {"name": "parts", "path": "engines/parts", "model_sha256": "0" * 64}
    written = [case["engine"]] if "engine" in case else case.get("engines", [])
    return tuple(from_raw(EngineEntry, usual | raw, "engine") for raw in written)


def wheels_of(case: dict[str, Any]) -> tuple[WheelEntry, ...]:
    version = case.get("onnxruntime", "")
    wheel = WheelEntry(name="onnxruntime", version=version, filename="", sha256="", source="downloaded")
    return (wheel,) if version else ()


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
    systemd, found = case.get("systemd", True), identify(facts, tuple(TARGETS.values()))
    clock_s = case.get("clock_s", 1000.0)
    board = judge_board(found.kind, target.name, advice=found.advice)
    return (
        *judge_keeper(facts, systemd=systemd, clock_s=clock_s, newer_python=found.newer_python),
        *judge_login(facts, systemd=systemd),
        *judge_release(
            requires_of(case, target), facts, rebuild=found.rebuild, present_bytes=case.get("present_bytes", 0)
        ),
        *(() if has_marks(facts, target) else board),
        *judge_engines(engines_of(case), wheels_of(case), facts),
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
    assert sum(bool(engines_of(case)) for case in CASES.values()) >= 40


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DeviceFacts]:
    names = ("rock-5b", "rock-5b-mainline", "orin-nano-jp62", "virt-arm64")
    return {name: facts_of({"board": name}, tmp_path_factory.mktemp("boards") / name) for name in names}


KEYS = ("format", "toolkit", "platform", "memory_bytes", "tensorrt", "sm", "sm_count", "l4t", "dla")
KEYS += ("cuda", "power_mode", "power_conf", "opset", "ir_version", "x")
ODD = ("rknn 6", "2.3.2", "10.3.0.30", "8.7", "8", "36.4.7", "-1", "9" * 30, "9" * 5000, "rknn " + "9" * 5000, "\u0663")


@given(
    runner=st.sampled_from(["rknn", "tensorrt", "onnxruntime"]),
    facts=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(ODD) | st.text()),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_engine_says_is_no_traceback(
    boards: dict[str, DeviceFacts], runner: str, facts: dict[str, str]
) -> None:
    case = {"engine": {"runner": runner, "facts": facts}, "onnxruntime": "1.23.2"}
    for device in boards.values():
        assert all(map(str, judge_engines(engines_of(case), wheels_of(case), device)))


def test_each_engine_has_its_own_verdict(boards: dict[str, DeviceFacts]) -> None:
    case = {
        "engines": [
            {"name": "near", "runner": "rknn", "facts": {"platform": "rk3588"}},
            {"name": "far", "runner": "rknn", "facts": {"platform": "rk3576"}},
        ]
    }
    near, far = judge_each(engines_of(case), (), boards["rock-5b"])
    assert (near.name, near.fits, near.findings) == ("near", True, ())
    assert (far.name, far.fits, [item.subject for item in far.findings]) == ("far", False, ["the SoC"])


@pytest.mark.parametrize(
    ("runtime", "reach"),
    [("1.20.1", (21, 10)), ("1.22.1", (22, 10)), ("1.23.2", (23, 11)), ("1.27.0", (26, 13)), ("1.32.0", (28, 14))],
)
def test_what_versions_of_onnx_runtime_take(runtime: str, reach: tuple[int, int]) -> None:
    found = reach_of(runtime)
    assert found and (found.opset, found.ir_version) == reach


@pytest.mark.parametrize("runtime", ["", "1.10.0", "1.33.0", "2.0", "what"])
def test_versions_that_nobody_measured_are_not_judged(runtime: str) -> None:
    assert reach_of(runtime) is None


def test_findings_read_as_sentences() -> None:
    libc = Finding(severity="refuse", subject="libc", found="2.31", needed="2.36 or newer", cure="build anew")
    assert str(libc) == "libc is 2.31, needed is 2.36 or newer: build anew"
    keygen = Finding(
        severity="refuse", subject="ssh-keygen", found="", needed="", cure="apt-get install openssh-client"
    )
    assert str(keygen) == "ssh-keygen is not there: apt-get install openssh-client"
