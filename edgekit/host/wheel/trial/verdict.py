"""Judges the outcome of an import: works, would fail on the board, or cannot be told here. Pure."""

from __future__ import annotations

import ast
import re
import signal
from dataclasses import dataclass
from typing import Literal

from edgekit.executor import Completed
from edgekit.host.wheel.trial.modules import Compiled

_MAX_ANSWER = 32 << 10
"""Characters of an answer that are read: the script keeps a message to 3000, each written as ten at most."""
_SIGNAL = re.compile(r"uncaught target signal (\d+)")
"""What QEMU says of a program that a signal ends. Source: QEMU, linux-user/signal.c."""
_UNDEFINED = re.compile(r"undefined symbol: (\S+)")
_LIBRARY = re.compile(r"(\S+\.so[\w.]*): cannot open shared object file")
_NUMPY = re.compile(
    r"compiled using NumPy 1|_ARRAY_API not found|numpy\.core\.multiarray failed to import|compiled against ABI version"
    r"|numpy\.(?:dtype|ndarray|ufunc) size changed|against API version|_multiarray_umath failed to import"
)
_TLS = "cannot allocate memory in static TLS block"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialVerdict:
    """One module or library, judged."""

    part: Compiled
    outcome: Literal["works", "refused", "unknown"]
    message: str = ""
    """A sentence without the package's name."""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext:
    """What a verdict depends on besides the import itself."""

    rule: str
    """The package's rule file, for hints."""
    cores: str
    """The target's cores, for messages."""


def judge(part: Compiled, ended: Completed, context: TrialContext) -> TrialVerdict:
    """Judge the outcome of an import.

    Args:
        part: what was imported.
        ended: the program that imported it.
        context: see there.
    """
    output = ended.stderr.decode(errors="replace")
    number = _signal(ended, output)
    if number:
        return _crashed(part, number, context)
    failure = _failure_of(ended)
    if failure is None:
        return TrialVerdict(part=part, outcome="works")
    kind, text, missed = failure
    if _NUMPY.search(text + output) and kind != "ModuleNotFoundError":
        hint = f'requirements = ["numpy>=2"] below [[rules]] in {context.rule} builds it against numpy 2, and such '
        hint += "modules take 1.x too; or pin the older numpy in the recipe's requirements"
        message = f"{part} was built for another numpy than the one that it would run with"
        return TrialVerdict(part=part, outcome="refused", message=message, hint=hint)
    if kind == "ModuleNotFoundError":
        return _unknown(part, f"it needs {missed}, which is not among its packages")
    return _of_loader(part, kind, text, context)


def _of_loader(part: Compiled, kind: str, text: str, context: TrialContext) -> TrialVerdict:
    """Judge an error of the dynamic loader, or any other that an import can raise."""
    undefined, library = _UNDEFINED.search(text), _LIBRARY.search(text)
    if undefined and part.kind == "module":
        hint = f"link the library that has {undefined[1]}: `files` or sysroot in {context.rule}"
        return TrialVerdict(part=part, outcome="refused", message=f"{part} misses the symbol {undefined[1]}", hint=hint)
    if _TLS in text:
        hint = f"compile it without -ftls-model=initial-exec: `files` or environment in {context.rule}"
        message = f"{part} asks for more thread-local memory than a program that runs already can give (static TLS)"
        return TrialVerdict(part=part, outcome="refused", message=message, hint=hint)
    if library:
        # Whether boards bring it was checked when the wheel was: what is emulated has only what Python itself needs.
        return _unknown(part, f"it needs {library[1]}, which boards have and what is emulated here has not")
    return _unknown(part, f"it raises {kind}: {text.splitlines()[0] if text else ''}")


def _crashed(part: Compiled, number: int, context: TrialContext) -> TrialVerdict:
    if number == signal.SIGILL:
        message = f"{part} uses instructions that the board's cores ({context.cores}) lack"
        hint = f"switch them off by the package's own option, in environment or config_settings of {context.rule}"
        return TrialVerdict(part=part, outcome="refused", message=message, hint=hint)
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    if number in (signal.SIGKILL, signal.SIGXCPU):
        return _unknown(part, "its import takes too much time or memory under emulation")
    hint = f'if it works on a board: untried = "why" below [[rules]] in {context.rule}'
    return TrialVerdict(part=part, outcome="refused", message=f"{part} crashes when it is imported ({name})", hint=hint)


def _unknown(part: Compiled, why: str) -> TrialVerdict:
    return TrialVerdict(part=part, outcome="unknown", message=f"{part} could not be tried here: {why}")


def _signal(ended: Completed, output: str) -> int:
    """The signal that ended the program; 0 where none did. Shells add 128 to its number."""
    found = _SIGNAL.search(output)
    if found:
        return int(found[1])
    if ended.returncode < 0:
        return -ended.returncode
    return ended.returncode - 128 if ended.returncode > 128 else 0


def _failure_of(ended: Completed) -> tuple[str, str, str] | None:
    """The failure on the script's last line; an import that ended the program silently is a failure as well."""
    lines = ended.stdout.decode(errors="replace").strip().splitlines()
    silent = ("SystemExit", f"ended with {ended.returncode}", "")
    try:
        answer = ast.literal_eval(lines[-1][:_MAX_ANSWER]) if lines else silent
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        answer = silent
    if answer is None:
        return None
    kind, message, missing = answer if isinstance(answer, (tuple, list)) and len(answer) == 3 else silent
    return str(kind), str(message), str(missing)
