"""What a child that inspects files is asked, and what it replies. Both lie as JSON in a folder that it is given."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.host.engine.files.facts import FileFacts
from edgekit.host.engine.model.network import NetworkFile
from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.schema.recipe import Model
from edgekit.schema.target import AcceleratorKind

REQUEST, REPLY, DOING, MODEL = "request.json", "reply.json", "doing.txt", "model.onnx"
"""Files in that folder. `DOING` has two lines: what is being done at the moment, and what helps where that has no end.
`MODEL` is what the user's model was rewritten into; it is not there where nothing was."""
NO_MEMORY = 75
"""Exit code of a child that was given no more memory."""
SMALLER = "export a smaller model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuestion:
    """A model that is to be prepared and run once."""

    path: str
    """The user's file, as messages name it."""
    name: str
    """The model's name in the recipe."""
    model: Model
    """The recipe's."""
    backend: AcceleratorKind
    """What engines are made of it."""
    pictures: tuple[str, ...]
    """All of them are read; the first ones are what the model is run on. None: it is run on noise."""
    each: bool = False
    """Whether it is run on every picture, or on all made-up ones where there are none: as the build will run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineQuestion:
    """An ONNX file that a builder device sent as an engine."""

    file: str
    model: OnnxModel
    """What it has to be made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionRequest:
    """One of the four is asked."""

    model: ModelQuestion | None = None
    engine: EngineQuestion | None = None
    file: str = ""
    """A file of which nothing is known: it is described."""
    network: str = ""
    """A user's ONNX file, for which there is no recipe yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedModel:
    """A model that engines can be made from, and that was run once."""

    beside: tuple[str, ...]
    """Files in its folder that hold weights of it."""
    onnx: OnnxModel
    """What engines are made from."""
    model: Model
    """The recipe's; its `input` is what that takes."""
    notes: tuple[str, ...]
    """What was rewritten; empty where it is the user's file, byte for byte."""
    varies: bool
    """Whether what a run takes may depend on the picture: it has to be run on each."""
    doubt: str
    """Why it could not be compared with the user's file; empty where it was, or need not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionFailure:
    """What is wrong with a file."""

    message: str
    hint: str
    details: str
    input: bool
    """Whether it is an `InputError`: else it is an `EngineError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectionReply:
    """What was found: one of these, or nothing where an engine is what it has to be."""

    model: InspectedModel | None = None
    file: FileFacts | None = None
    network: NetworkFile | None = None
    failure: InspectionFailure | None = None
