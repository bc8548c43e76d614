"""Runs one job on a reserved device: send, compile, try, fetch."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import EngineError
from edgekit.host.engine.builder.client import MAX_ENGINE_BYTES, AgentClient
from edgekit.host.engine.builder.devices import PackageFile
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.progress import Progress
from edgekit.schema.answers import output_name
from edgekit.schema.building import BuildAnswer, TrialAnswer, TrialRequest, answer_file, request_file
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.message import from_message, to_message
from edgekit.schema.units import counted
from edgekit.trust import sha256_bytes

_DEADLINE_S = 3600.0
_TRIAL_S = 600.0
_FRAMES, _ANSWERS = "frames.npy", "answers.npz"
_BOOT = (
    "import ctypes, runpy, sys; ctypes.CDLL(None).prctl(1, 9); open('/proc/self/oom_score_adj', 'w').write('500');"
    " sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('edgekit.device.builder', run_name='__main__', alter_sys=True)"
)
"""Runs as `python -I -c BOOT SITE build|try FOLDER`. It ends with the agent (PR_SET_PDEATHSIG), and before anything
else when the board runs out of memory. Source: Linux, prctl(2), proc(5)."""
_Answer = TypeVar("_Answer", BuildAnswer, TrialAnswer)


class Work:
    """One job on one device."""

    def __init__(
        self, job: DeviceJob, packages: tuple[PackageFile, ...], client: AgentClient, progress: Progress
    ) -> None:
        self._job, self._packages, self._client, self._progress = job, packages, client, progress
        self._device = client.name
        self._folder = f"job-{job.key}"

    def run(self, facts: DeviceFacts) -> CompiledEngine:
        """Do it all; `facts` are the device's.

        Raises:
            EngineError: the model cannot be compiled or run there.
            Unreachable: the link broke.
        """
        job = self._job
        left_behind, site = self._find_left_behind(), self._bring()
        built, engine = left_behind or self._compile(site)
        tried, answers = TrialAnswer(), {}
        if len(job.frames):
            tried = self._do("try", TrialAnswer, site, f"{self._device} runs {job.name}", _TRIAL_S)
            answers = _read_answers(self._fetch(_ANSWERS))
        timings = f"{self._folder}/{job.request.timing_cache}"
        cache = self._client.fetch(timings, MAX_ENGINE_BYTES) if job.request.timing_cache else None
        return CompiledEngine(
            engine=engine,
            answers=answers,
            facts={"l4t": facts.l4t, "device": facts.model or facts.os_title},
            warnings=built.warnings,
            seconds=built.seconds,
            peak_bytes=built.peak_bytes,
            memory_bytes=tried.memory_bytes or built.gpu_peak_bytes,
            timing_cache=cache or b"",
        )

    def _find_left_behind(self) -> tuple[BuildAnswer, bytes] | None:
        """What the same job made before, where a link broke before it was fetched; None where it is damaged."""
        text = self._client.fetch(f"{self._folder}/{answer_file('build')}")
        answer = from_message(BuildAnswer, text, f"answer of {self._device}") if text else None
        if answer is None or answer.failure is not None:
            return None
        engine = self._client.fetch(f"{self._folder}/{self._job.request.engine}", MAX_ENGINE_BYTES)
        if engine is None or sha256_bytes(engine) != answer.engine_sha256:
            return None
        self._progress.note(f"{self._device} has compiled {self._job.name} already")
        return answer, engine

    def _compile(self, site: str) -> tuple[BuildAnswer, bytes]:
        built = self._do("build", BuildAnswer, site, f"{self._device} compiles {self._job.name}", _DEADLINE_S)
        return built, self._fetch(self._job.request.engine)

    def _bring(self) -> str:
        """Send what is missing there and lay it out; gives the folder with the Python packages."""
        job = self._job
        trial = TrialRequest(
            kind=job.request.kind,
            engine=job.request.engine,
            input=job.input,
            frames=_FRAMES,
            dla_core=job.request.dla_core,
            answers=_ANSWERS,
        )
        texts = {
            job.request.model: job.model,
            request_file("build"): to_message(job.request),
            request_file("try"): to_message(trial),
            _FRAMES: _as_npy(job.frames),
        }
        if job.request.timing_cache and job.timing_cache:
            texts[job.request.timing_cache] = job.timing_cache
        with tempfile.TemporaryDirectory(prefix="edgekit-job-") as scratch:
            files = {}
            for name, text in texts.items():
                files[name] = Path(scratch, name)
                files[name].write_bytes(text)
            digests = {name: sha256_bytes(text) for name, text in texts.items()}
            wanted = {digests[name]: file for name, file in files.items()}
            wanted |= {one.entry.sha256: one.file for one in self._packages}
            self._send(wanted)
        listed: list[dict[str, object]] = [{"path": name, "sha256": digest} for name, digest in digests.items()]
        self._client.lay(self._folder, listed, keep=False)
        return self._client.lay(
            f"packages-{_digest(self._packages)}", [_listed(one) for one in self._packages], keep=True
        )

    def _send(self, wanted: dict[str, Path]) -> None:
        sizes = {sha256: file.stat().st_size for sha256, file in wanted.items()}
        missing = self._client.find_missing(sizes)
        if missing:
            total = sum(sizes[sha256] - there for sha256, there in missing.items())
            with self._progress.amount(f"{self._device}: sending {counted(len(missing), 'file')}", total) as advance:
                for sha256, there in missing.items():
                    self._client.send(sha256, wanted[sha256], there, advance)

    def _do(self, verb: str, kind: type[_Answer], site: str, text: str, deadline_s: float) -> _Answer:
        """Run one of the builder's programs there, and read what it answers."""
        python = self._job.target.os.python_path
        with self._progress.step(text):
            done = self._client.run(
                [python, "-I", "-c", _BOOT, site, verb, "."], self._folder, deadline_s, self._progress.note
            )
        answer = self._client.fetch(f"{self._folder}/{answer_file(verb)}")
        if done["returncode"] or answer is None:
            raise self._died(verb, done, deadline_s)
        read = from_message(kind, answer, f"answer of {self._device}")
        if read.failure is not None:
            failure = read.failure
            details = "\n".join(filter(None, [failure.details, str(done.get("output", ""))]))
            raise EngineError(
                f"{self._job.name} on {self._device}: {failure.message}", hint=failure.hint, details=details
            )
        return read

    def _died(self, verb: str, done: dict[str, object], deadline_s: float) -> EngineError:
        code = done.get("returncode")
        doing = "compiling" if verb == "build" else "running"
        if done.get("ended_by") == "deadline":
            how, hint = (
                f"took longer than {deadline_s:g} s and was stopped",
                "lower the model's size, or look at it there",
            )
        elif code == -9:
            how, hint = "was killed: the board ran out of memory", "close other programs there, or reboot it"
        elif isinstance(code, int) and code < 0:
            how, hint = f"crashed with signal {-code}", "see dmesg on the device, and what it printed, below"
        else:
            how, hint = f"ended with {code}", "see what it printed, below"
        output = str(done.get("output", ""))
        return EngineError(f"{doing} {self._job.name} on {self._device} {how}", hint=hint, details=output)

    def _fetch(self, name: str) -> bytes:
        data = self._client.fetch(f"{self._folder}/{name}", MAX_ENGINE_BYTES)
        if data is None:
            raise EngineError(f"{self._device} left no {name}", hint="report this")
        return data


def _listed(one: PackageFile) -> dict[str, object]:
    return {"path": one.entry.path, "sha256": one.entry.sha256, "executable": one.entry.executable}


def _digest(packages: tuple[PackageFile, ...]) -> str:
    listed = sorted((one.entry.path, one.entry.sha256) for one in packages)
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _as_npy(frames: npt.NDArray[np.generic]) -> bytes:
    made = io.BytesIO()
    np.save(made, frames, allow_pickle=False)
    return made.getvalue()


def _read_answers(data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The engine's outputs. A file from a device may hold anything: nothing in it is run."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {output_name(name): arrays[name] for name in arrays.files}
    except (ValueError, OSError, KeyError) as error:
        raise EngineError(f"the device's answers cannot be read: {error}", hint="report this") from None
