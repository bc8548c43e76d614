"""A board's own Python under user-mode emulation: Debian's arm64 packages unpacked, no chroot, no binfmt, no root."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings
from edgekit.host.wheel.cross.places import Places
from edgekit.host.wheel.debian import Debian

EMULATOR = "qemu-aarch64-static"


@dataclass(frozen=True)
class BoardPython:
    """Debian's Python of a minor version."""

    root: Path
    minor: str

    def run(self, site: Path, code: str, preload: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run code with a folder of packages on the path."""
        program = shutil.which(EMULATOR)
        assert program, f"{EMULATOR} is not here: make packages"
        variables = {"PYTHONHOME": self.root / "usr", "PYTHONPATH": site, "PYTHONDONTWRITEBYTECODE": "1"}
        if preload is not None:
            variables["LD_LIBRARY_PATH"] = preload
        words = [word for name, value in variables.items() for word in ("-E", f"{name}={value}")]
        python = self.root / "usr" / "bin" / f"python{self.minor}"
        return subprocess.run(
            [program, "-cpu", "cortex-a76", "-L", str(self.root), *words, str(python), "-c", code],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def board_python(minor: str, settings: Settings) -> BoardPython:
    """Fetch it, or take it from the user's cache."""
    places = Places(cache=settings.cache_dir, cross=settings.data_dir / "cross")
    debian = Debian(
        data=places.cross / "debian",
        roots=places.roots,
        downloads=places.sources,
        archive=settings.debian_archive,
        executor=LocalExecutor(),
        progress=Silent(),
    )
    return BoardPython(root=debian.fetch_sets([f"run{minor}"]).folder, minor=minor)


def unpack(wheels: Iterable[Path], site: Path) -> Path:
    """Lay wheels out as an installer would."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site
