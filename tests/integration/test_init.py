"""A recipe that `edgekit init` writes goes the whole way, and one whose code would fail on the board does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


class User:
    """A user with keys, state and devices of their own; caches are shared, as downloads take long."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        own = {"XDG_CONFIG_HOME": str(self.home / "c"), "XDG_STATE_HOME": str(self.home / "s")}
        argv = [sys.executable, "-m", "edgekit.cli.main", *words]
        env = {**os.environ, **own}
        done = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=self.home, timeout=600, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def does(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    made = User(tmp_path)
    made.does("keys", "init")
    made.does("init", "my-line")
    yield made
    made.run("board", "down", "--name", "host")


@pytest.mark.parametrize("target", ["virt-arm64", "rk3588-debian12"])
def test_it_builds_for_boards_and_says_what_only_they_can_try(user: User, target: str) -> None:
    words = user.does("build", "recipes/my-line", "--target", target, "--out", "one")
    assert "4 golden frames" in words and "was not tried" not in words
    ejector = user.home / "recipes/my-line/app/ejector.py"
    ejector.write_text(
        ejector.read_text().replace("from pathlib import Path\n", "from pathlib import Path\n\nimport spidev\n")
    )
    words = user.does("build", "recipes/my-line", "--target", target, "--out", "one")
    assert "4 golden frames" in words
    assert "stage eject was not tried here: it imports spidev, which the release has for its target alone" in words


def test_it_deploys(user: User) -> None:
    user.does("build", "recipes/my-line", "--target", "host", "--out", "one")
    user.does("board", "up", "--like", "host")
    user.does("provision", "host")
    user.does("deploy", "one", "host")
    (status,) = json.loads(user.does("status", "host", "--json").splitlines()[0])["applications"]
    assert status["healthy"], status


DECODER = """
class Decode:
    stateless = True
    def __init__(self, context):
        self.threshold = context.options["threshold"]
    def __call__(self, frame):
        {body}
        return frame
"""


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("target", "body", "code", "message"),
    [
        ("rk3588-debian12", "frame.detections = frame.detections[:2]", 5, "give other answers: frame-020"),
        ("virt-arm64", "frame.detections = frame.detections[:2]", 5, "give other answers: frame-020"),
        ("rk3588-debian12", "raise ValueError('bad head')", 2, "ValueError: bad head (app/mydecode.py, line 7)"),
        ("rk3588-debian12", "__import__('os')._exit(7)", 2, "ends the process with exit code 7"),
    ],
)  # fmt: skip
def test_its_own_decoder_before_the_tracker_is_judged_for_every_target(
    user: User, target: str, body: str, code: int, message: str
) -> None:
    """As every YOLO has one: between the network and the stages with state."""
    recipe = user.home / "recipes/my-line"
    file = recipe / "recipe.toml"
    stage = (
        '[pipeline.stages.cut]\nkind = "python"\nentry = "mydecode:Decode"\nlane = "follow"\noptions.threshold = 1\n\n'
    )
    file.write_text(file.read_text().replace("[pipeline.stages.follow]", f"{stage}[pipeline.stages.follow]"))
    (recipe / "app/mydecode.py").write_text(DECODER.format(body=body))
    done = user.run("build", str(recipe), "--target", target, "--out", "one")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert not (user.home / "one").exists()
    (recipe / "app/mydecode.py").write_text(DECODER.format(body="pass"))
    words = user.does("build", str(recipe), "--target", target, "--out", "one")
    assert "scale, see, find, name, cut" in words
