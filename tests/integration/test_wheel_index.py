"""Indexes that a recipe declares: a private one with a password, on loopback, beside the user's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.package_index import PackageIndex, sdist_bytes, wheel_bytes

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
SECRET = "Wha1e-b0ne"
LOGIN = {"UV_INDEX_OUR_OWN_USERNAME": "me", "UV_INDEX_OUR_OWN_PASSWORD": SECRET}
FILES = (
    wheel_bytes("our_gate", "1.0", {"our_gate.py": "OPEN = True\n"}, ["our_lib>=2"]),
    sdist_bytes("our_lib", "2.0", ["six"]),
)


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex(*FILES, login=("me", SECRET)) as running:
        yield running


@pytest.fixture
def recipe(tmp_path: Path, index: PackageIndex) -> Path:
    folder = Path(shutil.copytree(ROOT / "recipes/sorting-line", tmp_path / "line"))
    text = (folder / "recipe.toml").read_text().partition("\n[python]\n")[0]
    text += '\n[python]\nrequirements = ["our-gate", "spidev>=3.8"]\n'
    text += f'indexes.our-own = {{ url = "{index.url}", packages = ["our-gate", "our-lib"] }}\n'
    (folder / "recipe.toml").write_text(text)
    return folder


def edgekit(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit" / "crossbuild"
    cross = home / "cache/edgekit/crossbuild"
    if not cross.exists():
        cross.mkdir(parents=True)
        for name in ("compilers", "libraries", "roots", "archive-answers"):
            (shared / name).mkdir(parents=True, exist_ok=True)
            (cross / name).symlink_to(shared / name)
    places = {f"XDG_{name.upper()}_HOME": str(home / name) for name in ("cache", "config", "state")}
    done = subprocess.run(
        [sys.executable, "-m", "edgekit.cli.main", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **places, "UV_CACHE_DIR": str(home / "uv"), "TMPDIR": str(home / "tmp"), **variables},
        cwd=home,
        timeout=600,
        check=False,
    )
    assert done.returncode != 1, done.stderr
    return done


def test_a_private_index_gives_wheels_and_sources_and_its_password_is_written_nowhere(
    recipe: Path, index: PackageIndex, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    assert edgekit(tmp_path, "keys", "init").returncode == 0
    words = ("build", str(recipe), "--target", "virt-arm64", "--out", "out", "--json")
    refused = edgekit(tmp_path, *words)
    assert refused.returncode == 4, refused.stderr
    assert "error: the index our-own got no credentials, or wrong ones (401)" in refused.stderr
    assert "UV_INDEX_OUR_OWN_USERNAME" in refused.stderr
    locked = edgekit(tmp_path, "wheel", "lock", str(recipe), "--target", "virt-arm64", **LOGIN)
    assert locked.returncode == 0, locked.stderr
    done = edgekit(tmp_path, *words, **LOGIN)
    assert done.returncode == 0, done.stderr
    wheels = {wheel.partition("==")[0] for wheel in json.loads(done.stdout)["wheels"]}
    assert {"our-gate", "our-lib", "six"} <= wheels
    assert (tmp_path / "out/files/site/our_gate.py").read_text() == "OPEN = True\n"
    wrong = edgekit(tmp_path, *words, "--update-lock", **{**LOGIN, "UV_INDEX_OUR_OWN_PASSWORD": f"not-{SECRET}"})
    assert wrong.returncode == 4, wrong.stderr
    said = refused.stderr + locked.stderr + locked.stdout + done.stderr + done.stdout + wrong.stderr
    assert SECRET not in said
    places = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(places) > 100
    assert not [path for path in places if SECRET.encode() in path.read_bytes()]
    assert {path for path, login in index.requests if login} >= {"/simple/our-gate/", "/files/our_lib-2.0.tar.gz"}
