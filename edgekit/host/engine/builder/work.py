"""Runs one job on a reserved device: send, compile, try, fetch, check.

What fails its checks is wiped over there, so that the next run starts clean; what a broken link left is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgekit.errors import EngineError, Unreachable
from edgekit.host.engine.builder.answers import BuilderFault, details_of, distrust, one_line, parse_answer, read_answer
from edgekit.host.engine.builder.arrays import most_bytes, read_arrays
from edgekit.host.engine.builder.client import AgentClient
from edgekit.host.engine.builder.devices import Builders, PackageFile
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.builder.measured import contradictions, measured_facts
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.own_folder import temporary_folder
from edgekit.host.progress import Progress
from edgekit.schema.builder_agent import RunAnswer
from edgekit.schema.building import BuildAnswer, TrialAnswer, TrialRequest, answer_file, request_file
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.message import to_message
from edgekit.schema.units import counted
from edgekit.trust import sha256_bytes

_MAX_ENGINE_BYTES, _SPARE_ENGINE_BYTES = 4 << 30, 1 << 30
_MAX_TIMINGS_BYTES = 256 << 20
_FRAMES, _ANSWERS = "frames.npy", "answers.npz"
_BOOT = (
    "import ctypes, runpy, sys; ctypes.CDLL(None).prctl(1, 9); open('/proc/self/oom_score_adj', 'w').write('500');"
    " sys.path.insert(0, sys.argv.pop(1));"
    " runpy.run_module('edgekit.device.builder', run_name='__main__', alter_sys=True)"
)
"""Runs as `python -I -B -c BOOT SITE build|try FOLDER`; -B leaves no bytecode, which nobody could check later. It ends
with the agent (PR_SET_PDEATHSIG), and before anything else when the board runs out of memory. Source: Linux, prctl(2),
proc(5).
"""
_Answer = TypeVar("_Answer", BuildAnswer, TrialAnswer)


class Work:
    """One job on one device."""

    def __init__(self, job: DeviceJob, builders: Builders, client: AgentClient, progress: Progress) -> None:
        self._job, self._client, self._progress = job, client, progress
        self._packages, self._patience = builders.packages, builders.patience
        self._device = client.name
        self._folder = f"job-{job.key}"

    def run(
        self, facts: DeviceFacts, look: Callable[[], DeviceFacts], check: Callable[[CompiledEngine], object]
    ) -> CompiledEngine:
        """Do it all.

        Args:
            facts: the device's, before.
            look: reads them again, when it is done.
            check: reads the content of what was compiled; raises EngineError.

        Raises:
            BuilderFault: another device may be asked.
            EngineError: the model cannot be compiled or run there.
            Unreachable: the link broke.
        """
        try:
            return self._run(facts, look, check)
        except EngineError:
            with contextlib.suppress(EngineError, Unreachable):
                self._client.wipe(self._folder)
            raise

    def _run(
        self, facts: DeviceFacts, look: Callable[[], DeviceFacts], check: Callable[[CompiledEngine], object]
    ) -> CompiledEngine:
        job = self._job
        left_behind = self._find_left_behind()
        if left_behind is None:
            self._client.wipe(self._folder)
        site = self._bring()
        built, engine, timings = left_behind or self._compile(site)
        tried, answers = self._try(site) if len(job.frames) else (None, {})
        for reason in contradictions(job.request.kind, facts, look(), built, tried):
            raise distrust(self._device, reason)
        compiled = CompiledEngine(
            engine=engine,
            answers=answers,
            facts=measured_facts(job.request.kind, facts, built),
            warnings=tuple(map(one_line, built.warnings)),
            seconds=built.seconds,
            peak_bytes=built.peak_bytes,
            memory_bytes=(tried.memory_bytes if tried else 0) or built.gpu_peak_bytes,
            timing_cache=timings,
        )
        try:
            check(compiled)
        except EngineError as error:
            raise BuilderFault(
                f"{self._device} made no usable engine of {job.name}: {error.message}",
                hint=error.hint,
                details=error.details,
            ) from None
        return compiled

    def _find_left_behind(self) -> tuple[BuildAnswer, bytes, bytes] | None:
        """What the same job made before, where a link broke before it was fetched; None where it is damaged."""
        text = self._client.fetch(f"{self._folder}/{answer_file('build')}")
        try:
            answer = self._read(BuildAnswer, text) if text else None
        except BuilderFault:
            return None
        if answer is None or answer.failure is not None:
            return None
        engine = self._client.fetch(f"{self._folder}/{self._job.request.engine}", self._most_engine_bytes())
        if engine is None or sha256_bytes(engine) != answer.engine_sha256:
            return None
        self._progress.note(f"{self._device} has compiled {self._job.name} already")
        return answer, engine, self._fetch_timings(answer)

    def _compile(self, site: str) -> tuple[BuildAnswer, bytes, bytes]:
        text = f"{self._device} compiles {self._job.name}"
        built = self._do("build", BuildAnswer, site, text, self._patience.compile_s)
        engine = self._fetch(self._job.request.engine, self._most_engine_bytes())
        if sha256_bytes(engine) != built.engine_sha256:
            raise distrust(self._device, "it sent another engine than it says that it compiled")
        return built, engine, self._fetch_timings(built)

    def _try(self, site: str) -> tuple[TrialAnswer, Answers]:
        tried = self._do("try", TrialAnswer, site, f"{self._device} runs {self._job.name}", self._patience.try_s)
        outputs = self._job.outputs
        return tried, read_arrays(self._fetch(_ANSWERS, most_bytes(outputs)), outputs, self._device)

    def _fetch_timings(self, built: BuildAnswer) -> bytes:
        """What the compiler has timed; it only helps, so what is damaged is left out."""
        if not self._job.request.timing_cache or not built.timing_cache_sha256:
            return b""
        timings = self._client.fetch(f"{self._folder}/{self._job.request.timing_cache}", _MAX_TIMINGS_BYTES)
        return timings if timings and sha256_bytes(timings) == built.timing_cache_sha256 else b""

    def _most_engine_bytes(self) -> int:
        """An engine has the weights, in some precision and perhaps several layouts, and kernels."""
        return min(_MAX_ENGINE_BYTES, _SPARE_ENGINE_BYTES + 4 * len(self._job.model))

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
        with temporary_folder("edgekit-job-") as scratch:
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
        argv = [self._job.target.os.python_path, "-I", "-B", "-c", _BOOT, site, verb, "."]
        with self._progress.step(text):
            done = self._client.run(argv, self._folder, deadline_s, self._progress.note)
        answer = self._client.fetch(f"{self._folder}/{answer_file(verb)}")
        if done.returncode or answer is None:
            raise self._died(verb, done, deadline_s)
        read = self._read(kind, answer)
        if read.failure is not None:
            failure = read.failure
            message, hint = one_line(failure.message), one_line(failure.hint)
            details = "\n".join(filter(None, [details_of(failure.details), details_of(done.output)]))
            raise EngineError(f"{self._job.name} on {self._device}: {message}", hint=hint, details=details)
        return read

    def _died(self, verb: str, done: RunAnswer, deadline_s: float) -> EngineError:
        code = done.returncode or 0
        doing = "compiling" if verb == "build" else "running"
        if done.ended_by == "deadline":
            how, hint = (
                f"took longer than {deadline_s:g} s and was stopped",
                "lower the model's size, or look at it there",
            )
        elif code == -9:
            how, hint = "was killed: the board ran out of memory", "close other programs there, or reboot it"
        elif code < 0:
            how, hint = f"crashed with signal {-code}", "see dmesg on the device, and what it printed, below"
        else:
            how, hint = f"ended with {code}", "see what it printed, below"
        message = f"{doing} {self._job.name} on {self._device} {how}"
        return EngineError(message, hint=hint, details=details_of(done.output))

    def _read(self, kind: type[_Answer], text: bytes) -> _Answer:
        return read_answer(kind, parse_answer(text, self._device), self._device)

    def _fetch(self, name: str, limit: int) -> bytes:
        data = self._client.fetch(f"{self._folder}/{name}", limit)
        if data is None:
            raise distrust(self._device, f"it left no {name}")
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
