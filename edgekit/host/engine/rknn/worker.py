"""Runs in the toolkit's own Python and is never imported by edgekit: converts one model, tries it, answers in JSON.

    python worker.py REQUEST ANSWER      in an empty scratch folder, which the toolkit litters

The toolkit fails in three ways, a code, None and an exception; here they become one: `failed` in the answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NO_RANDOM_ADDRESSES = 0x0040000
"""Source: linux/personality.h, ADDR_NO_RANDOMIZE."""
SETTLED = "EDGEKIT_SETTLED"
STACK_BYTES = 64 << 20


class Failed(Exception):
    """A step of the toolkit did not work."""


def settle() -> None:
    """Start anew with fixed addresses, hashes and environment.

    The compiler copies padding that it never wrote into the file, pointers among it: equal inputs give equal bytes only
    when equal pointers do. Some containers forbid it; the answer says whether it was done.
    """
    if SETTLED in os.environ:
        return
    done = ctypes.CDLL(None).personality(ctypes.c_ulong(NO_RANDOM_ADDRESSES)) != -1
    environment = {
        SETTLED: "yes" if done else "no",
        "PATH": "/usr/bin:/bin",
        "HOME": ".",
        "TMPDIR": "/proc/self/cwd",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "MALLOC_PERTURB_": "85",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
    }
    os.execve(sys.executable, [sys.executable, "-B", *sys.argv], environment)  # noqa: S606


class Worker:
    """One conversion."""

    def __init__(self, request: dict[str, Any], toolkit: Callable[..., Any]) -> None:
        self.request = request
        self.answer: dict[str, Any] = {"failed": None, "times_s": {}}
        self._make = toolkit
        self._rknn = toolkit(verbose=True)

    def run(self) -> None:
        """All that the request asks for."""
        request = self.request
        quantise = request["quantise"]
        self._configure()
        if quantise and quantise["keep_float"]:
            self._build_hybrid(quantise)
        else:
            dataset = quantise["dataset"] if quantise else None
            self._step("build", self._rknn.build, do_quantization=bool(quantise), dataset=dataset)
        self._step("export", self._rknn.export_rknn, request["out"])
        if request["frames"]:
            self._simulate(request["frames"], request["outputs"])
        if request["analyse"]:
            self._step("analysis", self._analyse, request["analyse"])

    def _configure(self) -> None:
        request = self.request
        quantise = request["quantise"] or {}
        options = {
            "mean_values": [request["mean"]],
            "std_values": [request["std"]],
            "target_platform": request["platform"],
            "single_core_mode": True,
            "custom_string": request["custom"],
        }
        if quantise:
            options["quantized_algorithm"] = quantise["algorithm"]
            options["quantized_method"] = "channel" if quantise["per_channel"] else "layer"
        self._step("config", self._rknn.config, **options)
        self._step("load", self._rknn.load_onnx, model=request["model"])

    def _build_hybrid(self, quantise: dict[str, Any]) -> None:
        """Quantise in two steps, between which named layers are set to float16."""
        self._step("build", self._rknn.hybrid_quantization_step1, dataset=quantise["dataset"], proposal=False)
        stem = Path(self.request["model"]).stem
        config = Path(f"{stem}.quantization.cfg")
        text = config.read_text()
        known = set(re.findall(r"^    (\S.*):$", text.partition("quantize_parameters:")[2], re.M))
        kept = [name for name in quantise["keep_float"] if name in known]
        if not kept:
            raise Failed(f"no layer of {', '.join(quantise['keep_float'][:8])} is left after the toolkit's own changes")
        self.answer["kept_float"] = kept
        lines = "".join(f"    {name}: float16\n" for name in kept)
        config.write_text(
            re.sub(r"^custom_quantize_layers:.*$", f"custom_quantize_layers:\n{lines}", text, count=1, flags=re.M)
        )
        self._rknn.release()
        self._rknn = self._make(verbose=True)
        files = {"model_input": f"{stem}.model", "data_input": f"{stem}.data", "model_quantization_cfg": str(config)}
        self._step("hybrid build", self._rknn.hybrid_quantization_step2, **files)

    def _simulate(self, frames: str, outputs: str) -> None:
        self._step("simulator", self._rknn.init_runtime)
        began = time.monotonic()
        found = [self._rknn.inference([frame[None]], data_format=["nhwc"]) for frame in np.load(frames)]
        if any(one is None for one in found):
            raise Failed("the simulator gave no answer")
        self.answer["times_s"]["simulate"] = round(time.monotonic() - began, 3)
        arrays = [np.stack([np.asarray(one[index], np.float32) for one in found]) for index in range(len(found[0]))]
        np.savez(outputs, *arrays)

    def _analyse(self, frame: str) -> int:
        code: int = self._rknn.accuracy_analysis(inputs=[frame], output_dir="analysis")
        self.answer["analysis"] = Path("analysis/error_analysis.txt").read_text()
        return code

    def _step(self, name: str, function: Callable[..., Any], *positional: object, **named: object) -> None:
        self.answer["step"] = name
        began = time.monotonic()
        code = function(*positional, **named)
        self.answer["times_s"][name] = round(time.monotonic() - began, 3)
        if code not in (0, None):
            raise Failed(f"it answered {code}")


def work(request: dict[str, Any], file: Path, toolkit: Callable[..., Any]) -> None:
    """Do it, and write the answer whatever happens."""
    answer: dict[str, Any] = {"failed": "it did not start", "step": "import", "times_s": {}}
    try:
        worker = Worker(request, toolkit)
        answer = worker.answer
        worker.run()
    except BaseException as error:
        answer["failed"] = str(error).strip() or type(error).__name__
        answer["trace"] = traceback.format_exc()
    answer["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer["settled"] = os.environ[SETTLED] == "yes"
    file.write_text(json.dumps(answer))


def main() -> None:
    """Work in a thread: its stack lies where neither the environment's nor the arguments' length can shift it."""
    settle()
    from rknn.api import RKNN  # noqa: PLC0415  once, and after `settle`

    request, answer = sys.argv[1:3]
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=work, args=(json.loads(Path(request).read_text()), Path(answer), RKNN))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
