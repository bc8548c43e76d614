"""A board with gate-watch's files in its store: all applications here are made of the same wheels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.board.conftest import Edgekit

NAME = "gates"


@dataclass(frozen=True)
class GateBoard:
    """A board with the keeper on it, and the release of gate-watch for it, which is not deployed yet."""

    edgekit: Edgekit
    release: Path
    given: dict[str, list[str]] = field(default_factory=dict)
    """Lines of `fleet.toml`, by application."""

    def ok(self, *words: str) -> Any:
        """The answer of a command that takes the board's name, in JSON."""
        verb, *more = words
        return self.edgekit.ok(verb, NAME, *more, "--json").json

    def do(self, command: str) -> str:
        """Output of a shell command there."""
        return self.edgekit.on_board(NAME, command)

    def status(self, application: str) -> dict[str, Any]:
        """Of one application, which has never been restarted."""
        found = self.edgekit.status(NAME, application)
        assert found["worker"]["oom_kills"] == found["worker"]["restarts"] == 0, found["worker"]["last_exit"]
        return found

    def deploy(self, application: str, recipe: str, version: str = "1.0.0", **files: bytes) -> Path:
        """Build a recipe whose own code is in `files`, and deploy it; the recipe's folder."""
        folder = self.edgekit.home / f"{application}-{version}"
        for name, content in {"recipe.toml": recipe.encode(), **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        release = self.edgekit.home / f"{application}-{version}-release"
        self.edgekit.ok("build", str(folder), "--target", "virt-arm64", "--out", str(release))
        self.edgekit.ok("deploy", str(release), NAME)
        return folder

    def give(self, application: str, settings: Mapping[str, object]) -> None:
        """Write down what an application is given; secrets are paths of their files."""
        self.given[application] = [f"{name} = {_toml(value)}" for name, value in settings.items()]
        lines = [line for name, some in self.given.items() for line in (f"[settings.{name}]", *some)]
        (self.edgekit.home / "fleet.toml").write_text("\n".join(lines) + "\n")

    def remove(self, application: str) -> None:
        """So that nothing of it disturbs the next one."""
        self.edgekit.ok("remove", NAME, application)


def _toml(value: object) -> str:
    return f"{{ file = {json.dumps(str(value))} }}" if isinstance(value, Path) else json.dumps(value)


@pytest.fixture(scope="package")
def gates(edgekit: Edgekit) -> Iterator[GateBoard]:
    release = edgekit.home / "gates-release"
    edgekit.ok("build", "recipes/gate-watch", "--target", "virt-arm64", "--out", str(release))
    edgekit.ok("board", "up", "--name", NAME, "--seed", str(release), limit_s=1500)
    edgekit.ok("provision", NAME)
    yield GateBoard(edgekit, release)
    edgekit.ok("board", "down", "--name", NAME)
