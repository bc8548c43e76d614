"""What an engine is made from: a model with all that the recipe says of it, and pictures to verify it with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.host.engine.model.tail import Tail
from edgekit.host.engine.pictures.read import MADE_UP, digest_of, made_up_pictures, read_pictures
from edgekit.imaging.conversion import tensors_of
from edgekit.imaging.image import Pixels
from edgekit.schema.recipe import ColourContract, Model
from edgekit.schema.target import Target

_MAX_BYTES = 1 << 30
"""Of all pictures as float tensors: they and what is answered on them lie in memory together."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a model is calibrated and verified with. Files are read when their pixels are first asked for."""

    golden: tuple[Path, ...] = ()
    calibration: tuple[Path, ...] = ()
    contract: ColourContract | None
    """What the model takes; None: no picture, and then there are none to verify with."""

    @property
    def _taken(self) -> ColourContract:
        assert self.contract is not None, "it takes a picture"
        return self.contract

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Those to verify with: golden frames, then calibration pictures, each once; none where they are made up."""
        contract = self._taken
        most = max(1, _MAX_BYTES // (4 * contract.channels * contract.width_px * contract.height_px))
        return tuple(dict.fromkeys((*self.golden, *self.calibration)))[:most]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pictures to verify with."""
        return tuple(file.name for file in self.files) or MADE_UP

    @cached_property
    def pixels(self) -> Pixels:
        """Those to verify with: uint8[count, height, width, channels]. Raises InputError where one cannot be read."""
        return read_pictures(self.files, self._taken) if self.files else made_up_pictures(self._taken)

    @cached_property
    def ranges(self) -> Pixels:
        """Those that ranges of int8 come from, all of them."""
        there = {file: index for index, file in enumerate(self.files)}
        if all(file in there for file in self.calibration):
            return self.pixels[[there[file] for file in self.calibration]]
        return read_pictures(self.calibration, self._taken)

    @property
    def tensors(self) -> npt.NDArray[np.generic]:
        """The float model's inputs, to verify with."""
        return tensors_of(self.pixels, self._taken)

    @property
    def digest(self) -> str:
        """Names those to verify with by content."""
        return digest_of(self.pixels)

    @property
    def notes(self) -> tuple[str, ...]:
        """For the user, where it is not the usual case."""
        if self.contract is None:
            return ()
        if not self.files:
            return (f"verified on made-up pictures alone ({', '.join(MADE_UP)}): name some in calibration",)
        whole = len({*self.golden, *self.calibration})
        return (f"verified on {len(self.files)} of {whole} pictures: no memory for more",) * (whole > len(self.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """What an engine is made from."""

    name: str
    """The model's name in the recipe."""
    path: Path
    """The ONNX file that engines are made from: the user's own, or what `prepare` made of it."""
    file: Path
    """The user's own, for messages."""
    rewrites: tuple[str, ...] = ()
    """What is different in it."""
    model: Model
    """As the recipe has it; its `input` is what the file at `path` takes."""
    onnx: OnnxModel
    target: Target
    pictures: Pictures
    """To find ranges with, and to verify with."""
    tail: Tail | None = None
    """What the CPU computes behind the engine, where the model is split: `path` is the head then."""

    before_split: OnnxModel | None = None
    """The whole model, where `onnx` is the part of it that the engine takes."""

    @property
    def described(self) -> OnnxModel:
        """The whole model: its outputs are what stages see."""
        return self.before_split or self.onnx

    @property
    def sha256(self) -> str:
        """Of the recipe's model."""
        return self.tail.whole_sha256 if self.tail else self.onnx.sha256

    @property
    def tail_bytes(self) -> int:
        """Memory that the tail takes."""
        return self.tail.record.bytes if self.tail else 0

    @property
    def tail_ms(self) -> float:
        """Time that the tail takes for a frame, on this machine."""
        return self.tail.record.milliseconds if self.tail else 0.0

    @property
    def tail_facts(self) -> dict[str, str]:
        """For the manifest: what runs behind the engine on the CPU."""
        return self.tail.facts if self.tail else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """For the user, before it is compiled."""
        notes = (*self.pictures.notes, *((self.tail.note,) if self.tail else ()))
        return tuple(f"{self.name}: {one}" for one in notes)
