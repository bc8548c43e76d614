"""Has zig compile its own libraries for a target ahead of the first build, for the languages of the sources.

Its C++ library alone takes a minute of CPU time, which a package in C need not wait for.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.own_folder import own_folder
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.environment import Workshop, zig_caches

_TIMEOUT_S = 900.0
_PASSING = ("tmp", "z")
"""What zig makes of its own sources, on the way."""
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


def warm_up(shop: Workshop, languages: frozenset[str], executor: Executor, progress: Progress) -> Path | None:
    """Have the compiler make its libraries for these languages, once for each toolchain.

    Returns:
        A folder that zig takes for its global cache, checked; None where nothing is compiled. Nobody writes into it.

    Raises:
        WheelError: it cannot compile a few lines.
    """
    if not languages:
        return None
    words = " and ".join(name.upper() for name in sorted(languages))
    (shop.cache / "work").mkdir(parents=True, exist_ok=True)

    def fill(folder: Path) -> None:
        step = progress.step(f"preparing the compiler for {shop.abi}, {words}, once", usually="5 to 60 s")
        with step, own_folder(shop.cache / "work", ".warm-") as work:
            for name in sorted(languages):
                program, file, text = _PROGRAMS[name]
                (work / file).write_text(text + "\n", encoding="utf-8")
                argv = [str(shop.toolchain.bin / program), "-O2", "-fPIC", "-shared", "-s", file, "-o", f"{file}.so"]
                zig = zig_caches(folder, work / "objects")
                done = executor.run(argv, timeout_s=_TIMEOUT_S, env=zig, cwd=str(work))
                if done.returncode:
                    hint = "see the compiler's words; edgekit cache gc --older-than 0 makes room"
                    raise WheelError(f"the compiler does not work for {shop.abi}", hint=hint, details=done.output)
        for name in _PASSING:
            shutil.rmtree(folder / name, ignore_errors=True)

    key = "-".join([shop.toolchain.digest[:16], *(name.replace("+", "p") for name in sorted(languages))])
    return Cache(shop.libraries, progress).get(key, fill, f"the compiler's libraries for {shop.abi}, {words}").folder
