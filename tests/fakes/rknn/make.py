"""Makes tiny-int8.rknn and tiny-float16.rknn with the toolkit: python -m tests.fakes.rknn.make FOLDER"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from edgekit.host.engine.rknn.conversion import RknnConverter, RknnJob
from edgekit.schema.recipe import Quantisation
from tests.fakes.networks import pictures, save, tiny

HERE = Path(__file__).parent


def make(converter: RknnConverter) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the committed engines."""
    shown = pictures(8, 16, 16)
    with TemporaryDirectory() as folder:
        for name, quantisation in (("tiny-int8", Quantisation()), ("tiny-float16", None)):
            model = save(tiny(), Path(folder) / "tiny.onnx")
            job = RknnJob(
                model=model,
                file=model,
                platform="rk3588",
                mean=(127.5,) * 3,
                std=(127.5,) * 3,
                quantisation=quantisation,
                calibration=shown,
                frames=shown[:2],
                custom="made by edgekit's tests",
            )
            yield f"{name}.rknn", converter.convert(job).engine


if __name__ == "__main__":
    from edgekit.executor.local import LocalExecutor
    from edgekit.host.progress import Silent
    from edgekit.host.sandbox.sandbox import Sandbox

    for name, engine in make(RknnConverter(toolkit=Path(sys.argv[1]), sandbox=Sandbox(LocalExecutor(), Silent()))):
        (HERE / name).write_bytes(engine)
