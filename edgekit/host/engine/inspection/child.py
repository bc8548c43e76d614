"""The child that reads files of strangers: python -I -m edgekit.host.engine.inspection.child FOLDER.

FOLDER holds the request; the reply is written beside it, so that nothing that a library prints can be mistaken for one.
Its limits are set before it starts (`executor.limits`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import EdgekitError, EngineError, InputError
from edgekit.host.engine.files.show import describe_file
from edgekit.host.engine.inspection.messages import (
    DOING,
    MODEL,
    NO_MEMORY,
    REPLY,
    REQUEST,
    SMALLER,
    InspectedModel,
    InspectionFailure,
    InspectionReply,
    InspectionRequest,
    ModelQuestion,
)
from edgekit.host.engine.model.cost import cost_varies
from edgekit.host.engine.model.faults import DYNAMIC, node_name
from edgekit.host.engine.model.network import read_network
from edgekit.host.engine.model.onnx_engine import check_onnx_engine
from edgekit.host.engine.model.prepare.external import files_beside
from edgekit.host.engine.model.prepare.proof import NO_PICTURE
from edgekit.host.engine.model.prepare.rewrite import (
    WEIGHTS_BESIDE,
    Prepared,
    plain_examples,
    prepare,
    prove_rewrite,
)
from edgekit.host.engine.model.reference import check_loads, run_through
from edgekit.host.engine.pictures.read import MADE_UP, made_up_pictures, read_picture
from edgekit.host.engine.reading import MAX_MODEL_BYTES, read_bounded
from edgekit.imaging.conversion import tensors_of
from edgekit.imaging.image import Pixels
from edgekit.schema.reader import from_json, to_json
from edgekit.schema.recipe import ColourContract

_LOOPS = frozenset({"Loop", "Scan"})
_AS_THE_CAMERA = "give pictures as the camera has them"


class Inspection:
    """One request, and where it stands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self) -> InspectionReply:
        """Find out what is asked."""
        file = self._folder / REQUEST
        request = from_json(InspectionRequest, file.read_bytes(), str(file))
        try:
            if request.model is not None:
                return InspectionReply(model=self._model(request.model))
            if request.engine is not None:
                self._doing(
                    "reading the engine that the builder sent", "build with another device: --builder root@HOST"
                )
                engine = read_bounded(Path(request.engine.file), MAX_MODEL_BYTES)
                check_onnx_engine(engine, request.engine.model)
                return InspectionReply()
            if request.network:
                self._doing(f"reading {request.network}", f"{SMALLER}, without functions of its own")
                return InspectionReply(network=read_network(Path(request.network)))
            self._doing(f"reading {request.file}", "give an .rknn or TensorRT engine or an ONNX model, whole")
            return InspectionReply(file=describe_file(Path(request.file)))
        except EdgekitError as error:
            failure = InspectionFailure(
                message=error.message, hint=error.hint, details=error.details, input=isinstance(error, InputError)
            )
            return InspectionReply(failure=failure)

    def _model(self, asked: ModelQuestion) -> InspectedModel:
        path, pictures = Path(asked.path), tuple(map(Path, asked.pictures))
        self._doing(f"preparing {path}", f"{SMALLER}, without functions of its own")
        prepared = prepare(path, asked.name, asked.model, asked.backend)
        for picture in pictures:
            self._doing(f"reading {picture}", _AS_THE_CAMERA)
            read_picture(picture, asked.model.contract)
        model = onnx.load_model_from_string(prepared.data)
        doubt = self._try(path, asked, prepared, model.graph)
        if prepared.notes:
            (self._folder / MODEL).write_bytes(prepared.data)
        return InspectedModel(
            beside=files_beside(path) if WEIGHTS_BESIDE in prepared.notes else (),
            onnx=prepared.onnx,
            model=prepared.model,
            notes=prepared.notes,
            varies=cost_varies(model),
            doubt=doubt,
        )

    def _try(self, path: Path, asked: ModelQuestion, prepared: Prepared, graph: onnx.GraphProto) -> str:
        """Run a model, and hold it against the user's; gives why that could not be done."""
        nodes, pictures = graph.node, tuple(map(Path, asked.pictures))
        loops = [node_name(node, index) for index, node in enumerate(nodes) if node.op_type in _LOOPS]
        cure = f"end the model before node {loops[0]}, a loop" if loops else f"{SMALLER}, or for smaller pictures"
        self._doing(f"running {path} on one picture" if asked.model.input else f"running {path} once", cure)
        doubt = prove_rewrite(path, prepared, pictures)
        accelerator = asked.backend != "onnxruntime"
        if accelerator and not asked.model.split and any(node.op_type in DYNAMIC for node in nodes):
            return doubt  # refused by name, and never run
        try:
            check_loads(prepared.data, path)
        except EngineError:
            if accelerator:  # which names what it does not take in words of its own
                return doubt
            raise
        others = plain_examples(prepared.onnx, prepared.model)
        contract = prepared.model.input
        frames = iter(NO_PICTURE) if contract is None else self._frames(path, asked, contract, cure)
        run_through(prepared.data, frames, path, others)
        return doubt

    def _frames(
        self, path: Path, asked: ModelQuestion, contract: ColourContract, cure: str
    ) -> Iterator[npt.NDArray[np.generic]]:
        """What the model is run on, one at a time."""
        named: Iterable[tuple[str, Pixels]]
        if asked.pictures:
            named = ((picture, read_picture(Path(picture), contract)) for picture in asked.pictures)
        else:
            named = zip(reversed(MADE_UP), made_up_pictures(contract)[::-1], strict=True)
        for index, (name, pixels) in enumerate(named):
            if asked.each:
                self._doing(f"running {path} on {name}", cure)
            elif index:
                return
            yield tensors_of(pixels[None], contract)[0]

    def _doing(self, what: str, hint: str) -> None:
        (self._folder / DOING).write_text(f"{what}\n{hint}\n")


def inspect(folder: Path) -> None:
    """Carry out the request in a folder, and leave the reply there. Raises MemoryError."""
    (folder / REPLY).write_bytes(to_json(Inspection(folder).run()))


def main() -> None:
    """The child."""
    try:
        inspect(Path(sys.argv[1]))
    except MemoryError:
        sys.exit(NO_MEMORY)


if __name__ == "__main__":
    main()
