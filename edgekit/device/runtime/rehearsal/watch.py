"""Watches a recipe's own code while it is tried: it may fail, hang, end the process, or need what only a board has."""

from __future__ import annotations

import errno
import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path

from edgekit.errors import EdgekitError, InputError

_BOARDS_OWN = frozenset({"tensorrt", "gi", "Jetson", "jetson", "jetson_inference", "jetson_utils", "apt"})
"""Modules that come with a board's system and are in no release. Source: JetPack 6.2's and Debian 12's images."""
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
MAKING = "making"
"""What a step begins with that makes a stage."""
_MAX_SHOWN = 300
_FRAMES = 12


class CannotTry(Exception):
    """What only the device can show."""


class Watch:
    """Notes what is being done, bounds its time, and puts into words what goes wrong."""

    def __init__(self, *, note: Path, step_s: float, release: Path, site: Path | None, native: bool) -> None:
        """Watch from now on.

        Args:
            note: file that says what is being done: for whoever finds this process ended.
            step_s: how long a step may take; the process is ended by SIGALRM after it.
            release: the laid-out release.
            site: all its packages, where they are known.
            native: whether everything in them can be imported here.
        """
        self._note, self._step_s, self._release = note, step_s, release
        self._site, self._native = site, native
        self.picture = ""
        """What the stages work on."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    @contextmanager
    def step(self, doing: str) -> Iterator[None]:
        """One step of a recipe's code: `making stage find (decode:Decode)`.

        Raises:
            InputError: it would fail on the device too.
            CannotTry: nobody can say before it is on the device.
        """
        self._note.write_text(doing, encoding="utf-8")
        signal.setitimer(signal.ITIMER_REAL, self._step_s)
        try:
            yield
        except CannotTry:
            raise
        except EdgekitError as error:
            self._explain_import(doing, error.__cause__)
            raise
        except BaseException as error:  # also SystemExit: it is foreign code
            self._explain_import(doing, error)
            reason = boards_own(error, self._release)
            if reason:
                raise CannotTry(reason) from None
            raise self._failure(doing, error) from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _failure(self, doing: str, error: BaseException) -> InputError:
        where = self._where(error)
        hint = f"correct {where}" if where else "correct the stage in recipe.toml"
        board = "; if only a board can make this stage, write board_only = True in its class"
        return InputError(
            f"{doing} fails: {_words(error)}" + (f" ({where})" if where else ""),
            hint=hint + (board if doing.startswith(MAKING) and where else ""),
            details="\n".join(self._way(error)),
        )

    def _where(self, error: BaseException) -> str:
        """The innermost place in the recipe's own code."""
        if isinstance(error, SyntaxError) and self._own(error.filename or ""):
            return f"{self._own(error.filename or '')}, line {error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        return next((f"{own}, line {one.lineno}" for one in reversed(frames) if (own := self._own(one.filename))), "")

    def _way(self, error: BaseException) -> list[str]:
        """How the recipe's code came to where it failed, outermost first."""
        frames = list(dropwhile(lambda one: not self._own(one.filename), traceback.extract_tb(error.__traceback__)))
        return [
            f"{self._own(one.filename) or one.filename}, line {one.lineno}: {one.line}" for one in frames[-_FRAMES:]
        ]

    def _own(self, file: str) -> str:
        """The path in `app/` of a file of the recipe's own code; empty for other files."""
        app, path = os.path.realpath(self._release / "app"), os.path.realpath(file)
        return f"app/{os.path.relpath(path, app)}" if path.startswith(app + os.sep) else ""

    def _explain_import(self, doing: str, error: BaseException | None) -> None:
        """Raise what an import's failure means: nowhere in the release, or there for the target alone."""
        if not isinstance(error, ImportError) or not error.name:
            return
        top = error.name.partition(".")[0]
        if top in _BOARDS_OWN:
            raise CannotTry(f"it imports {top}, which is the board's own") from None
        for folder in (self._release / "app", self._site):
            if folder is not None and not self._native and _has_compiled(folder, top):
                raise CannotTry(f"it imports {error.name}, which the release has for its target alone") from None
        if not isinstance(error, ModuleNotFoundError) or error.name != top:
            return
        raise InputError(
            f"{doing} fails: {top} is neither in app/ nor among the release's packages",
            hint=f'put {top}.py into app/, correct the stage\'s entry, or add "{top}" to python.requirements',
        ) from None


def boards_own(error: BaseException, release: Path) -> str:
    """What an error says that only the board has: a device file, a folder of its system, the network. Or nothing."""
    if not isinstance(error, OSError):
        return ""
    if isinstance(error, (ConnectionError, socket.gaierror, TimeoutError)) or error.errno in _UNREACHABLE:
        return f"it reaches for the network: {error}"
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    if name.startswith("/") and not os.path.realpath(name).startswith(os.path.realpath(release)):
        return f"it opens {name}, and only the board can say whether that is there"
    return ""


def _has_compiled(folder: Path, top: str) -> bool:
    """Whether a folder of modules has this one, with compiled code in it."""
    return any(folder.glob(f"{top}.*so")) or any((folder / top).rglob("*.so"))


def _words(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ends the program (sys.exit({error.code!r}))"
    if isinstance(error, MemoryError):
        return "it takes more memory than a rehearsal gives"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MAX_SHOWN]}" if text else type(error).__name__
