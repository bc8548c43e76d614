"""Finds and reads targets: the shipped ones, and those in `targets/` of the working directory, which win."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, NothingSelected
from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.host.settings import Settings
from edgekit.schema.detect import target_from_facts
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import Problem, from_json, from_toml, raise_problems
from edgekit.schema.target import Target, TargetFile

_PROBE = Path(__file__).parent.parent / "device" / "facts.py"
_PROBE_TIMEOUT_S = 60.0


def target_files(settings: Settings) -> dict[str, Path]:
    """Every target's file by the target's name."""
    shipped = sorted((settings.data_dir / "targets").glob("*.toml"))
    own = sorted(Path("targets").glob("*.toml"))
    return {file.stem: file for file in (*shipped, *own)}


def find_target(name: str, settings: Settings) -> Target:
    """Read one target, whole.

    Raises:
        NothingSelected: there is no such target; names the closest.
        InputError: its file is wrong; names every mistake.
    """
    files = target_files(settings)
    if name not in files:
        closest = difflib.get_close_matches(name, files, n=1)
        meant = f"; did you mean {closest[0]}?" if closest else ""
        raise NothingSelected(
            f"there is no target {name!r}{meant}",
            hint=f"edgekit target list; known are {', '.join(sorted(files))}",
        )
    return read_target(files[name])


def list_targets(settings: Settings) -> tuple[Target, ...]:
    """All targets, by name."""
    files = target_files(settings)
    return tuple(read_target(files[name]) for name in sorted(files))


def read_target(file: Path) -> Target:
    """Read a target's file. `this_machine = true` stands for a probe of this machine."""
    written = from_toml(TargetFile, _text(file), file.name)
    raise_problems(_faults(written, file))
    if written.this_machine:
        return target_from_facts(this_machine(), name=written.name, title=written.title)
    assert written.os is not None and written.memory is not None
    return Target(
        name=written.name,
        title=written.title,
        os=written.os,
        clusters=written.clusters,
        memory=written.memory,
        cgroup=written.cgroup,
        accelerators=written.accelerators,
        recognise=written.recognise,
        notes=written.notes,
    )


def this_machine() -> DeviceFacts:
    """Facts of this machine. Its Python is the one below any virtual environment: that one runs workers."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    return probe(LocalExecutor(), interpreter)


def probe(executor: Executor, interpreter: str = "python3", state_dir: str = "/var/lib") -> DeviceFacts:
    """Run the probe script on a machine and read what it prints. Nothing is installed there.

    Args:
        executor: the machine.
        interpreter: the Python there that will run keeper and workers.
        state_dir: folder whose free space counts.

    Raises:
        InputError: no Python there.
        Unreachable: the machine does not answer.
    """
    script = _PROBE.read_bytes()
    done = executor.run([interpreter, "-I", "-", "--state", state_dir], timeout_s=_PROBE_TIMEOUT_S, stdin=script)
    if done.returncode in (126, 127):
        raise InputError(f"{executor.name} has no {interpreter}", hint="install Python 3.10 or newer there")
    if done.returncode:
        raise EdgekitError(
            f"the probe failed on {executor.name}", hint="report this with its output", details=done.output
        )
    return from_json(DeviceFacts, done.stdout, f"facts of {executor.name}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}", hint=f"ls -l {file}") from None


def _faults(target: TargetFile, file: Path) -> list[Problem]:
    """What types alone cannot say."""
    faults: list[tuple[str, str]] = []
    if target.name != file.stem:
        faults.append(("name", f"expected {file.stem!r}, the file's name, found {target.name!r}"))
    if not target.this_machine:
        faults += [(key, "missing; expected a table") for key in ("os", "memory") if getattr(target, key) is None]
        if not target.clusters:
            faults.append(("clusters", "missing; expected at least one [[clusters]] table"))
    seen: dict[int, str] = {}
    for index, cluster in enumerate(target.clusters):
        twice = [cpu for cpu in cluster.cpus if cpu in seen]
        faults += [(f"clusters[{index}].cpus", f"CPU {cpu} is in cluster {seen[cpu]!r} too") for cpu in twice]
        seen |= dict.fromkeys(cluster.cpus, cluster.name)
        if not 1 <= cluster.capacity <= 1024:
            faults.append((f"clusters[{index}].capacity", f"expected 1 to 1024, found {cluster.capacity}"))
    return [Problem(file=file.name, key=key, expected=text) for key, text in faults]
