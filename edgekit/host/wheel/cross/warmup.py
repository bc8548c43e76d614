"""Has zig compile its own libraries for a target ahead of the first build, for the languages of the sources.

Its C++ library alone takes a minute of CPU time, which a package in C need not wait for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.environment import Workshop

_TIMEOUT_S = 900.0
_PROGRAMS = {
    "c": ("cc", "one.c", "int one(void) { return 1; }"),
    "c++": ("c++", "two.cpp", '#include <string>\nstd::string two() { return "2"; }'),
}
_SUFFIXES = {
    **dict.fromkeys((".c", ".pyx", ".rs", ".s", ".S"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".c++", ".C", ".hpp", ".hxx", ".cu"), "c++"),
}
_CPLUSPLUS = ("language=c++", "language = c++", "language='c++'", 'language="c++"')
_SETTINGS = ("setup.py", "meson.build", "pyproject.toml")
_MAX_TEXT_BYTES = 1 << 20


def languages_of(sources: Path) -> frozenset[str]:
    """The languages to be compiled in a folder of sources: `c`, `c++`, both or none.

    A guess by file names: what it misses is made within the build, where nobody is told.
    """
    found: set[str] = set()
    for parent, _, names in os.walk(sources):
        for name in names:
            suffix = os.path.splitext(name)[1]  # noqa: PTH122  there may be a hundred thousand
            if suffix in _SUFFIXES:
                found.add(_SUFFIXES[suffix])
            if (suffix == ".pyx" or name in _SETTINGS) and _asks_for_cplusplus(Path(parent, name)):
                found.add("c++")
    return frozenset(found | ({"c"} if found else set()))


def _asks_for_cplusplus(path: Path) -> bool:
    if not path.is_file():  # a link to nothing, which the build may yet fill
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_MAX_TEXT_BYTES)
    return any(word in text for word in _CPLUSPLUS) or (path.name == "meson.build" and "'cpp'" in text)


def warm_up(shop: Workshop, languages: frozenset[str], executor: Executor, progress: Progress) -> None:
    """Have the compiler make its libraries for these languages, once for each toolchain.

    Raises:
        WheelError: it cannot compile a few lines.
    """
    cold = [name for name in sorted(languages) if not _mark(shop, name).exists()]
    for name in languages.difference(cold):
        _mark(shop, name).touch()  # says when they were last used
    if not cold:
        return
    for folder in (shop.cache / "work", shop.libraries):
        folder.mkdir(parents=True, exist_ok=True)
    words = " and ".join(name.upper() for name in cold)
    step = progress.step(f"preparing the compiler for {shop.abi}, {words}, once", usually="5 to 60 s")
    with step, tempfile.TemporaryDirectory(dir=shop.cache / "work", prefix=".warm-") as work:
        for name in cold:
            program, file, text = _PROGRAMS[name]
            Path(work, file).write_text(text + "\n", encoding="utf-8")
            argv = [str(shop.toolchain.bin / program), "-O2", "-fPIC", "-shared", "-s", file, "-o", f"{file}.so"]
            done = executor.run(argv, timeout_s=_TIMEOUT_S, env=shop.own_zig_caches(), cwd=work)
            if done.returncode:
                hint = "see the compiler's words; edgekit cache gc --older-than 0 makes room"
                raise WheelError(f"the compiler does not work for {shop.abi}", hint=hint, details=done.output)
            _mark(shop, name).touch()


def _mark(shop: Workshop, language: str) -> Path:
    return shop.libraries / f"edgekit-warm-{language}"
