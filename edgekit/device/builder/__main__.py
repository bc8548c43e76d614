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
from edgekit.errors import EdgekitError, InputError
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


def main(argv: list[str]) -> None:
    """Run one request; a failure is written as an answer too."""
    verb, folder = argv[1], Path(argv[2])
    work, failed = (_build, BuildAnswer) if verb == "build" else (_try, TrialAnswer)
    (folder / answer_file(verb)).unlink(missing_ok=True)
    answer: BuildAnswer | TrialAnswer
    try:
        answer = work((folder / request_file(verb)).read_bytes(), folder)
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
        seconds=round(time.monotonic() - began, 3),
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    )


def _try(text: bytes, folder: Path) -> TrialAnswer:
    return run_trial(from_message(TrialRequest, text, "the request"), folder)


def _note(text: str) -> None:
    print(f"progress: {text}", flush=True)


if __name__ == "__main__":
    main(sys.argv)
