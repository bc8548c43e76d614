"""The command line as a process: exit codes, streams, and no traceback for what a user does."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def run(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit.cli.main", *argv]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["--nosuch"], "No such option: --nosuch"),
        (["board", "up", "--nam", "x"], "No such option: --nam"),
    ],
)
def test_wrong_arguments_end_with_2_and_one_sentence(argv: list[str], sentence: str, tmp_path: Path) -> None:
    done = run(*argv, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_arguments_show_the_verbs(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert "Commands:" in done.stdout


def test_json_errors_are_one_object_on_stdout(tmp_path: Path) -> None:
    done = run("build", "nowhere", "--target", "virt-arm64", "--json", cwd=tmp_path)
    assert done.returncode == 2
    told = json.loads(done.stdout)["error"]
    assert told["exit_code"] == 2
    assert "nowhere" in told["message"]
    assert told["hint"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_with_130_and_says_so(number: signal.Signals, tmp_path: Path) -> None:
    """Silence on a port keeps the command waiting until it is interrupted."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"nobody@127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "edgekit.cli.main", "status", address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        silent.settimeout(60)
        client, _ = silent.accept()
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
        client.close()
    assert process.returncode == 130, words
    assert "error: interrupted" in words and "hint:" in words
    assert "Traceback" not in words
