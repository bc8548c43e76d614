"""Finds and reads targets: the shipped ones, and those in `targets/` of the working directory, which win."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.detect import target_from_facts
from edgekit.host.catalogue.target_parts import join_parts, kinds_twice, part_files
from edgekit.host.probe import this_machine
from edgekit.host.settings import Settings
from edgekit.host.toml_file import read_toml
from edgekit.schema.problem import Problem, raise_problems
from edgekit.schema.target import Cgroup, Recognise, Target, TargetFile
from edgekit.schema.units import version_tuple

_OWN = Path("targets")


def target_files(settings: Settings, own: Path = _OWN) -> dict[str, Path]:
    """Every target's file by the target's name."""
    shipped = sorted(_shipped(settings).glob("*.toml"))
    return {file.stem: file for file in (*shipped, *sorted(own.glob("*.toml")))}


def _shipped(settings: Settings) -> Path:
    return settings.data_dir / "targets"


def pyconfig_file(target_file: Path) -> Path:
    """Where a probe puts the pyconfig.h of the board's Python: beside the target's own file."""
    return target_file.with_suffix(".pyconfig.h")


def source_files(name: str, settings: Settings, own: Path = _OWN) -> tuple[Path, ...]:
    """Every file that says something of a target: its own, its image's, its board's, the board's pyconfig.h.

    Raises:
        InputError: see `read_target`.
    """
    file = target_files(settings, own).get(name)
    if file is None:
        return ()
    parts = part_files(read_toml(TargetFile, file), file, (file.parent, _shipped(settings)))
    header = pyconfig_file(file)
    return (file, *parts, *([header] if header.is_file() else []))


def find_target(name: str, settings: Settings, own: Path = _OWN) -> Target:
    """Read one target, whole.

    Raises:
        InputError: there is no such target (names the closest), or its file is wrong (names every mistake).
    """
    files = target_files(settings, own)
    if name not in files:
        closest = difflib.get_close_matches(name, files, n=1)
        meant = f"; did you mean {closest[0]}?" if closest else ""
        raise InputError(
            f"there is no target {name!r}{meant}",
            hint=f"edgekit target list; known are {', '.join(sorted(files))}",
        )
    return resolve_target(read_target(files[name], settings))


def list_targets(settings: Settings, own: Path = _OWN) -> tuple[Target, ...]:
    """All described board types, by name: without those that stand for this machine, whatever it is."""
    written = (read_target(file, settings) for _, file in sorted(target_files(settings, own).items()))
    return tuple(resolve_target(target) for target in written if not target.this_machine)


def read_target(file: Path, settings: Settings) -> TargetFile:
    """Read a target's file, with the board and the image that it names, checked.

    Raises:
        InputError: it is wrong, or a part is; names every mistake.
    """
    written = read_toml(TargetFile, file)
    whole = join_parts(written, file, (file.parent, _shipped(settings)))
    faults = _faults(whole, file.stem) + kinds_twice(written.accelerators)
    raise_problems(Problem(file=str(file), key=key, expected=expected) for key, expected in faults)
    return whole


def resolve_target(written: TargetFile) -> Target:
    """Fill a target. `this_machine = true` stands for what a probe of this machine finds, and is never recognised."""
    if written.this_machine:
        found = target_from_facts(this_machine(), name=written.name, title=written.title)
        return dataclasses.replace(found, recognise=Recognise(), notes=written.notes)
    assert written.os is not None and written.memory is not None
    return Target(
        name=written.name,
        title=written.title,
        known_from=written.known_from,
        os=written.os,
        clusters=written.clusters,
        memory=written.memory,
        cgroup=written.cgroup or Cgroup(),
        accelerators=written.accelerators,
        recognise=written.recognise,
        notes=written.notes,
    )


def _faults(target: TargetFile, stem: str) -> list[tuple[str, str]]:
    """What types alone cannot say: key and what is wrong with it."""
    faults: list[tuple[str, str]] = []
    if target.name != stem:
        faults.append(("name", f"expected {stem!r}, the file's name, found {target.name!r}"))
    if target.this_machine:
        return faults
    faults += [
        (key, f"missing; expected a table, or {part} = a part that has one")
        for key, part in (("os", "image"), ("memory", "board"))
        if getattr(target, key) is None
    ]
    if target.os is not None:
        versions = (("python", target.os.python), ("libc_version", target.os.libc_version))
        faults += [
            (f"os.{key}", f'expected a version such as "3.11", found {text!r}')
            for key, text in versions
            if len(version_tuple(text)) != 2 or not text.replace(".", "").isdecimal()
        ]
    if not target.clusters:
        faults.append(("clusters", "missing; expected at least one [[clusters]] table, or a board"))
    return faults + _cluster_faults(target)


def _cluster_faults(target: TargetFile) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    seen: dict[int, str] = {}
    for index, cluster in enumerate(target.clusters):
        twice = [cpu for cpu in cluster.cpus if cpu in seen]
        faults += [(f"clusters[{index}].cpus", f"CPU {cpu} is in cluster {seen[cpu]!r} too") for cpu in twice]
        seen |= dict.fromkeys(cluster.cpus, cluster.name)
        if not 1 <= cluster.capacity <= 1024:
            faults.append((f"clusters[{index}].capacity", f"expected 1 to 1024, found {cluster.capacity}"))
    return faults
