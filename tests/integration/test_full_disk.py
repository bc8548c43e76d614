"""A cache on a disk that is full: whoever meets it, edgekit's own code or uv, the user hears of the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.eventually import PATIENCE_S

_MOUNT = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"'


def in_a_small_home(home: Path, *argv: str) -> list[str]:
    """A command whose EDGEKIT_HOME has 3 MB, in a mount namespace of its own: nothing outlives it."""
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, str(home), *argv]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    try:
        subprocess.run(in_a_small_home(home, "true"), check=True, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a mount namespace")
    return home


@pytest.mark.integration
@pytest.mark.parametrize(
    "command",
    ["build line --target host", "wheel build numpy==2.2.6 --target rk3588-debian12"],
)
def test_the_disk_is_named_and_not_the_network(command: str, home: Path, tmp_path: Path) -> None:
    edgekit = f"{sys.executable} -m edgekit.cli.main"
    script = f"""
        {edgekit} init line --in . > /dev/null && {edgekit} keys init > /dev/null || exit 99
        head -c 2900000 /dev/zero > "$EDGEKIT_HOME/filler"
        {edgekit} {command} --out out
    """
    argv = in_a_small_home(home, "env", f"EDGEKIT_HOME={home}", "sh", "-c", script)
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (2, 4), done.stderr
    assert f"hint: make room: {home} has " in done.stderr, done.stderr
    error = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "no space" in error.lower()
    assert "network" not in done.stderr.split("hint: ")[1] and "Traceback" not in done.stderr
