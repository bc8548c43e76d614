"""`python -m edgekit.device.builder build|try FOLDER`: reads `VERB.json` there, leaves `VERB-answer.json`.

On standard output a line `progress: TEXT` for each phase; everything else that is printed is the compiler's.
"""

from __future__ import annotations

import dataclasses
import importlib
import resource
import sys
import time
from pathlib import Path

from edgekit.device.builder import COMPILERS
from edgekit.device.builder.trial import run_trial
from edgekit.errors import EdgekitError, EngineError, InputError
from edgekit.schema.building import (
    BuildAnswer,
    BuilderFailure,
    BuildRequest,
    TrialAnswer,
    TrialRequest,
    answer_file,
    request_file,
)
from edgekit.schema.message import from_message, to_message
from edgekit.trust import sha256_file

_POWER_STATUS = Path("/var/lib/nvpmodel/status")
"""Which power mode is set: `pmode:0002`. Source: nvpmodel, on JetPack 5 to 7."""
_MAX_STATUS = 64


def main(argv: list[str], power_status: Path = _POWER_STATUS) -> None:
    """Run one request; a failure is written as an answer too.

    Args:
        argv: program, `build` or `try`, folder.
        power_status: what nvpmodel has set.
    """
    verb, folder = argv[1], Path(argv[2])
    work, failed = (_build, BuildAnswer) if verb == "build" else (_try, TrialAnswer)
    (folder / answer_file(verb)).unlink(missing_ok=True)
    answer: BuildAnswer | TrialAnswer
    try:
        mode = _read_status(power_status)
        answer = work((folder / request_file(verb)).read_bytes(), folder)
        if _read_status(power_status) != mode:
            raise EngineError("the power mode changed meanwhile", hint="leave it as it is, and run the command again")
        answer = dataclasses.replace(answer, power_status=mode)
    except EdgekitError as error:
        answer = failed(failure=BuilderFailure(message=error.message, hint=error.hint, details=error.details))
    except ImportError as error:
        answer = failed(
            failure=BuilderFailure(message=f"a Python package is missing there: {error}", hint="report this")
        )
    aside = folder / f"{answer_file(verb)}.part"
    aside.write_bytes(to_message(answer))
    aside.rename(folder / answer_file(verb))


def _build(text: bytes, folder: Path) -> BuildAnswer:
    began = time.monotonic()
    request = from_message(BuildRequest, text, "the request")
    module = COMPILERS.get(request.kind)
    if module is None:
        raise InputError(f"engines of {request.kind} are not compiled on devices", hint="report this")
    answer: BuildAnswer = importlib.import_module(module).build(request, folder, _note)
    return dataclasses.replace(
        answer,
        engine_sha256=sha256_file(folder / request.engine),
        timing_cache_sha256=_digest_of_timings(request, folder),
        seconds=round(time.monotonic() - began, 3),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    )


def _digest_of_timings(request: BuildRequest, folder: Path) -> str:
    file = folder / request.timing_cache
    return sha256_file(file) if request.timing_cache and file.is_file() else ""


def _read_status(file: Path) -> str:
    """What nvpmodel says; empty where there is none."""
    try:
        return file.read_text(errors="replace")[:_MAX_STATUS].strip()
    except OSError:
        return ""


def _try(text: bytes, folder: Path) -> TrialAnswer:
    return run_trial(from_message(TrialRequest, text, "the request"), folder)


def _note(text: str) -> None:
    print(f"progress: {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv)
