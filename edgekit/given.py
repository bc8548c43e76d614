"""The face of a source of a recipe's own: `edgekit.stage` hands it on to code in `app/`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Image
from edgekit.schema.detection import Detection


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPicture:
    """A picture with what comes with it; or no picture, and what models take that need none."""

    image: Image | None = None
    """Its memory is the frame's from here on: give another one each time. None, of a source of sound or numbers: the
    frame gets a small black one."""
    inputs: Mapping[str, Mapping[str, npt.NDArray[np.generic]]] = field(default_factory=dict)
    """Models' inputs by the model's and the input's name, for an `infer` stage without `preprocess`."""
    truth: tuple[Detection, ...] | None = None
    """What really is in the picture, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What a recipe's own source is made with."""

    name: str
    """The source's own name in the recipe."""
    options: Any
    """Of the type that the class names in `Options`; as they stand in recipe.toml where it names none."""
    release: Path
    """The release's folder, for files that it reads."""

    @property
    def log(self) -> logging.Logger:
        """Writes to the worker's journal, under the source's name."""
        return logging.getLogger(f"edgekit.source.{self.name}")


class PictureSource:
    """Where pictures come from in a recipe's own way. A recipe's source need not derive from this.

    It is made on a thread of its own, when its pictures are asked for, and may wait for them there. One that raises is
    down: it is closed, and made anew after a pause. Pictures are not asked for faster than lanes take them; those that
    a live source gives meanwhile are dropped, the newest win.
    """

    Options: ClassVar[type | None] = None
    """The dataclass of its options, as of a stage."""

    def __init__(self, context: SourceContext) -> None:
        self.context = context

    def pictures(self) -> Iterator[Image | GivenPicture]:
        """The pictures, one after the other. Their end is the stream's; of a live source it is a failure.

        Nothing is copied: what is written into an array while the frame that it was given for is under way shows in
        that frame. So give each picture memory of its own, or fill an array again that was given many frames ago.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Free what it holds: called once, when no picture is asked for any more."""
