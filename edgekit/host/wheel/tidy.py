"""Removes from unpacked wheels what differs between machines, and what no board needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edgekit.schema.reader import from_toml

_INSTALLER_NOTES = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""Who installed it and from where. Source: PyPA, Recording installed projects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimRule:
    """Files that no board needs."""

    glob: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimRules:
    """`trim.toml`."""

    rules: tuple[TrimRule, ...]


def trim_rules() -> TrimRules:
    """The rules that edgekit ships."""
    text = resources.files("edgekit.host.wheel").joinpath("trim.toml").read_text(encoding="utf-8")
    return from_toml(TrimRules, text, "trim.toml")


def tidy(folder: Path, rules: TrimRules) -> None:
    """Make a folder that an installer filled the same on every machine, and smaller."""
    (folder / ".lock").unlink(missing_ok=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)  # scripts that name this machine's interpreter
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    for rule in rules.rules:
        for path in list(folder.glob(rule.glob)):
            _remove(path)
    for info in folder.glob("*.dist-info"):
        for name in _INSTALLER_NOTES:
            (info / name).unlink(missing_ok=True)
        _shorten_record(info / "RECORD", folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _shorten_record(record: Path, folder: Path) -> None:
    """Keep the lines of files that are still there, sorted."""
    if not record.is_file():
        return
    lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
    remaining = sorted(line for line in lines if (folder / _recorded_path(line)).is_file())
    record.unlink()
    record.write_text("".join(remaining), encoding="utf-8")


def _recorded_path(line: str) -> str:
    """The path of a line `path,hash,size`; a path with a comma is in quotes."""
    return line[1:].split('"', 1)[0] if line.startswith('"') else line.split(",", 1)[0]
