"""A model for a build: inspected by a child once, and found by its content, and its pictures', from then on."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

import edgekit.host.engine
import edgekit.imaging
from edgekit.errors import InputError
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.inspection.asking import MAX_REPLY_BYTES, ask_child, limits_for
from edgekit.host.engine.inspection.messages import MODEL, InspectedModel, InspectionRequest, ModelQuestion
from edgekit.host.engine.pictures.read import MADE_UP
from edgekit.host.engine.reading import MAX_MODEL_BYTES, digest_bounded, read_bounded
from edgekit.host.engine.store import cache_key
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_file

_RECORD = "inspection.json"
_ROOMS = ("model", "pictures", "inspection")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyModel:
    """A model that engines are made from: it is known to end, in the memory that there is."""

    path: Path
    """The user's own file, or what it was rewritten into."""
    found: InspectedModel


def inspect_model(asked: ModelQuestion, bench: EngineBench) -> ReadyModel:
    """Have a model read, prepared, proven and run once, in a child; or find what that gave before.

    Args:
        asked: the model.
        bench: has the cache and the child's limits.

    Raises:
        EngineError: it cannot be used, or takes too much time or memory.
        InputError: it, its weights or a picture cannot be read.
    """
    sha256, key = _digest(asked.path), _key(asked)
    if (found := _find(asked, sha256, key, bench)) is not None:
        return found
    with bench.store.models.making(key, f"the model {asked.name}"):
        return _find(asked, sha256, key, bench) or _inspect(asked, sha256, key, bench)


def _inspect(asked: ModelQuestion, sha256: str, key: str, bench: EngineBench) -> ReadyModel:
    limits = limits_for(bench.limits, _bytes_of(Path(asked.path)), len(asked.pictures))
    with (
        bench.progress.step(f"looking into {asked.name}"),
        ask_child(InspectionRequest(model=asked), limits, bench.executor) as answer,
    ):
        found = answer.reply.model
        assert found is not None, "the child replies to what it is asked"
        if found.varies:
            _run_on_each(asked, bench)
        if _key(asked) != key:
            raise InputError(f"{asked.path} was changed while it was read", hint="try again")
        if found.beside:
            bench.store.weights.write(sha256, json.dumps(found.beside).encode())

        def fill(folder: Path) -> None:
            (folder / _RECORD).write_bytes(to_json(found))
            if found.notes:
                shutil.move(answer.folder / MODEL, folder / MODEL)

        made = bench.store.models.put(_whole_key(asked, sha256, key, bench), fill, asked.name)
    return _ready(asked, found, made.folder)


def _run_on_each(asked: ModelQuestion, bench: EngineBench) -> None:
    """Have a model run on each picture that the build will run it on: it may end on the first, and not on the next."""
    count = len(asked.pictures)
    limits = limits_for(bench.limits, _bytes_of(Path(asked.path)), count, runs=max(count, len(MADE_UP)))
    with ask_child(InspectionRequest(model=dataclasses.replace(asked, each=True)), limits, bench.executor):
        pass


def _find(asked: ModelQuestion, sha256: str, key: str, bench: EngineBench) -> ReadyModel | None:
    cached = bench.store.models.take(_whole_key(asked, sha256, key, bench))
    if cached is None:
        return None
    found = _read(cached.folder)
    if found is None or {item.path for item in cached.content.items} != {_RECORD, *([MODEL] if found.notes else [])}:
        bench.store.models.throw_away(cached, f"its {_RECORD} is of another edgekit")
        return None
    if found.notes and sha256_file(cached.folder / MODEL) != found.onnx.sha256:
        bench.store.models.throw_away(cached, "it is another model")
        return None
    return _ready(asked, found, cached.folder)


def _read(folder: Path) -> InspectedModel | None:
    file = folder / _RECORD
    try:
        return from_json(InspectedModel, read_bounded(file, MAX_REPLY_BYTES), str(file))
    except InputError:
        return None


def _ready(asked: ModelQuestion, found: InspectedModel, folder: Path) -> ReadyModel:
    return ReadyModel(path=folder / MODEL if found.notes else Path(asked.path), found=found)


def _key(asked: ModelQuestion) -> str:
    """Names everything that an inspection depends on, but for weights beside the model."""
    return cache_key(
        code=_code(),
        onnx=onnx.__version__,
        onnxruntime=ort.__version__,
        file=_digest(asked.path),
        model=asked.model,
        backend=asked.backend,
        pictures=[_digest(picture) for picture in asked.pictures],
    )


def _whole_key(asked: ModelQuestion, sha256: str, key: str, bench: EngineBench) -> str:
    """The key of the cache: with the weights beside it, whose names are known once its file was inspected."""
    names = json.loads(bench.store.weights.read(sha256) or b"[]")
    folder, beside = Path(asked.path).parent, {}
    for name in names:
        with suppress(InputError):  # it is gone: the child will tell
            beside[name] = _digest(folder / name)
    return cache_key(inspection=key, beside=beside)


def _digest(file: str | Path) -> str:
    return digest_bounded(Path(file), MAX_MODEL_BYTES)


def _bytes_of(path: Path) -> int:
    """Of a model with all that could be weights beside it; no more than a model may have."""
    sizes = (file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    return min(sum(sizes), MAX_MODEL_BYTES)


@functools.cache
def _code() -> str:
    """Names what inspects: another edgekit may find out other things."""
    root, digest = Path(edgekit.host.engine.__file__).parent, hashlib.sha256()
    folders = (*(root / room for room in _ROOMS), Path(edgekit.imaging.__file__).parent)
    for file in (file for folder in folders for file in sorted(folder.rglob("*.py"))):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()
