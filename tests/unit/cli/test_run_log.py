"""Logs of the last runs: whole, private, bounded, without secrets, and named where a run failed."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.cli.run_log import KEPT, RunLog
from edgekit.executor.local import LocalExecutor
from edgekit.executor.record import record_program
from tests.fakes.command_line import run


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RunLog]:
    handler = RunLog(tmp_path / "state/logs", ["build", "x", "--token", "s3cret-value"], secrets=("s3cret-value",))
    logger = logging.getLogger("edgekit")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)
    handler.close()


def test_other_programs_are_in_it_with_their_words_and_how_they_ended(log: RunLog) -> None:
    script = "echo to stdout; echo 'a \x1b[31mred\x1b[0m s3cret-value' >&2; exit 3"
    done = LocalExecutor(record=record_program).run(["sh", "-c", script], timeout_s=60)
    text = log.path.read_text()
    assert done.returncode == 3
    assert "this machine$ sh -c" in text
    assert "to stdout\n" in text and "a red ***" in text and "[exit 3, " in text
    assert "s3cret-value" not in text
    assert log.tells_more


def test_a_program_that_took_too_long_is_in_it(log: RunLog) -> None:
    executor = LocalExecutor(record=record_program)
    with pytest.raises(Exception, match="took longer"):
        executor.run(["sh", "-c", "echo so far; sleep 30"], timeout_s=0.5)
    assert "so far" in log.path.read_text()


def test_it_is_private_and_made_at_the_first_entry_alone(log: RunLog) -> None:
    assert not log.path.parent.exists()
    logging.getLogger("edgekit.cli").info("shown")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    assert not log.tells_more


def test_what_is_long_keeps_its_beginning_and_its_end_and_the_whole_is_bounded(log: RunLog) -> None:
    logger = logging.getLogger("edgekit.host.anything")
    logger.info("%s", "first" + "x" * 3_000_000 + "last")
    text = log.path.read_text()
    assert "first" in text and "last" in text and "characters left out" in text
    for _ in range(60):
        logger.info("%s", "y" * 300_000)
    assert log.path.stat().st_size < 10 << 20
    assert log.path.read_text().endswith("... this log is full\n")


def test_old_runs_of_the_same_command_go(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        old = tmp_path / f"build-20260101-{number:06}-1.log"
        old.write_text("x")
        os.utime(old, (number, number))
    other = tmp_path / "status-20260101-000000-1.log"
    other.write_text("x")
    os.utime(other, (1, 1))
    (tmp_path / "notes.txt").write_text("not ours")
    log = RunLog(tmp_path, ["build"])
    log.emit(logging.makeLogRecord({"msg": "hello"}))
    log.close()
    left = sorted(file.name for file in tmp_path.glob("build-*.log"))
    assert len(left) == KEPT
    assert log.path.name in left and left[0] == "build-20260101-000006-1.log"
    assert other.exists() and (tmp_path / "notes.txt").exists()


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = RunLog(tmp_path / "file", ["build"])
    log.emit(logging.makeLogRecord({"msg": "hello"}))
    log.emit(logging.makeLogRecord({"msg": "hello"}))
    assert not log.tells_more


def test_a_failed_run_names_the_log_that_tells_more(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/setup.py").write_text("import sys\nprint('the back end speaks')\nsys.exit('and gives up')\n")
    done = run("wheel", "build", "./bad", "-t", "host", "--json", cwd=tmp_path)
    assert done.returncode in (2, 4), done.stderr
    log = Path(json.loads(done.stdout)["error"]["log"])
    assert f"log: {log}" in done.stderr
    assert log.is_relative_to(tmp_path / "home/state/logs")
    text = log.read_text()
    assert text.startswith("edgekit wheel build ./bad -t host --json\n")
    if "came without its headers" in text:
        pytest.skip("nothing is built here: this machine's Python has no headers")
    assert "the back end speaks" in text


def test_help_and_wrong_words_leave_no_log_that_is_named(tmp_path: Path) -> None:
    assert "log:" not in run("build", "nowhere", "-t", "host", cwd=tmp_path).stderr
    run("--help", cwd=tmp_path)
    run("--version", cwd=tmp_path)
    assert [file.name.split("-")[0] for file in (tmp_path / "home/state/logs").glob("*")] == ["build"]
