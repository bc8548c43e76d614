"""The shipped recipe's own stage, as a user would test theirs: with nothing of edgekit but its public face."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgekit.stage import STAGE_API, Frame, RgbImage, RgbSpec, SharedContext, StageContext, StreamInfo

APP = Path(__file__).parents[3] / "recipes" / "sorting-line" / "app"


class FakeValves:
    def __init__(self) -> None:
        self.pulses: list[int] = []

    def pulse(self, byte: int) -> None:
        self.pulses.append(byte)


@pytest.fixture
def ejector(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(APP))
    return importlib.import_module("ejector")


def stage(ejector: ModuleType, valves: FakeValves, stream: str) -> Any:
    spec = RgbSpec(width_px=1, height_px=1, order="RGB")
    return ejector.Ejector(
        StageContext(
            name="eject",
            options=ejector.EjectorOptions(part="red disc", pulse=3),
            stream=StreamInfo(name=stream, spec=spec, fps=10.0),
            release=Path(),
            model="",
            runner=None,
            contract=None,
            shared=valves,
        )
    )


def pulsed(made: Any, valves: FakeValves, red: int) -> int:
    before = len(valves.pulses)
    image = RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")
    frame = Frame(stream="belt", sequence=0, captured_s=0.0, image=image, counts={"red disc": red, "blue disc": 9})
    assert made(frame) is frame
    return len(valves.pulses) - before


def test_it_pulses_once_for_each_part_of_its_own_stream(ejector: ModuleType) -> None:
    valves = FakeValves()
    one, other = stage(ejector, valves, "belt"), stage(ejector, valves, "belt2")
    assert [pulsed(one, valves, red) for red in (0, 1, 1, 3)] == [0, 1, 0, 2]
    assert pulsed(other, valves, 1) == 1, "both belts blow through the same valves"
    one.reset()
    assert pulsed(one, valves, 1) == 1
    assert set(valves.pulses) == {3} and STAGE_API == 1


def test_without_a_bus_it_only_counts(ejector: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    options = ejector.EjectorOptions(part="red disc", bus=250)
    with caplog.at_level(logging.WARNING):
        valves = ejector.ValveBoard(SharedContext(name="eject", options=options, release=Path()))
    assert "/dev/spidev250.0 is not there" in caplog.text
    valves.pulse(1)
    valves.close()
