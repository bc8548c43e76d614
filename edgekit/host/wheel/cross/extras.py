"""Prepares what a package's rule asks for: a sysroot, CUDA headers, stub libraries, variables and files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.own_folder import own_folder
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.environment import Extras, Workshop, zig_caches
from edgekit.host.wheel.cross.packages import NO_RULE, Rule, Stub
from edgekit.host.wheel.cross.toolchain import fill
from edgekit.host.wheel.debian import Debian, NoArchive, Root
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv

_COMPILE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """Where the parts come from."""

    debian: Debian
    uv: Uv
    executor: Executor
    progress: Progress
    roots: Path
    """Folder of the cache for CUDA roots."""
    wanted: Wanted
    """The system; its requirements do not count."""


def make_extras(package: str, rule: Rule, shop: Workshop, supplies: Supplies) -> Extras:
    """Fetch and make everything that a rule asks for.

    Args:
        package: whose rule it is, for messages.
        rule: the rule.
        shop: compiler and headers.
        supplies: where parts come from.

    Raises:
        WheelError: a part cannot be had.
    """
    if rule is NO_RULE:
        return Extras()
    if shop.abi.arch != "aarch64" and (rule.sysroot or rule.cuda_wheels):
        message = f"{package} takes libraries that edgekit has for arm64 alone, and the target is {shop.abi.arch}"
        raise WheelError(message, hint=f"take a version that has a wheel; its rule says: {rule.reason}")
    root = _sysroot(package, rule, supplies)
    cuda = _cuda(rule, shop, supplies) if rule.cuda_wheels else None
    words = {
        "SYSROOT": str(root.folder) if root else "",
        "CUDA": str(cuda or ""),
        "PYTHON": str(shop.python.folder),
    }
    settings = {key: tuple(fill(value, words) for value in values) for key, values in rule.config_settings.items()}
    made_of = json.dumps([rule.digest, root.digest if root else ""])
    return Extras(
        requirements=rule.requirements,
        environment={name: fill(text, words) for name, text in rule.environment.items()},
        config_settings=settings,
        files={name: fill(text, words) for name, text in rule.files.items()},
        sysroot=root.folder if root else None,
        sysroot_packages=root.described() if root else (),
        on_board=rule.on_board,
        readable=tuple(folder for folder in (root.folder if root else None, cuda) if folder),
        digest=hashlib.sha256(made_of.encode()).hexdigest(),
    )


def for_board(extras: Extras, libraries: Sequence[str]) -> Extras:
    """Add the board's own libraries to the digest: they decide which libraries are grafted into a wheel.

    Args:
        extras: for every board.
        libraries: patterns of what this one has, see `check.loads`.
    """
    if extras.sysroot is None:
        return extras
    made_of = json.dumps([extras.digest, *libraries])
    return dataclasses.replace(extras, digest=hashlib.sha256(made_of.encode()).hexdigest())


def _sysroot(package: str, rule: Rule, supplies: Supplies) -> Root | None:
    if not rule.sysroot:
        return None
    try:
        return supplies.debian.fetch_sets(rule.sysroot)
    except NoArchive as error:
        message = f"{package} takes {', '.join(rule.sysroot)} out of Debian's packages, and {error.message}"
        raise NoArchive(message, hint=error.hint) from None


def _cuda(rule: Rule, shop: Workshop, supplies: Supplies) -> Path:
    """A CUDA root from NVIDIA's wheels: `include`, `lib`, and stubs for libraries that only boards have."""
    named = json.dumps([rule.cuda_wheels, [stub.link for stub in rule.stubs], shop.toolchain.digest])
    key = f"cuda-{hashlib.sha256(named.encode()).hexdigest()[:16]}"

    def fill_folder(made: Path) -> None:
        with supplies.progress.step(f"fetching CUDA {rule.cuda}'s headers for the board"):
            done = supplies.uv.install(supplies.wanted, "\n".join(rule.cuda_wheels), made / "wheels")
        if done.returncode:
            message = f"CUDA {rule.cuda}'s headers cannot be had"
            raise WheelError(message, hint="check the network", details=done.output)
        check_installed(made / "wheels", WheelError, INSTALLER_FILES)
        _merge(made / "wheels" / "nvidia", made)
        shutil.rmtree(made / "wheels")
        for stub in rule.stubs:
            _make_stub(stub, made, shop, supplies.executor)

    return Cache(supplies.roots, supplies.progress).get(key, fill_folder, f"CUDA {rule.cuda} for the board").folder


def _merge(wheels: Path, root: Path) -> None:
    """Put the folders `include` and `lib` of all wheels together; give libraries the names that linkers look for."""
    for kind in ("include", "lib"):
        for found in sorted(wheels.glob(f"*/{kind}")):
            shutil.copytree(found, root / kind, dirs_exist_ok=True)
    for library in sorted((root / "lib").glob("*.so.*")):
        plain = library.with_name(library.name.split(".so.", maxsplit=1)[0] + ".so")
        if not plain.exists():
            plain.symlink_to(library.name)


def _make_stub(stub: Stub, root: Path, shop: Workshop, executor: Executor) -> None:
    texts = (root / "include" / name for name in stub.headers)
    names = {name for text in texts for name in re.findall(stub.pattern, text.read_text(errors="replace"))}
    if not names:
        raise WheelError(f"{stub.link} would have no names", hint="correct the stub's pattern in cross/packages")
    source, library = root / f"{stub.link}.s", root / "lib" / stub.link
    source.write_text(_assembly(sorted(names)), encoding="utf-8")
    library.parent.mkdir(exist_ok=True)
    shop.install()
    (shop.cache / "work").mkdir(parents=True, exist_ok=True)
    argv = [str(shop.toolchain.bin / "cc"), "-shared", "-nostdlib", f"-Wl,-soname,{stub.soname}"]
    argv += ["-o", str(library), str(source)]
    with own_folder(shop.cache / "work", ".stub-") as work:
        done = executor.run(argv, timeout_s=_COMPILE_TIMEOUT_S, env=zig_caches(work / "libraries", work))
    source.unlink()
    if done.returncode:
        raise WheelError(f"{stub.link} cannot be made", hint="see the compiler's words", details=done.output)


def _assembly(names: Iterable[str]) -> str:
    return ".text\n" + "".join(f".globl {name}\n.type {name},%function\n{name}:\n" for name in names) + "ret\n"
