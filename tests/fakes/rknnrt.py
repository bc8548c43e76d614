"""The stand-in for the NPU's runtime, as tests tell it what to do."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from edgekit.device.runner import Runner
from edgekit.device.runner.librga import Librga
from edgekit.device.runner.rknn import NpuSystem, open_runner
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

ENGINE = Path(__file__).parent / "rknn/tiny-int8.rknn"
CONTRACT = ColourContract(width_px=16, height_px=16, order="RGB", layout="NHWC", dtype="uint8")


class FakeRuntime:
    """`rknnrt.c`, compiled and loaded: its own view of how it was called."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._library = ctypes.CDLL(self.path)
        self._library.fake_faults.restype = ctypes.c_char_p
        self._library.fake_reset()

    @property
    def faults(self) -> str:
        return self._library.fake_faults().decode()

    @property
    def live(self) -> int:
        return self._library.fake_live()

    @property
    def peak(self) -> int:
        return self._library.fake_peak()

    def fail(self, call: str, code: int) -> None:
        self._library.fake_fail(call.encode(), code)

    def model(self, text: str) -> None:
        self._library.fake_model(text.encode())

    def run_us(self, microseconds: int) -> None:
        self._library.fake_run_us(microseconds)

    def reset(self) -> None:
        """Free what is left, and forget all faults."""
        self._library.fake_reset()

    def load(
        self,
        contract: ColourContract = CONTRACT,
        path: Path = ENGINE,
        picture: str = "",
        rga: Librga | None = None,
        npu_cores: tuple[int, ...] = (),
        **options: Any,
    ) -> Runner:
        plan = EnginePlan(runner="rknn", path="m.rknn", input=contract, picture=picture, threads=1, npu_cores=npu_cores)
        return open_runner(plan, path, system=NpuSystem(libraries=(self.path,), rga=rga), **options)
