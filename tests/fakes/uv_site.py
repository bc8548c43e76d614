"""A uv with a cache of its own, and folders that it has installed wheels into."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import uv as uv_package

from edgekit.executor.local import LocalExecutor
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.uv import Uv

WANTED = Wanted(requirements=("app",), python="3.11", arch="aarch64", libc_version="2.36")


def own_uv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    """uv, with its cache in `folder/uv` and nothing of the user's settings."""
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv"))
    return Uv(LocalExecutor(), uv_package.find_uv_bin())


def install(uv: Uv, folder: Path, *wheels: tuple[str, bytes], to: str = "site") -> Path:
    """Install wheels, name and content each, that are written into `folder`."""
    lines = []
    for name, content in wheels:
        if not (folder / name).exists():  # a new file would be unpacked anew
            (folder / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        lines.append(f"{name.split('-')[0]} @ {(folder / name).as_uri()} --hash=sha256:{sha256}\n")
    done = uv.install(WANTED, "".join(lines), folder / to)
    assert done.returncode == 0, done.output
    return folder / to
