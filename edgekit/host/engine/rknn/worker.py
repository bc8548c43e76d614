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
SETTLED, QUANTISED = "EDGEKIT_SETTLED", "EDGEKIT_QUANTISED"
STATE = "quantised.json"
STACK_BYTES = 64 << 20


RENAMED = re.compile(r"(?:[-_]rs)+$")
"""What the toolkit puts behind a tensor's name where it reshapes it to four dimensions. Source: measured with 2.3.2."""


def own_name(tensor: str) -> str:
    """A tensor's name in the ONNX model."""
    return RENAMED.sub("", tensor)


class StepFailed(Exception):
    """A step of the toolkit did not work."""


def settle() -> None:
    """Start anew with fixed addresses, hashes and environment.

    The compiler copies padding that it never wrote into the file, pointers among it: equal inputs give equal bytes only
    when equal pointers do. Some containers forbid it; the answer says whether it was done.
    """
    if SETTLED not in os.environ:
        done = ctypes.CDLL(None).personality(ctypes.c_ulong(NO_RANDOM_ADDRESSES)) != -1
        restart("yes" if done else "no")


def restart(settled: str, quantised: str = "") -> None:
    """Become a fresh process."""
    environment = {
        SETTLED: settled,
        QUANTISED: quantised,
        "PATH": "/usr/bin:/bin",
        "HOME": ".",
        "TMPDIR": str(Path.cwd()),
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "MALLOC_PERTURB_": "85",
    }
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)  # what the compiler has printed
    os.execve(sys.executable, [sys.executable, "-B", *sys.argv], environment)  # noqa: S606


class Worker:
    """One conversion."""

    def __init__(self, request: dict[str, Any], toolkit: Callable[..., Any]) -> None:
        self.request = request
        self.answer: dict[str, Any] = {"failed": None, "times_s": {}}
        self._rknn = toolkit(verbose=True)

    def run(self) -> None:
        """All that the request asks for. Quantising and compiling are two processes, each with a history of its own.

        The quantiser's threads leave the heap in another state each time, and the compiler's pointers with it.
        """
        request = self.request
        if not request["quantise"]:
            self._configure()
            self._step("build", self._rknn.build, do_quantization=False)
        elif os.environ[QUANTISED]:
            self.answer |= json.loads(Path(os.environ[QUANTISED]).read_text())
            self._step("build", self._rknn.hybrid_quantization_step2, *self._quantised())
        else:
            self._configure()
            self._quantise(request["quantise"])
            Path(STATE).write_text(json.dumps(self.answer))
            restart(os.environ[SETTLED], STATE)
        self._step("export", self._rknn.export_rknn, request["out"])
        if request["frames"]:
            self._simulate(request["frames"], request["outputs"])
        if request["analyse"]:
            self._step("analysis", self._analyse, request["analyse"])

    def _configure(self) -> None:
        request = self.request
        options = {
            "mean_values": [request["mean"]],
            "std_values": [request["std"]],
            "target_platform": request["platform"],
            "single_core_mode": True,
            "custom_string": request["custom"],
        }
        if request["quantise"]:
            options["quantized_algorithm"] = request["quantise"]["algorithm"]
            options["quantized_method"] = "channel" if request["quantise"]["per_channel"] else "layer"
        self._step("config", self._rknn.config, **options)
        self._step("load", self._rknn.load_onnx, model=request["model"])

    def _quantise(self, quantise: dict[str, Any]) -> None:
        """Find ranges, and set the layers that are to stay float16."""
        step1 = self._rknn.hybrid_quantization_step1
        self._step("quantisation", step1, dataset=quantise["dataset"], proposal=False)
        if not quantise["keep_float"]:
            return
        config = Path(self._quantised()[2])
        text = config.read_text()
        known = re.findall(r"^    (\S.*):$", text.partition("quantize_parameters:")[2], re.M)
        wanted = set(quantise["keep_float"])
        floating = [name for name in known if name in wanted or own_name(name) in wanted]
        found = {*floating, *map(own_name, floating)}
        lost = [name for name in quantise["asked"] if name not in found]
        if lost:
            there = [name for name in map(own_name, known) if name in wanted]
            raise StepFailed(
                f"no layer of {lost[0]} is left; those behind it: {', '.join(dict.fromkeys(there)) or 'none'}"
            )
        self.answer["kept_float"] = floating
        lines = "".join(f"    {name}: float16\n" for name in floating)
        head = re.compile(r"^custom_quantize_layers:.*$", re.M)
        config.write_text(head.sub(lambda _: f"custom_quantize_layers:\n{lines}", text, count=1))

    def _quantised(self) -> tuple[str, str, str]:
        """Files that the quantiser leaves: graph, weights, ranges."""
        stem = Path(self.request["model"]).stem
        return f"{stem}.model", f"{stem}.data", f"{stem}.quantization.cfg"

    def _simulate(self, frames: str, outputs: str) -> None:
        self._step("simulator", self._rknn.init_runtime)
        began = time.monotonic()
        found = [self._rknn.inference([frame[None]], data_format=["nhwc"]) for frame in np.load(frames)]
        if any(one is None for one in found):
            raise StepFailed("the simulator gave no answer")
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
            raise StepFailed(f"it answered {code}")


class Inline(threading.Thread):
    """Runs at once, where it is started: threads that share a heap leave it in another state each time."""

    def start(self) -> None:
        """Run to the end."""
        self.run()

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""


def run_threads_inline() -> None:
    """The mmse quantiser starts one thread a layer, and the compiler follows in the same process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("rknn.api.") and getattr(module, "Thread", None) is threading.Thread:
            module.Thread = Inline  # type: ignore[attr-defined]


def work(request: dict[str, Any], file: Path, toolkit: Callable[..., Any]) -> None:
    """Run the request, and write the answer whatever happens."""
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

    run_threads_inline()
    request, answer = sys.argv[1:3]
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=work, args=(json.loads(Path(request).read_text()), Path(answer), RKNN))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
