"""Packages that need more than a compiler: `cross/packages/NAME.toml`, one small file each."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet

from edgekit.errors import WheelError
from edgekit.schema.reader import from_toml, to_json
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A stub library with symbol names only, to link against where the real one exists only on the board.

    The names matter: a linker drops a library that nothing refers to, and the module then cannot load.
    """

    soname: str
    link: str
    """The name that `-l` finds: `libcuda.so`."""
    headers: tuple[str, ...]
    """Files below the CUDA root's `include`."""
    pattern: str
    """Regular expression of the functions' names in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a package needs. In texts `@SYSROOT@`, `@CUDA@` and `@PYTHON@` stand for folders."""

    reason: str = ""
    versions: str = ""
    """Of the package: `>=2024`. Empty: all."""
    cuda: str = ""
    """Only for targets with this CUDA: `12.6`. Empty: for all targets."""
    requirements: tuple[str, ...] = ()
    """Further build requirements; one for a package that the sources ask for too takes the place of theirs."""
    zig: str = ""
    """Version of the compiler, where the ordinary one does not do."""
    own_runtime: bool = False
    """Link zig's own C++ library in, not the board's."""
    environment: dict[str, str] = field(default_factory=dict)
    config_settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Files to write into the sources: text by relative path."""
    sysroot: tuple[str, ...] = ()
    """Sets of Debian packages, `cross/debian/sets.toml`, or names of arm64 packages."""
    cuda_wheels: tuple[str, ...] = ()
    """NVIDIA's wheels that have the headers, as uv reads them, each with its hash."""
    stubs: tuple[Stub, ...] = ()
    on_board: tuple[str, ...] = ()
    """Libraries that boards of such a target have: never put into the wheel."""
    untried: str = ""
    """Why its modules cannot be imported under emulation: they are not, and that is said. Empty: they are."""

    @property
    def digest(self) -> str:
        """Digest of everything in the rule that can affect a wheel."""
        return hashlib.sha256(to_json(dataclasses.replace(self, reason="", versions="", untried=""))).hexdigest()


NO_RULE = Rule(reason="nothing out of the ordinary")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """`cross/packages/NAME.toml`."""

    rules: tuple[Rule, ...]
    """The first that applies counts."""
    common: Rule = Rule()
    """What a rule takes where it says nothing itself."""


def find_rule(name: str, version: str, target: Target, folder: Path) -> Rule:
    """The rule for a package on a target.

    Args:
        name: normalised.
        version: of the package; `0` where it is not known.
        target: what it is built for.
        folder: `cross/packages`.

    Raises:
        WheelError: there are rules for it, and none for this target.
    """
    file = folder / f"{name}.toml"
    if not file.is_file():
        return NO_RULE
    written = from_toml(RuleFile, file.read_text(encoding="utf-8"), str(file))
    rules = [_with_common(rule, written.common) for rule in written.rules]
    of_version = [
        rule for rule in rules if version == "0" or SpecifierSet(rule.versions).contains(version, prereleases=True)
    ]
    cuda = next((accelerator.cuda for accelerator in target.accelerators if accelerator.cuda), "")
    for rule in of_version:
        if not rule.cuda or rule.cuda == cuda:
            return rule
    if not of_version:
        return NO_RULE
    known = " or ".join(rule.cuda for rule in of_version)
    has = f"CUDA {cuda}" if cuda else "no CUDA"
    raise WheelError(
        f"{name} is built for CUDA {known}, and {target.name} has {has}",
        hint=f"build for a target that has it, or add a rule to {file}",
    )


def _with_common(rule: Rule, common: Rule) -> Rule:
    given = {item.name: getattr(rule, item.name) for item in dataclasses.fields(Rule)}
    return dataclasses.replace(common, **{name: value for name, value in given.items() if value})
