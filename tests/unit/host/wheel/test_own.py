"""What travels of edgekit imports nothing of it that does not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgekit
from edgekit.host.wheel.own import own_files

PACKAGE = Path(edgekit.__file__).parent


def imports(file: Path) -> set[str]:
    """Modules of edgekit that a file imports, as paths below the package."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = "/".join(name.split(".")[1:])
            for candidate in (f"{path}.py", f"{path}/__init__.py"):
                if name.startswith("edgekit.") and (PACKAGE / candidate).is_file():
                    found.add(candidate)
    return found


@pytest.mark.parametrize("builder", [False, True])
def test_everything_that_is_imported_travels(builder: bool) -> None:
    travels = set(own_files(PACKAGE, builder=builder))
    for name in travels:
        assert imports(PACKAGE / name) <= travels, name


def test_a_release_brings_no_builder() -> None:
    assert not [name for name in own_files(PACKAGE) if "builder/" in name]
    assert "device/builder/__main__.py" in own_files(PACKAGE, builder=True)
