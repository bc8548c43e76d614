"""Holding an engine against its float model, on pictures that need no labels: the same for every accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgekit.errors import EngineError
from edgekit.host.engine.verify.agreement import Agreement, Answers, compare
from edgekit.host.engine.verify.pictures import Pixels, digest_of, read_pictures, tensor_of
from edgekit.host.engine.verify.reference import answers_of
from edgekit.schema.recipe import ColourContract

if TYPE_CHECKING:
    from edgekit.host.engine.model.tail import Tail

_MAX_BYTES = 1 << 30
"""Of all pictures as float tensors: they and what is answered on them lie in memory together."""
_MADE_UP = ("black", "white", "noise")
"""Pictures that stand in where a recipe has none: float16 overflows on them too."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a model is calibrated and verified with. Read when they are first looked at."""

    golden: tuple[Path, ...] = ()
    calibration: tuple[Path, ...] = ()
    contract: ColourContract

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Those to verify with: golden frames, then calibration pictures, each once; none where they are made up."""
        channels = 1 if self.contract.order == "GRAY" else 3
        most = max(1, _MAX_BYTES // (4 * channels * self.contract.width_px * self.contract.height_px))
        return tuple(dict.fromkeys((*self.golden, *self.calibration)))[:most]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pictures to verify with."""
        return tuple(file.name for file in self.files) or _MADE_UP

    @cached_property
    def pixels(self) -> Pixels:
        """Those to verify with: uint8[count, height, width, channels]. Raises InputError where one cannot be read."""
        return read_pictures(self.files, self.contract) if self.files else _made_up(self.contract)

    @cached_property
    def ranges(self) -> Pixels:
        """Those that ranges of int8 come from, all of them."""
        there = {file: index for index, file in enumerate(self.files)}
        if all(file in there for file in self.calibration):
            return self.pixels[[there[file] for file in self.calibration]]
        return read_pictures(self.calibration, self.contract)

    @property
    def tensors(self) -> npt.NDArray[np.generic]:
        """The float model's inputs, to verify with."""
        return tensor_of(self.pixels, self.contract)

    @property
    def digest(self) -> str:
        """Names those to verify with by content."""
        return digest_of(self.pixels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not usual about them."""
        if not self.files:
            return (f"verified on made-up pictures alone ({', '.join(_MADE_UP)}): name some in calibration",)
        whole = len({*self.golden, *self.calibration})
        return (f"verified on {len(self.files)} of {whole} pictures: no memory for more",) * (whole > len(self.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """An engine's answers beside the float model's, [frames, ...] each."""

    expected: Answers
    answers: Answers
    agreement: tuple[Agreement, ...]


def hold_against(model: Path, tail: Tail | None, pictures: Pictures, found: Answers) -> Verified:
    """Compare what an engine answers with what the model does.

    Args:
        model: the engine's own model: the head where a tail is behind it.
        tail: computes the rest in float.
        pictures: what both are given.
        found: the engine's own answers on them.

    Raises:
        EngineError: an output is missing, or has another size.
    """
    expected = answers_of(tail.whole if tail else model, pictures.tensors)
    try:
        answers = tail.complete(found) if tail else {name: found[name] for name in expected}
        agreement = compare(expected, answers, pictures.names)
    except (KeyError, ValueError) as error:
        raise EngineError(f"{model}: the engine does not give all outputs: {error}", hint="report this") from None
    return Verified(expected=expected, answers=answers, agreement=agreement)


def agreement_facts(agreement: Iterable[Agreement]) -> dict[str, str]:
    """For the manifest."""
    return {
        f"agreement.{one.output}": f"cosine {one.cosine_min:.6f}, max_abs {one.max_abs:.6g}, {one.frames} pictures"
        for one in agreement
    }


def _made_up(contract: ColourContract) -> Pixels:
    shape = (contract.height_px, contract.width_px, 1 if contract.order == "GRAY" else 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), noise])
