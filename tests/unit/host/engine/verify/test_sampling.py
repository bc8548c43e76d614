"""A model that hangs on how its pictures are made smaller is refused where the board may choose."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.engine.verify.sampling import check_sampling
from edgekit.host.settings import settings_from
from edgekit.schema.recipe import ColourContract, Model, Tolerance
from tests.fakes.exports import FLOAT, Graph

SIDE = 16
ROWS, COLUMNS = np.indices((3 * SIDE, 3 * SIDE))
SMOOTH = np.dstack([40 + 4 * COLUMNS, 40 + 4 * ROWS, 40 + 2 * (ROWS + COLUMNS)]).clip(0, 255).astype(np.uint8)
POINTS = np.where(((ROWS % 3 == 1) & (COLUMNS % 3 == 1))[..., None], np.uint8(255), SMOOTH)


def source(folder: Path, picture: np.ndarray | None, sampling: str, **tolerance: float) -> ModelSource:
    """A model that gives its picture back, and one picture that is three times as large as its input."""
    graph = Graph()
    graph.node("Identity", ["x"], "y")
    path = folder / "m.onnx"
    path.write_bytes(
        graph.model({"x": (FLOAT, [1, 3, SIDE, SIDE])}, {"y": (FLOAT, [1, 3, SIDE, SIDE])}).SerializeToString()
    )
    files = ()
    if picture is not None:
        cv2.imwrite(str(folder / "p.png"), picture)
        files = (folder / "p.png",)
    contract = ColourContract(width_px=SIDE, height_px=SIDE, order="RGB", sampling=sampling)  # type: ignore[arg-type]
    return ModelSource(
        name="m",
        path=path,
        file=path,
        model=Model(onnx="m.onnx", input=contract, tolerance=Tolerance(**tolerance)),
        onnx=read_onnx(path),
        target=find_target("rk3588-debian12", settings_from({}, Path(edgekit.__file__).parent)),
        pictures=Pictures(calibration=files, contract=contract),
    )


@pytest.mark.parametrize(
    ("picture", "sampling"), [(SMOOTH, "any"), (POINTS, "linear"), (POINTS, "area"), (None, "any")]
)
def test_what_bears_any_sampling_or_names_its_own_passes(
    tmp_path: Path, picture: np.ndarray | None, sampling: str
) -> None:
    check_sampling(source(tmp_path, picture, sampling))


def test_what_does_not_bear_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r'models\.m: it hangs on .* is "any": output y .* on p\.png') as refused:
        check_sampling(source(tmp_path, POINTS, "any"))
    assert 'sampling = "linear" in models.m.input' in refused.value.hint
    check_sampling(source(tmp_path, POINTS, "any", cosine=0.5))
