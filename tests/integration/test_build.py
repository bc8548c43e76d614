"""`edgekit build` as a user runs it: real uv, real wheels, a real signature."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


class User:
    """A user with keys and state of their own; caches are shared, as downloads take long."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"XDG_CONFIG_HOME": str(self.home / "c"), "XDG_STATE_HOME": str(self.home / "s"), **variables}
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.cli.main", *words],
            capture_output=True,
            text=True,
            env={**os.environ, **own},
            cwd=cwd or self.home,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def build(self, recipe: Path, out: str, *more: str, **variables: str) -> Any:
        done = self.run("build", str(recipe), "--target", "virt-arm64", "--out", out, "--json", *more, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def user(tmp_path: Path) -> User:
    made = User(tmp_path)
    assert made.run("keys", "init").returncode == 0
    return made


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "recipes" / "sorting-line", tmp_path / "line"))


def require(recipe: Path, *requirements: str) -> None:
    file = recipe / "recipe.toml"
    text = file.read_text().partition("\n[python]\n")[0]
    file.write_text(f"{text}\n[python]\nrequirements = {json.dumps(requirements)}\n")


def test_building_twice_gives_the_same_digest_and_the_second_from_the_cache(user: User, recipe: Path) -> None:
    first = user.build(recipe, "one")
    second = user.build(recipe, "two")
    assert first["digest"] == second["digest"]
    assert second["from_cache"]
    names = sorted(str(path.relative_to(user.home / "one")) for path in (user.home / "one").rglob("*"))
    assert names == sorted(str(path.relative_to(user.home / "two")) for path in (user.home / "two").rglob("*"))
    assert {"numpy", "onnxruntime"} <= {wheel.split("==")[0] for wheel in first["wheels"]}
    assert first["files"] == sum(path.is_file() for path in (user.home / "one/files").rglob("*"))


@pytest.mark.long
def test_a_fresh_cache_gives_the_same_digest(user: User, recipe: Path) -> None:
    first = user.build(recipe, "one")
    again = user.build(recipe, "two", XDG_CACHE_HOME=str(user.home / "cache"), UV_CACHE_DIR=_uv_cache())
    assert not again["from_cache"]
    assert again["digest"] == first["digest"]


def _uv_cache() -> str:
    import uv

    return subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


def test_the_signature_is_opensshs(user: User, recipe: Path) -> None:
    user.build(recipe, "one")
    allowed = user.home / "c/edgekit/allowed_signers"
    principal = allowed.read_text().split()[0]
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", principal, "-n", "edgekit-release"]
    argv += ["-s", str(user.home / "one/manifest.json.sig")]
    with (user.home / "one/manifest.json").open("rb") as message:
        subprocess.run(argv, stdin=message, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("requirement", "named"),
    [
        ("decord", "decord"),
        ("edgekit-no-such-package-anywhere", "edgekit-no-such-package-anywhere"),
        ("msgpack==0.0.0.1", "msgpack"),
    ],
)
def test_a_requirement_that_cannot_be_had_ends_with_4_and_its_name(
    requirement: str, named: str, user: User, recipe: Path
) -> None:
    require(recipe, requirement)
    done = user.run("build", str(recipe), "--target", "virt-arm64", "--out", "one")
    assert done.returncode == 4, done.stderr
    error = next(line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert named in error
    assert not (user.home / "one").exists()


def test_what_a_requirement_needs_in_turn_is_built_too_and_the_lock_names_its_source(user: User, recipe: Path) -> None:
    """pynput is pure and needs evdev, which has no wheel at all; no old pynput without that need is taken."""
    require(recipe, "pynput>=1.8")
    done = user.run("wheel", "lock", str(recipe), "--target", "virt-arm64", "--json")
    assert done.returncode == 0, done.stderr
    wheels = {wheel["name"]: wheel for wheel in json.loads(done.stdout)["wheels"]}
    assert wheels["evdev"]["source"] == "cross-built" and wheels["numpy"]["source"] == "downloaded"
    lock = (recipe / "locks/virt-arm64.txt").read_text()
    assert re.search(r"^evdev==\S+ --hash=sha256:\w{64}  # evdev-\S+\.tar\.gz$", lock, re.MULTILINE)
    assert "## evdev " in (recipe / "locks/virt-arm64.build.txt").read_text()
    built = user.build(recipe, "one")
    assert any(wheel.startswith("evdev==") for wheel in built["wheels"])
    module = next((user.home / "one/files/site/evdev").glob("_input*.so"))
    assert module.name.endswith(".cpython-311-aarch64-linux-gnu.so")


def test_a_package_beside_the_recipe_counts_for_a_cached_build_too(user: User, recipe: Path) -> None:
    """It lies outside the recipe's folder, and what it links to outside its own."""
    for name in ("own", "common"):
        (user.home / name).mkdir()
    (user.home / "common/answer.py").write_text("ANSWER = 42\n")
    (user.home / "own/gate_own").symlink_to("../common")
    (user.home / "own/setup.py").write_text(
        "from setuptools import setup\nsetup(name='gate-own', version='1.0', packages=['gate_own'])\n"
    )
    require(recipe, "../own", "spidev>=3.8")
    first = user.build(recipe, "one")
    assert "gate-own==1.0" in first["wheels"]
    assert (user.home / "one/files/site/gate_own/answer.py").read_text() == "ANSWER = 42\n"
    assert user.build(recipe, "one")["from_cache"]
    (user.home / "common/answer.py").write_text("ANSWER = 43\n")
    assert user.build(recipe, "one")["digest"] != first["digest"]
    assert (user.home / "one/files/site/gate_own/answer.py").read_text() == "ANSWER = 43\n"


def test_without_a_network_what_is_cached_still_builds(user: User, recipe: Path) -> None:
    first = user.build(recipe, "one")
    assert user.build(recipe, "two", UV_OFFLINE="1")["digest"] == first["digest"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("build", "nowhere", "--target", "virt-arm64"), 2, "nowhere"),
        (("build", "line", "--target", "virt-arm46"), 2, "did you mean virt-arm64"),
        (("build", "line", "--target", "virt-arm64", "--key", "none"), 6, "none is not there"),
    ],
)
def test_wrong_words_are_one_sentence(words: tuple[str, ...], code: int, told: str, user: User, recipe: Path) -> None:
    done = user.run(*words)
    assert done.returncode == code, done.stderr
    assert told in done.stderr and "hint:" in done.stderr


def test_every_mistake_in_a_recipe_at_once(user: User, recipe: Path) -> None:
    file = recipe / "recipe.toml"
    text = (
        file.read_text()
        .replace('memory_max = "400MiB"', 'memory_mx = "400MiB"')
        .replace('lane = "detect"', 'lane = "detekt"')
    )
    file.write_text(text.replace('version = "1.0.0"', "version = 1"))
    done = user.run("build", str(recipe), "--target", "virt-arm64")
    assert done.returncode == 2
    for told in ("limits.memory_mx: unknown key; did you mean memory_max?", "version: expected a version such as"):
        assert told in done.stderr


def test_what_does_not_fit_the_target_is_said_before_a_model_is_looked_at(user: User, recipe: Path) -> None:
    file = recipe / "recipe.toml"
    file.write_text(file.read_text().replace("cpus = 3", "cpus = 300").replace("width_px = 160", "width_px = 320"))
    done = user.run("build", str(recipe), "--target", "virt-arm64")
    assert done.returncode == 2, done.stderr
    assert "recipe.toml: limits.cpus asks for 300 CPUs, virt-arm64 has" in done.stderr


def test_a_model_that_is_not_what_its_contract_says_ends_with_5(user: User, recipe: Path) -> None:
    file = recipe / "recipe.toml"
    file.write_text(file.read_text().replace("width_px = 160", "width_px = 320"))
    done = user.run("build", str(recipe), "--target", "virt-arm64")
    assert done.returncode == 5, done.stderr
    assert "160" in done.stderr and "320" in done.stderr


def test_a_broken_model_ends_with_5(user: User, recipe: Path) -> None:
    (recipe / "model.onnx").write_bytes(b"not a model")
    done = user.run("build", str(recipe), "--target", "virt-arm64")
    assert done.returncode == 5, done.stderr


def test_init_writes_a_recipe_that_builds(user: User) -> None:
    assert user.run("init", "my-line").returncode == 0
    assert user.build(user.home / "recipes/my-line", "one")["files"] > 100
