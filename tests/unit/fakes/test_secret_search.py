"""A secret is found however it is spelt, and wherever it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.secret_search import spellings, tellers, texts_under, visible_texts

SECRETS = spellings("edge", "p@ss/w:rd")


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://edge:p@ss/w:rd@cam",
        "rtsp://edge:p%40ss%2Fw%3Ard@cam",
        "rtsp://edge:p%40ss/w%3Ard@cam",
        "Authorization: Basic ZWRnZTpwQHNzL3c6cmQ=",
    ],
)
def test_every_spelling_is_found(text: str) -> None:
    assert tellers({"log": text.encode(), "report": b"stream gate is down"}, SECRETS) == ["log"]


def test_what_others_see_of_a_process_is_looked_at(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", "p%40ss%2Fw%3Ard"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, env={**os.environ, "URL": "p@ss/w:rd"}, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()
        folder = f"/proc/{process.pid}"
        assert sorted(tellers(visible_texts(process.pid), SECRETS)) == [f"{folder}/cmdline", f"{folder}/environ"]
        assert f"{folder}/cmdline" in tellers(visible_texts(), SECRETS)
        process.stdin.close()
    (tmp_path / "work").mkdir()
    (tmp_path / "work/lines").write_text("p@ss/w:rd")
    assert tellers(texts_under(tmp_path), SECRETS) == [str(tmp_path / "work/lines")]
