"""Lays a wheel out as on the board, with what it needs beside it, for its modules to be imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv


def lay_out_for_trial(wheel: Path, wanted: Wanted, uv: Uv, site: Path) -> str:
    """Unpack a wheel and the packages that it needs into a folder.

    Args:
        wheel: the wheel.
        wanted: the system; its requirements bound what else is taken, as the release will have it.
        uv: finds and unpacks.
        site: the folder.

    Returns:
        Why what it needs could not be had; empty where it could.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(_bounds(wanted.requirements, parse_wheel_filename(wheel.name)[0])))
        constraints.flush()
        done = uv.install_file(wanted, wheel, site, ["--constraints", constraints.name])
    if done.returncode == 0:
        return ""
    uv.install_file(wanted, wheel, site, ["--no-deps"])
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].strip(" ╰─▶") if lines else "uv says nothing"


def _bounds(requirements: Iterable[str], own: str) -> list[str]:
    """Requirements as bounds: without extras, addresses and the package itself."""
    bounds = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # a path
            continue
        if requirement.url or canonicalize_name(requirement.name) == own:
            continue
        requirement.extras = set()
        bounds.append(str(requirement))
    return bounds
