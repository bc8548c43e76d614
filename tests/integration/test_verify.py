"""`edgekit build --verify` and `release show` as a second machine runs them: real uv, real ssh-keygen, no cache."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.host.release.folder import open_release, read_plan
from edgekit.schema.message import to_message
from edgekit.schema.profile import EngineCost
from tests.fakes.profiles import cost, profile
from tests.integration.test_build import ROOT, User, require
from tests.unit.host.test_git import git

pytestmark = pytest.mark.integration


class Machine(User):
    """A user with a home, keys and caches of their own: nothing is shared with the machine that built."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        home.mkdir()
        assert self.run("keys", "init").returncode == 0

    def run(self, *words: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return super().run(*words, cwd=cwd, XDG_CACHE_HOME=str(self.home / "k"), **variables)

    @property
    def signers(self) -> str:
        return str(self.home / "c/edgekit/allowed_signers")

    def verified(self, release: Path, *more: str, code: int) -> Any:
        done = self.run("build", "--verify", str(release), "--json", *more)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)


class Bench:
    """The machine that built, the recipe in a repository, and the release."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repository"
        self.recipe = Path(shutil.copytree(ROOT / "recipes/sorting-line", self.repository / "recipes/line"))
        git(self.repository, "init", "-q")
        git(self.repository, "remote", "add", "origin", "https://ann:secret@example.org/line.git")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "-q", "-m", "first")
        self.machine = Machine(folder / "one")
        self.release = folder / "release"
        self.digest = self.build("release")["digest"]

    def build(self, out: str) -> Any:
        done = self.machine.run("build", str(self.recipe), "--target", "host", "--out", f"../{out}", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("verify"))


@pytest.fixture
def other(bench: Bench, tmp_path: Path) -> Machine:
    """A second machine that trusts nobody but itself yet."""
    return Machine(tmp_path / "two")


@pytest.fixture
def release(bench: Bench, tmp_path: Path) -> Path:
    """A copy of the release that a test may damage: files that it writes anew are its own."""
    return Path(shutil.copytree(bench.release, tmp_path / "release", copy_function=os.link))


@pytest.fixture
def recipe(bench: Bench, tmp_path: Path) -> Path:
    """A clone of the repository's recipe."""
    git(tmp_path, "clone", "-q", str(bench.repository), "clone")
    return tmp_path / "clone/recipes/line"


def rewrite(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


def test_a_second_machine_makes_the_same_release_and_proves_it(
    bench: Bench, release: Path, recipe: Path, other: Machine
) -> None:
    own = other.run("build", str(recipe), "--target", "host", "--out", "own", "--json")
    assert json.loads(own.stdout)["digest"] == bench.digest
    theirs, ours = (json.loads((place / "provenance.json").read_bytes()) for place in (release, other.home / "own"))
    assert theirs["payload"] != ours["payload"] and theirs["signatures"][0]["keyid"] != ours["signatures"][0]["keyid"]

    found = other.verified(release, "--allowed-signers", bench.machine.signers, str(recipe), code=0)
    assert found["same"] is True and found["digest"] == bench.digest
    assert (found["first_difference"], found["inputs"], found["kept"]) == ("", [], [])
    assert not any(words.startswith("source: ") for words in found["commits"])
    assert found["files"] == sum(path.is_file() for path in (release / "files").rglob("*"))
    assert not list((other.home / "k/edgekit").glob(".edgekit-verify-*")), "its cache is gone"


def test_what_was_measured_is_taken_from_the_release_and_never_measured_again(bench: Bench, tmp_path: Path) -> None:
    folder = open_release(bench.release)
    plan, digests = read_plan(folder), {entry.path: entry.sha256 for entry in folder.manifest.files}
    assert plan is not None
    measured = dataclasses.replace(
        profile({stage.name: cost(1.0) for stage in plan.stages}),
        application="sorting-line",
        target="host",
        engines={
            name: EngineCost(runner=engine.runner, sha256=digests[engine.path], slots=1, memory_bytes=1 << 20)
            for name, engine in plan.engines.items()
        },
    )
    (tmp_path / "p.json").write_bytes(to_message(measured))
    done = bench.machine.run(
        *("build", str(bench.recipe), "--target", "host", "--out", str(tmp_path / "out")),
        *("--profile", str(tmp_path / "p.json"), "--json"),
    )
    assert done.returncode == 0 and json.loads(done.stdout)["digest"] != bench.digest, done.stderr
    (tmp_path / "p.json").unlink()
    found = bench.machine.verified(tmp_path / "out", str(bench.recipe), code=0)
    assert found["same"] is True and found["inputs"] == []


def test_what_a_release_was_made_from_is_shown_without_anybodys_password(bench: Bench, other: Machine) -> None:
    done = other.run("release", "show", str(bench.release), "--allowed-signers", bench.machine.signers, "--json")
    shown = json.loads(done.stdout)
    predicate = shown["provenance"]["predicate"]
    inputs = {one["name"]: one for one in predicate["buildDefinition"]["resolvedDependencies"]}
    commit = git(bench.repository, "rev-parse", "HEAD")
    assert inputs["source"]["uri"] == f"git+https://example.org/line.git@{commit}"
    assert inputs["source"]["annotations"] == {"path": "recipes/line", "dirty": False}
    assert (
        inputs["recipe/model.onnx"]["digest"]
        == shown["provenance"]["predicate"]["runDetails"]["byproducts"][0]["digest"]
    )
    assert any(name.startswith("numpy-") and name.endswith(".whl") for name in inputs)
    assert "secret" not in done.stdout and "secret" not in (bench.release / "provenance.json").read_text()
    payload = json.loads((bench.release / "provenance.json").read_bytes())["payload"]
    assert b"secret" not in base64.b64decode(payload)
    words = other.run("release", "show", str(bench.release), "--allowed-signers", bench.machine.signers).stdout
    assert f"source: commit {commit[:12]} of git+https://example.org/line.git" in words


def test_another_recipe_makes_another_release_and_its_file_is_named(bench: Bench, release: Path, recipe: Path) -> None:
    """From the clone's folder, where the provenance's path leads to it; on the machine whose own key signed."""
    (recipe / "app/ejector.py").write_text((recipe / "app/ejector.py").read_text() + "\n# changed\n")
    done = bench.machine.run("build", "--verify", str(release), cwd=recipe.parent)
    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("other input: recipe/app/ejector.py: sha256 ")
    assert any("with changes in app/ejector.py" in line for line in lines if line.startswith("note: source"))
    assert "not the same: files/app/ejector.py: differs from byte" in lines[-2]
    assert lines[-1].startswith("likely because of recipe/app/ejector.py")


def test_another_lock_makes_another_release_and_is_named(bench: Bench, recipe: Path, other: Machine) -> None:
    def lock() -> Path:
        done = other.run("wheel", "lock", str(recipe), "--target", "host")
        assert done.returncode == 0, done.stderr
        return recipe / "locks/host.txt"

    plain = (recipe / "recipe.toml").read_text()
    require(recipe, "prometheus-client==0.22.1")
    older = next(line for line in lock().read_text().splitlines() if line.startswith("prometheus-client"))
    (recipe / "recipe.toml").write_text(plain)
    lines = lock().read_text().splitlines()
    git(recipe, "add", ".")
    git(recipe, "commit", "-q", "-m", "lock")
    built = other.run("build", str(recipe), "--target", "host", "--out", "own")
    assert built.returncode == 0, built.stderr

    changed = [older if line.startswith("prometheus-client") else line for line in lines]
    (recipe / "locks/host.txt").write_text("\n".join(changed) + "\n")
    found = other.verified(other.home / "own", str(recipe), code=2)
    assert found["same"] is False
    assert found["inputs"][0].startswith("recipe/locks/host.txt: sha256 ")
    assert any(words.startswith("prometheus_client-0.22.1") for words in found["inputs"])
    assert "prometheus_client" in found["first_difference"]


def edit_file(release: Path) -> None:
    file = release / "files/app/ejector.py"
    rewrite(file, file.read_bytes() + b"# evil\n")


def edit_provenance(release: Path) -> None:
    raw = json.loads((release / "provenance.json").read_bytes())
    payload = base64.b64decode(raw["payload"]).replace(b'"dirty":false', b'"dirty":null ')
    raw["payload"] = base64.b64encode(payload).decode()
    rewrite(release / "provenance.json", json.dumps(raw).encode())


def drop_provenance(release: Path) -> None:
    (release / "provenance.json").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (edit_file, "files/app/ejector.py is not what the manifest says"),
        (edit_provenance, "the provenance"),
        (drop_provenance, "the release has no provenance"),
    ],
)
@pytest.mark.parametrize("verb", [("build", "--verify"), ("release", "show")])
def test_what_was_edited_ends_with_6_before_anything_is_built(
    verb: tuple[str, ...], damage: Callable[[Path], None], words: str, release: Path, bench: Bench
) -> None:
    damage(release)
    done = bench.machine.run(*verb, str(release), "--json")
    assert done.returncode == 6, done.stderr
    assert words in json.loads(done.stdout)["error"]["message"]


def test_the_signature_of_another_key_ends_with_6_until_its_signer_is_named(
    bench: Bench, release: Path, other: Machine
) -> None:
    done = other.run("release", "show", str(release))
    assert done.returncode == 6 and "not signed by an allowed signer" in done.stderr
    shown = bench.machine.run("keys", "show").stdout
    (other.home / "signers").write_text(shown)
    assert other.run("release", "show", str(release), "--allowed-signers", "signers").returncode == 0


def test_wrong_arguments_end_with_2_and_a_cure(bench: Bench, release: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        done = bench.machine.run(*words)
        assert done.returncode == 2, done.stderr
        return done.stderr

    assert "--target is given too" in refused("build", "--verify", str(release), "--target", "host")
    assert "is not here" in refused("build", "--verify", str(release))
    assert "holds no release" in refused("build", "--verify", str(tmp_path / "none"))
    assert "is for --verify" in refused("build", str(bench.recipe), "--target", "host", "--allowed-signers", "x")
    assert "--target is missing" in refused("build", str(bench.recipe))
    assert "the recipe's folder is missing" in refused("build")


def test_a_recipe_that_asks_for_other_packages_is_never_proven_with_the_releases_own(
    bench: Bench, release: Path, recipe: Path
) -> None:
    """No lock there: what it asks for is resolved anew, and the package that the release lacks is found."""
    require(recipe, "prometheus-client==0.22.1")
    found = bench.machine.verified(release, str(recipe), code=2)
    assert found["same"] is False and "prometheus_client" in found["first_difference"]
    assert found["inputs"][0].startswith("recipe/recipe.toml: ")
    assert any(words.startswith("requirements: ") for words in found["inputs"])
