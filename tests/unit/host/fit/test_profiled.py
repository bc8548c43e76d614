"""A board in another state than the one that was measured: power mode and clocks, each a warning."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.host.fit.profiled import judge_clocks, judge_profile
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from edgekit.schema.telemetry import ClockRate
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board
from tests.fakes.profiles import profile

MEASURED = dataclasses.replace(profile({}), power_mode="15W", power_conf="p3767-0003-super")


@pytest.fixture(scope="module")
def orin(tmp_path_factory: pytest.TempPathFactory) -> DeviceFacts:
    raw = probe(str(build_board("orin-nano-jp62", tmp_path_factory.mktemp("board") / "root")), "/var/lib")
    return from_raw(DeviceFacts, raw | {"disk_free_bytes": 8 << 30, "uid": 0, "clock_s": 1000.0}, "facts")


def in_mode(facts: DeviceFacts, mode: str, conf: str) -> DeviceFacts:
    gpu = dataclasses.replace(facts.accelerators[0], power_mode=mode, power_conf=conf)
    return dataclasses.replace(facts, accelerators=(gpu, *facts.accelerators[1:]))


def test_another_power_mode_is_told_and_the_same_name_of_another_configuration_too(orin: DeviceFacts) -> None:
    assert judge_profile(MEASURED, in_mode(orin, "15W", "p3767-0003-super"), ()) == ()
    for mode, conf in (("25W", "p3767-0003-super"), ("15W", "p3767-0001-super")):
        (found,) = judge_profile(MEASURED, in_mode(orin, mode, conf), ())
        assert (found.severity, found.subject, found.found) == ("warn", "the power mode", f"{mode} of {conf}")
        assert found.needed == "15W of p3767-0003-super, in which line was measured" and "nvpmodel" in found.cure


def test_what_nobody_knows_is_no_difference(orin: DeviceFacts) -> None:
    assert judge_profile(profile({}), in_mode(orin, "25W", "p"), ()) == ()
    assert judge_profile(MEASURED, in_mode(orin, "", ""), ()) == ()


def test_other_limits_of_clocks_are_told(orin: DeviceFacts) -> None:
    then = (
        ClockRate(clock="cpu0", hertz=1_000_000_000, limit_hertz=1_728_000_000),
        ClockRate(clock="gpu", hertz=306_000_000, limit_hertz=1_020_000_000),
        ClockRate(clock="memory", hertz=204_000_000),
    )
    now = (
        ClockRate(clock="cpu0", hertz=700_000_000, limit_hertz=1_113_600_000),
        ClockRate(clock="gpu", hertz=900_000_000, limit_hertz=1_019_000_000),
        ClockRate(clock="memory", hertz=2_133_000_000, limit_hertz=2_133_000_000),
    )
    measured = dataclasses.replace(profile({}), clocks=then)
    (found,) = judge_clocks(measured, now)
    assert found == judge_profile(measured, in_mode(orin, "", ""), now)[0]
    assert str(found).startswith(
        "the limit of clock cpu0 is 1114 MHz, needed is 1728 MHz, with which line was measured: choose"
    )
    assert judge_clocks(measured, then) == () == judge_clocks(measured, ())
