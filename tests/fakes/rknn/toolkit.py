"""An RKNN toolkit's environment that only pretends: it runs the float model, and writes an engine that it is given."""

from __future__ import annotations

import sys
from pathlib import Path

_PYTHON = """#!{python}
import json, sys
from pathlib import Path
import numpy as np, onnxruntime
toolkit = Path("toolkit").resolve()
with (toolkit / "runs").open("a") as log:
    log.write("run\\n")
request = json.loads(Path(sys.argv[-2]).read_text())
Path(request["out"]).write_bytes((toolkit / "engine").read_bytes())
if request["frames"]:
    session = onnxruntime.InferenceSession(request["model"], providers=["CPUExecutionProvider"])
    pixels = (np.load(request["frames"]) - np.float32(request["mean"])) / np.float32(request["std"])
    (given,) = session.get_inputs()
    found = [session.run(None, {{given.name: one.transpose(2, 0, 1)[None].astype(np.float32)}}) for one in pixels]
    error = float((toolkit / "error").read_text())
    outputs = [np.stack([one[index] for one in found]) + error for index in range(len(found[0]))]
    np.savez(request["outputs"], *outputs)
answer = {{"failed": None, "times_s": {{"build": 1.5}}, "peak_bytes": 1, "settled": True}}
Path(sys.argv[-1]).write_text(json.dumps(answer))
"""


class FakeToolkits:
    """Stands in for `Toolkits`: one version, in a folder of the test's own."""

    versions = ("2.3.2",)

    def __init__(self, folder: Path) -> None:
        """Make the environment; it writes a real engine of another model."""
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").write_text(_PYTHON.format(python=sys.executable))
        (folder / "bin/python").chmod(0o755)
        (folder / "error").write_text("0")
        (folder / "rknn.lock").write_text("")
        self.write_engine(Path(__file__).with_name("tiny-float16.rknn").read_bytes())

    def lock(self, version: str) -> Path:
        """See `Toolkits.lock`."""
        assert version in self.versions
        return self.folder / "rknn.lock"

    def open(self, version: str) -> Path:
        """See `Toolkits.open`."""
        assert version in self.versions
        return self.folder

    def write_engine(self, content: bytes) -> None:
        """What comes out from now on."""
        (self.folder / "engine").write_bytes(content)

    @property
    def runs(self) -> int:
        """How often it was called."""
        log = self.folder / "runs"
        return len(log.read_text().split()) if log.exists() else 0
