"""Standard streams of every kind: full, closed, a pipe that nobody reads, an encoding without the characters."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.fakes.command_line import EDGEKIT, run

LIST = ("target", "list")


@pytest.mark.parametrize("argv", [LIST, (*LIST, "--json"), ("--help",), ("--version",), ("wheel", "--json")])
def test_a_full_output_is_2_and_one_sentence(argv: tuple[str, ...], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(*argv, cwd=tmp_path, stdout=full)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: standard output: no space is left for it\nhint: the file or device")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("argv", [LIST, (*LIST, "--json"), ("--help",)])
def test_a_pipe_that_nobody_reads_is_141_and_no_word(argv: tuple[str, ...], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*argv, cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("name", ["full", "closed pipe"])
def test_words_that_cannot_be_written_stop_nothing(name: str, tmp_path: Path) -> None:
    if name == "full":
        writer = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, writer = os.pipe()
        os.close(reader)
    done = run("init", "my-line", "--in", "recipes", "--json", cwd=tmp_path, stderr=writer)
    failed = run("init", "my-line", "--in", "recipes", "--json", cwd=tmp_path, stderr=writer)
    os.close(writer)
    assert done.returncode == 0 and json.loads(done.stdout)["name"] == "my-line"
    assert failed.returncode == 2 and "is there already" in json.loads(failed.stdout)["error"]["message"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stay_closed_for_files(closed: str, tmp_path: Path) -> None:
    """The schema's file must not become what was to be standard output."""
    command = f'"$@" {closed}; echo "code $?" > code'
    env = {**os.environ, "EDGEKIT_HOME": str(tmp_path / "home")}
    subprocess.run(["sh", "-c", command, "sh", *EDGEKIT, "schema"], cwd=tmp_path, env=env, timeout=60, check=True)
    assert (tmp_path / "code").read_text() == "code 0\n"
    assert json.loads((tmp_path / "schema/recipe.schema.json").read_text())


def test_characters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run("build", "größe-\udcff", "-t", "host", "--json", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "gr\\xf6\\xdfe" in done.stderr and "Traceback" not in done.stderr
    assert "größe" in json.loads(done.stdout)["error"]["message"]
