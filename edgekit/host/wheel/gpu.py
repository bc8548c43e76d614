"""Checks that packages which bring or need CUDA fit the board. Pure.

Source: PyPA's names of CUDA builds (local version +cu126, suffix -cu12); NVIDIA, CUDA for Tegra: a program of a newer
CUDA than the board's does not start (error 35).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.errors import WheelError
from edgekit.host.wheel.needs import Board, Rules
from edgekit.schema.units import version_tuple

_VERSIONED = frozenset({"cuda-toolkit", "nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-cuda-nvcc"})
"""Their version is CUDA's."""
_BY_MAJOR = frozenset({"cuda-bindings", "cuda-python", "nvidia-cublas"})
"""The first part of their version is CUDA's."""
_SUFFIX = re.compile(r"-(?:cu|cuda)(?P<cuda>\d{2,3})x?$")
_LOCAL = re.compile(r"\+cu(?P<cuda>\d{2,3})\b")
_TENSORRT = re.compile(r"tensorrt(-(dispatch|lean))?([-_]cu\d+)?([-_](libs|bindings))?")
FRAMEWORKS = frozenset({"torch", "torchvision", "torchaudio", "onnxruntime-gpu"})
"""What people ask for; the CUDA packages come along."""
_NO_CPU_BUILD = {"onnxruntime-gpu": "onnxruntime"}
"""What is for NVIDIA's GPUs alone, whatever its name and version say of CUDA, and what there is for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A package of a set."""

    name: str
    version: str

    def __str__(self) -> str:
        """For messages: `torch 2.14.1`."""
        return f"{self.name} {self.version}"


def cuda_of(package: Named) -> tuple[int, ...]:
    """The CUDA version that a package is for: `(12, 6)`, `(12,)`; empty where name and version do not tell."""
    if found := _LOCAL.search(package.version) or _SUFFIX.search(package.name):
        digits = found["cuda"]
        numbers = (int(digits[:2]), *map(int, digits[2:]))
        return _release(package)[:2] if len(numbers) == 1 and _base(package.name) in _VERSIONED else numbers
    if package.name in _VERSIONED:
        return _release(package)[:2]
    return _release(package)[:1] if package.name in _BY_MAJOR else ()


def misfits(packages: Iterable[Named], board: Board) -> tuple[Named, ...]:
    """Packages for another CUDA than the board's; a board without CUDA takes none."""
    has = version_tuple(board.cuda) if board.cuda else ()
    return tuple(package for package in packages if (cuda := cuda_of(package)) and not _runs(cuda, has))


def _runs(cuda: tuple[int, ...], has: tuple[int, ...]) -> bool:
    return cuda[:1] == has[:1] and cuda <= has[: len(cuda)]


def check_names(names: Iterable[str], board: Board) -> None:
    """Refuse packages that the board's system provides itself, or cannot use at all, before they are resolved.

    Raises:
        WheelError: TensorRT; what is for GPUs alone, where there is none.
    """
    for name in names:
        if name in _NO_CPU_BUILD and not board.cuda:
            raise WheelError(
                f"{name} is for NVIDIA GPUs, and {board.target} has none", hint=f"write {_NO_CPU_BUILD[name]}"
            )
        if _TENSORRT.fullmatch(name):
            whose = "JetPack has it" if board.cuda else f"{board.target} has no NVIDIA GPU"
            raise WheelError(
                f"{name} does not go into a release for {board.target}: {whose}",
                hint=f'leave it out; where another package needs it, write exclude = ["{name}"] under [python]',
            )


def explain_misfits(found: Iterable[Named], wrong: tuple[Named, ...], board: Board, older: str) -> WheelError:
    """The error for a set with packages for another CUDA.

    Args:
        found: the whole set.
        wrong: its misfits.
        board: the board.
        older: the constraint with which the set would have none, or nothing.
    """
    packages = tuple(found)
    frameworks = [package for package in packages if package.name in FRAMEWORKS]
    subject = next((package for package in frameworks if package in wrong), None) or next(iter(frameworks), wrong[0])
    brought = next((package for package in wrong if cuda_of(package)[1:]), wrong[0])
    cuda = ".".join(map(str, cuda_of(brought)))
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    brings = f" and brings {brought}{more}" if brought != subject else ""
    has = f"has CUDA {board.cuda}" if board.cuda else "has no NVIDIA GPU"
    return WheelError(
        f"{subject} is built for CUDA {cuda}{brings}; {board.target} {has}",
        hint=_cures(_index_hint(frameworks, board), older, board) if frameworks else _leave_out(subject, board),
        details="\n".join(map(str, wrong)),
    )


def explain_missing(name: str, board: Board) -> tuple[str, str] | None:
    """Message and hint for a GPU package that the index does not have for the board; None for other packages."""
    if name not in _NO_CPU_BUILD:
        return None
    hint = _index_hint([Named(name=name, version="")], board)
    return f"the package index has no {name} for {board.target} (CUDA {board.cuda})", hint


def doubt(packages: Iterable[Named], board: Board, rules: Rules, own: frozenset[str]) -> str:
    """A warning where a set would not, or might not, use the board's GPU; else empty.

    Args:
        packages: the set, without misfits.
        board: the board.
        rules: a recipe that declares an index for a package knows what it does.
        own: names of packages that the recipe brings as files.
    """
    found = tuple(packages)
    trusted = own.union(*(index.packages for index in rules.indexes))
    doubtful = [
        package for package in found if package.name in ("torch", *_NO_CPU_BUILD) and package.name not in trusted
    ]
    if not board.cuda or not doubtful or any(not index.packages for index in rules.indexes):
        return ""
    package = doubtful[0]
    if package.name in _NO_CPU_BUILD or "+cu" in package.version or misfits(found, Board()):
        return f"{package} is built for servers; whether it has kernels for this GPU (SM {board.sm}) is not known"
    hint = _index_hint([package], board)
    return f"{package} has no GPU build for {board.target} in the package index and computes on the CPU alone; {hint}"


def _index_hint(packages: Iterable[Named], board: Board) -> str:
    names = ", ".join(f'"{package.name}"' for package in packages)
    name, whose = ("jetson", f"for Jetson with CUDA {board.cuda}") if board.cuda else ("cpu", "for CPUs alone")
    line = f'indexes.{name} = {{ url = "https://...", packages = [{names}] }}'
    return f"declare an index that has builds {whose}: {line} under [python] in recipe.toml"


def _leave_out(package: Named, board: Board) -> str:
    whose = f"JetPack brings CUDA {board.cuda} itself" if board.cuda else "it computes on NVIDIA GPUs alone"
    return f"leave out {package.name}, or what needs it: {whose}"


def _cures(index: str, older: str, board: Board) -> str:
    """Both remedies, the one that uses what the board has first."""
    if not older:
        return index
    line = f'constraints = ["{older}"] under [python] in recipe.toml'
    if board.cuda:
        return f"{index}; or take the newest build for the CPU alone: {line}"
    return f"take the newest build without CUDA: {line}; or {index}"


def _release(package: Named) -> tuple[int, ...]:
    parts = re.match(r"\d+(?:\.\d+)*", package.version)
    return tuple(map(int, parts[0].split("."))) if parts else ()


def _base(name: str) -> str:
    return _SUFFIX.sub("", name)
