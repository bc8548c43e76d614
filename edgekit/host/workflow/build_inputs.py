"""What can change what a build makes, and all of it that a command line tells before the recipe is read.

Most builds are the same again, and reading a recipe with everything that knows recipes takes longer than all the rest
of such a build. A recipe whose every byte is as it was when it was built need not be read to be known as right.
"""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import edgekit
from edgekit.errors import EdgekitError
from edgekit.host.catalogue.targets import find_target, pyconfig_file, target_files
from edgekit.host.git import git_files
from edgekit.host.release.record import Inputs
from edgekit.host.settings import Settings
from edgekit.host.toml_file import read_table
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How a release is built, where the user says so."""

    out: Path | None = None
    """Folder of the release; None: one below `out/`, named after recipe and target."""
    key: Path | None = None
    """Signs the release; None: the user's own key."""
    builder: str = ""
    """Device that compiles engines; empty: one that the fleet names."""
    update_lock: bool = False
    """Resolve Python packages anew, and write the recipe's lock."""
    profile: Path | None = None
    """What `edgekit profile` has measured of the application on such a board: the release states what it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutline:
    """A build, without what stands in its recipe."""

    folder: Path
    """The recipe's."""
    target: Target
    key: Path
    builder: str
    out: Path
    given: tuple[str, ...] = ()
    """Requirements that are files, by digest: they may lie outside the recipe's folder, or behind links in it."""
    profile: Path | None = None


def outline_of(recipe: Path, target: str, options: BuildOptions, settings: Settings) -> JobOutline | None:
    """The outline of a build whose recipe was not read; None where only reading it tells, or something is wrong."""
    file = recipe if recipe.name == "recipe.toml" else recipe / "recipe.toml"
    key = options.key or settings.signing_key
    try:
        table, found = read_table(file), find_target(target, settings)
    except EdgekitError:
        return None
    name, version, python = table.get("name"), table.get("version"), table.get("python")
    requirements = python.get("requirements", []) if isinstance(python, dict) else []
    plain = isinstance(requirements, list) and all(isinstance(one, str) and _is_plain(one) for one in requirements)
    if not (plain and isinstance(name, str) and isinstance(version, str) and key.is_file()):
        return None
    out = options.out or default_out(name, version, found)
    return JobOutline(
        folder=file.parent, target=found, key=key, builder=options.builder, out=out, profile=options.profile
    )


def default_out(name: str, version: str, target: Target) -> Path:
    """Where a release goes that is given no folder."""
    return Path("out", f"{name}-{version}-{target.name}")


def inputs_of(outline: JobOutline, settings: Settings) -> Inputs:
    """Everything that can change what a build makes: the recipe, edgekit itself, its data, its Python, its settings.

    What git knows of them is stated of the release: a commit alone, which changes no file, counts too.
    """
    target_file = target_files(settings).get(outline.target.name, settings.data_dir)
    words = (repr(outline.target), outline.builder, str(outline.out), str(outline.key), repr(settings), sys.version)
    return Inputs(
        folders=(outline.folder, Path(edgekit.__file__).parent, settings.data_dir / "cross"),
        files=(
            target_file,
            pyconfig_file(target_file),
            outline.key,
            settings.fleet_file,
            settings.pyenv_root / "versions",
            Path(sysconfig.get_path("purelib")),
            *((outline.profile,) if outline.profile else ()),
            *git_files(outline.folder),
            *git_files(Path(edgekit.__file__).parent),
        ),
        words=(*words, *outline.given),
    )


def _is_plain(requirement: str) -> bool:
    """Whether a requirement can be no file and no list of requirements: those have a place, or begin as an option."""
    return not requirement.lstrip().startswith("-") and "/" not in requirement and ":" not in requirement
