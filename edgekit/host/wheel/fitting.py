"""Checks that a set of packages fits a board's GPU, and finds a constraint that would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from packaging.utils import canonicalize_name

from edgekit.executor import Completed
from edgekit.host.wheel.gpu import FRAMEWORKS, Named, check_names, doubt, explain_misfits, misfits
from edgekit.host.wheel.needs import GivenFile, Wanted, name_of
from edgekit.host.wheel.pylock import parse_pylock

_MAX_ROUNDS = 8

Ask = Callable[[Wanted], Completed]
"""Asks uv for a set; the answer is pylock.toml."""


def check_requirements(wanted: Wanted) -> None:
    """Refuse requirements for packages that the board's system provides itself. Raises WheelError."""
    if wanted.board is not None:
        check_names(map(name_of, wanted.requirements), wanted.board)


def check_gpu(packages: Iterable[Named], wanted: Wanted, ask: Ask) -> str:
    """Judge a set that was found or locked.

    Args:
        packages: the set.
        wanted: what it is for.
        ask: asks uv for other sets, where this one is refused.

    Returns:
        A warning, or nothing.

    Raises:
        WheelError: a package is for another CUDA than the board's, or is the board's own.
    """
    found, board = tuple(packages), wanted.board
    if board is None:
        return ""
    check_names((package.name for package in found), board)
    wrong = misfits(found, board)
    if wrong:
        raise explain_misfits(found, wrong, board, _without_cuda(found, wrong, wanted, ask))
    given = frozenset(name_of_file(file) for file in wanted.files)
    return doubt(found, board, wanted.rules, given)


def check_alone(package: Named, wanted: Wanted) -> None:
    """Judge a package by its own name and version. Raises WheelError as `check_gpu`."""
    if wanted.board is not None and (wrong := misfits([package], wanted.board)):
        raise explain_misfits([package], wrong, wanted.board, "")


def name_of_file(file: GivenFile) -> str:
    """The package's name, as far as its file's name tells it."""
    return str(canonicalize_name(file.name or file.filename.split("-")[0]))


def _without_cuda(packages: Iterable[Named], wrong: Iterable[Named], wanted: Wanted, ask: Ask) -> str:
    """The constraint `torch<=2.10.0` with which a set would bring no CUDA, or nothing: uv finds it."""
    subject = next((package.name for package in packages if package.name in FRAMEWORKS), None)
    barred: set[str] = set()
    for _ in range(_MAX_ROUNDS):
        more = {package.name for package in wrong} - FRAMEWORKS - barred
        if subject is None or not more:
            return ""
        barred |= more
        done = ask(wanted.constrained(f"{name}<0" for name in sorted(barred)))
        if done.returncode:
            return ""
        found = [Named(name=one.name, version=one.version) for one in parse_pylock(done.text, wanted)]
        wrong = misfits(found, wanted.board) if wanted.board else ()
        if not wrong:
            return next((f"{one.name}<={one.version}" for one in found if one.name == subject), "")
    return ""
