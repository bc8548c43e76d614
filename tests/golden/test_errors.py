"""What users see when something is wrong, and the exit code; `make golden` rewrites errors.txt."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.host.cache_users import using
from tests.fakes.command_line import run

FILE = Path(__file__).with_name("errors.txt")
WRITE = os.environ.get("EDGEKIT_GOLDEN") == "write"
COMMANDS = [
    # 2: a file or an argument
    "nosuch",
    "help buidl",
    "build",
    "build nowhere -t host",
    "build recipes/line",
    "build recipes/line -t host --builder bench",
    "init 'No Name'",
    "init line",
    "cache gc --older-than -1",
    "cache gc --max-bytes lots",
    "status root@127.0.0.1:1 --watch nan",
    "logs root@127.0.0.1:1 -n 2001",
    "board up --like toaster",
    "board ssh",
    "demo --device toaster",
    "deploy nowhere root@127.0.0.1:1",
    "engine show recipes/line/recipe.toml",
    "keys show",
    "schema --out /dev/null/x",
    "target probe local --out x.txt",
    "status 'a b@c'",
    "provision local --allowed-signers nowhere",
    # 3: nothing selected
    "build recipes/line -t rk3588-debian14",
    "status gate-7",
    "builder clean gate-7",
    "board down --name gate-7",
    "cache list --kind toasters",
    "engine verify recipes/line/recipe.toml",
    # 4: wheels
    "wheel check x-1.0-cp311-cp311-manylinux_2_17_aarch64.whl -t rk3588-debian12",
    # 6: trust
    "build recipes/line -t host",
    # 7: unreachable
    "status root@127.0.0.1:1",
    "doctor root@127.0.0.1:1",
    "builder clean root@127.0.0.1:1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a recipe, a file that is no wheel, and a cache that a build uses."""
    folder = tmp_path_factory.mktemp("errors")
    assert run("init", "line", cwd=folder).returncode == 0
    (folder / "x-1.0-cp311-cp311-manylinux_2_17_aarch64.whl").write_text("no archive")
    with using(folder / "home/cache"):
        yield folder


def seen(command: str, folder: Path) -> str:
    """The command, its exit code and its words, without what differs from machine to machine."""
    env = {"HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "100", "SSH_AUTH_SOCK": "", "TMPDIR": "/tmp"}
    done = run(*shlex.split(command), cwd=folder, env=env)
    shown = "".join(f"| {line}\n" for line in done.stdout.splitlines()) + done.stderr
    text = re.sub(r"^log: .*\n", "log: LOG\n", shown, flags=re.MULTILINE)
    text = re.sub(r"\d+\.\d s\b", "N s", text)
    text = text.replace(str(folder), "HERE").replace("python -m edgekit.cli.main", "edgekit")
    return f"$ edgekit {command}\n[{done.returncode}]\n{text}\n"


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    parts = re.split(r"^(?=\$ )", FILE.read_text() if FILE.exists() else "", flags=re.MULTILINE)
    return {part.splitlines()[0]: part for part in parts if part}


@pytest.mark.skipif(WRITE, reason="being rewritten")
@pytest.mark.parametrize("command", COMMANDS)
def test_errors_are_as_agreed(command: str, folder: Path, golden: dict[str, str]) -> None:
    assert seen(command, folder) == golden.get(f"$ edgekit {command}")


@pytest.mark.skipif(not WRITE, reason="make golden")
def test_errors_are_rewritten(folder: Path) -> None:
    FILE.write_text("".join(seen(command, folder) for command in COMMANDS))


def test_no_error_is_left_over(golden: dict[str, str]) -> None:
    assert WRITE or set(golden) == {f"$ edgekit {command}" for command in COMMANDS}
