"""What holds for every command there is, found by walking over all of them: nothing has to be listed here."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
from typer.testing import CliRunner

from edgekit.cli.main import app
from edgekit.cli.verbs import examples_of
from edgekit.host.settings import Settings, settings_from
from tests.fakes.command_line import run

ROOT = typer.main.get_command(app)
Path_ = tuple[str, ...]


def walk(command: Any = ROOT, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


ALL = list(walk())
LEAVES = [(path, command) for path, command in ALL if not hasattr(command, "commands")]
GROUPS = [(path, command) for path, command in ALL if hasattr(command, "commands")]
NUMBERS = [
    (path, option)
    for path, command in LEAVES
    for option in command.params
    if {option.type_descriptor.annotation, *get_args(option.type_descriptor.annotation)} & {int, float}
]
EXAMPLES = [(path, line) for path, command in LEAVES for line in examples_of(command)]


def words(path: Path_) -> str:
    return " ".join(("edgekit", *path))


def read(line: list[str]) -> Any:
    """The context that the command line makes of some words; nothing is run."""
    context, command = ROOT.make_context("edgekit", [], resilient_parsing=True), ROOT
    while hasattr(command, "commands"):
        command = command.commands[line[0]]
        context = command.make_context(
            line[0],
            line[1:] if not hasattr(command, "commands") else [],
            parent=context,
            resilient_parsing=hasattr(command, "commands"),
        )
        line = line[1:]
    return context


@pytest.mark.parametrize(("path", "command"), ALL, ids=lambda value: words(value) if isinstance(value, tuple) else "")
def test_every_command_has_json_help_and_a_sentence(path: Path_, command: Any) -> None:
    named = {name for option in command.params for name in option.opts}
    assert "--json" in named
    help_ = CliRunner().invoke(app, [*path, "--help"], obj=None)
    assert help_.exit_code == 0 and help_.stdout.startswith(f"Usage: {words(path)} [OPTIONS]")
    assert command.get_short_help_str(limit=1000).endswith(".")


@pytest.mark.parametrize(
    ("path", "command"), LEAVES, ids=lambda value: words(value) if isinstance(value, tuple) else ""
)
def test_every_command_has_an_example(path: Path_, command: Any) -> None:
    assert examples_of(command), f'{words(path)}: put @examples("{words(path)} ...") above its function'
    shown = CliRunner().invoke(app, [*path, "--help"]).stdout
    assert all(f"  {line}\n" in shown for line in examples_of(command))


@pytest.mark.parametrize(("path", "line"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_example_is_read_by_its_own_command(path: Path_, line: str) -> None:
    start, *rest = shlex.split(line.partition(" >> ")[0])
    assert start == "edgekit" and tuple(rest[: len(path)]) == path
    assert read(rest).command_path.split()[-1] == path[-1]


def test_an_example_that_is_none_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        read(["cache", "gc", "--day", "7"])


@pytest.mark.parametrize(
    ("path", "option"), NUMBERS, ids=lambda value: words(value) if isinstance(value, tuple) else ""
)
@pytest.mark.parametrize("bad", ["-1", "nan", "inf", "-inf", "1e300"])
def test_every_number_is_bounded(path: Path_, option: Any, bad: str) -> None:
    bounds = option.type_descriptor.parameter_info
    assert bounds.min is not None and bounds.max is not None
    arguments = ["x" for other in read_params(path) if other.required and other.param_type_name == "argument"]
    with pytest.raises(Exception, match=r"Input should be|nan"):
        read([*path, *arguments, f"{option.opts[-1]}={bad}"])


def read_params(path: Path_) -> list[Any]:
    return list(dict(LEAVES)[path].params)


def test_there_are_numbers_to_try() -> None:
    assert {words(path) for path, _ in NUMBERS} >= {
        "edgekit cache gc",
        "edgekit status",
        "edgekit logs",
    }


@pytest.mark.parametrize(
    ("path", "command"), GROUPS, ids=lambda value: words(value) if isinstance(value, tuple) else ""
)
def test_a_group_lists_its_commands_as_one_object(path: Path_, command: Any, tmp_path: Path) -> None:
    done = run(*path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["commands"]) == set(command.commands)
    assert "Usage" not in done.stderr + done.stdout


@pytest.mark.parametrize("argv", ["--json target list", "target --json list", "target list --json"])
def test_json_counts_wherever_it_stands(argv: str, tmp_path: Path) -> None:
    assert "targets" in json.loads(run(*argv.split(), cwd=tmp_path).stdout)


@pytest.mark.parametrize("argv", ["help", "help wheel", "help cache gc", "cache help gc", "board link help up"])
def test_help_is_a_word_too(argv: str, tmp_path: Path) -> None:
    done = run(*argv.split(), cwd=tmp_path)
    rest = [word for word in argv.split() if word != "help"]
    assert done.returncode == 0
    assert done.stdout == run(*rest, "--help", cwd=tmp_path).stdout


def test_help_for_what_there_is_not_names_the_closest(tmp_path: Path) -> None:
    done = run("help", "biuld", cwd=tmp_path)
    assert done.returncode == 2 and "Did you mean 'build', 'builder'?" in done.stderr


@pytest.mark.parametrize("columns", ["40", "60", "100", "200"])
def test_the_overview_cuts_no_sentence(columns: str) -> None:
    for path, command in GROUPS:
        done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": columns})
        assert done.exit_code == 0
        shown = " ".join(done.stdout.split())
        for child in command.commands.values():
            assert child.get_short_help_str(limit=1000) in shown


def test_listings_are_one_object(tmp_path: Path) -> None:
    for argv in (
        "board list",
        "wheel list",
        "engine list",
        "target list",
        "engine verify",
        "cache list",
        "cache gc",
    ):
        done = run(*argv.split(), "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert isinstance(json.loads(done.stdout), dict), argv


def complete(line: str, tmp_path: Path) -> list[str]:
    """What bash offers after these words, through the script that --show-completion prints below a bash."""
    settings = settings_of(tmp_path)
    boards = settings.state_dir / "boards/gate-7"
    boards.mkdir(parents=True, exist_ok=True)
    (boards / "device.json").write_text('{"name": "gate-7", "address": "root@10.0.0.7"}')
    env = {**os.environ, "EDGEKIT_HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    asked = env | {"_EDGEKIT_COMPLETE": "source_bash"}  # it looks for a shell among its parents: tests may have none
    shown = subprocess.run(["edgekit"], env=asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    found = line.split(" ")
    script = f"""
COMP_WORDS=({" ".join(shlex.quote(word) for word in found)})
COMP_CWORD={len(found) - 1}
_edgekit_completion edgekit
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", shown + script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.split()


def settings_of(home: Path) -> Settings:
    return settings_from({"EDGEKIT_HOME": str(home)}, Path(__file__).parents[3] / "edgekit")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("edgekit bu", {"build", "builder"}),
        ("edgekit wheel ", {"build", "check", "lock", "list"}),
        ("edgekit build recipe --target rk3588-d", {"rk3588-debian11", "rk3588-debian12", "rk3588-debian13"}),
        ("edgekit status ga", {"gate-7"}),
        ("edgekit deploy out/x ga", {"gate-7"}),
        ("edgekit build --up", {"--update-lock"}),
    ],
)
def test_the_shell_completes(line: str, offered: set[str], tmp_path: Path) -> None:
    assert set(complete(line, tmp_path)) == offered


def test_completing_names_with_a_broken_fleet_file_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text("= nonsense")
    assert complete("edgekit status ga", tmp_path) == []
