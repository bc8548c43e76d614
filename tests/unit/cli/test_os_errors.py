"""What the operating system refuses is one sentence with a cure for that cause, whoever met it; bugs stay bugs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import urllib.error
from pathlib import Path

import pytest

from edgekit.cli.os_errors import explain, with_cure
from edgekit.cli.unusable_path import FailedRun
from edgekit.errors import EdgekitError, EngineError, RolloutError, WheelError
from edgekit.host.settings import Settings
from tests.fakes.command_line import EDGEKIT, run


@pytest.fixture
def run_of(tmp_path: Path) -> FailedRun:
    settings = Settings(
        config_dir=tmp_path / "home/config",
        cache_dir=tmp_path / "home/cache",
        state_dir=tmp_path / "home/state",
        data_dir=tmp_path / "data",
        fleet_file=tmp_path / "fleet.toml",
    )
    return FailedRun(settings=settings, argv=("build", "x", "--out", str(tmp_path / "out")))


def failing(number: int, path: Path | str | None = None) -> OSError:
    return OSError(number, os.strerror(number), None if path is None else str(path))


@pytest.mark.parametrize(
    "number", [errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.ENOSPC, errno.ENOENT, errno.EISDIR, errno.ENAMETOOLONG]
)
def test_the_cure_names_the_option_or_variable_that_named_the_place(
    number: int, run_of: FailedRun, tmp_path: Path
) -> None:
    given = explain(failing(number, tmp_path / "out/deep/file"), run_of)
    kept = explain(failing(number, tmp_path / "home/cache/wheels/x"), run_of)
    assert given and kept
    assert (given.exit_code, kept.exit_code) == (2, 2)
    assert str(tmp_path / "out/deep/file") in given.message
    assert f"give another path than {tmp_path / 'out'}" in given.hint
    assert "set EDGEKIT_HOME" in kept.hint


def test_a_full_file_system_is_named_with_what_is_free(run_of: FailedRun, tmp_path: Path) -> None:
    for where in (tmp_path / "home/cache/x", None):
        error = explain(failing(errno.ENOSPC, where), run_of)
        assert error and "free now, of " in error.hint and "df -h /" in error.hint
    assert error.message == "a file: no space is left for it"


def test_who_owns_what_may_not_be_used(run_of: FailedRun, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o700)
    error = explain(failing(errno.EACCES, tmp_path / "out/x"), run_of)
    assert error and f"{tmp_path / 'out'} belongs to " in error.hint and "mode 0700" in error.hint


def test_several_copies_that_failed_are_one_error(run_of: FailedRun, tmp_path: Path) -> None:
    error = shutil.Error([(str(tmp_path), str(tmp_path / "out/x"), "[Errno 28] No space left on device")])
    found = explain(error, run_of)
    assert found and "no space is left" in found.message


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("timed out"),
        urllib.error.URLError("unknown host"),
    ],
)
def test_the_network_is_7(error: OSError, run_of: FailedRun) -> None:
    found = explain(error, run_of)
    assert found and found.exit_code == 7 and "network" in found.hint


@pytest.mark.parametrize(
    "error",
    [
        OSError("no number at all"),
        failing(errno.EBADF),
        failing(errno.ENOENT),
        ProcessLookupError(errno.ESRCH, "No such process"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    ],
)
def test_what_no_user_can_cause_stays_a_bug(error: OSError, run_of: FailedRun) -> None:
    assert explain(error, run_of) is None


def raised_from(below: OSError, kind: type[EdgekitError] = WheelError) -> EdgekitError:
    """An error as the many `except OSError` of the package make them."""
    try:
        try:
            raise below
        except OSError:
            raise kind("numpy cannot be fetched", hint="check the network and try again", details="d") from None
    except EdgekitError as error:
        return error


def test_a_full_disk_is_not_taken_for_the_network(run_of: FailedRun, tmp_path: Path) -> None:
    full = with_cure(raised_from(failing(errno.ENOSPC, tmp_path / "home/cache/x")), run_of)
    told = "numpy cannot be fetched: no space was left on the disk"
    assert (type(full), full.message, full.details) == (WheelError, told, "d")
    assert "network" not in full.hint and "make room" in full.hint
    network = with_cure(raised_from(ConnectionResetError(errno.ECONNRESET, "reset")), run_of)
    assert network.hint == "check the network and try again"
    absent = with_cure(raised_from(failing(errno.ENOENT, tmp_path / "nowhere")), run_of)
    assert absent.hint == "check the network and try again"


UV_SAYS = "error: failed to extract archive\n  Caused by: No space left on device (os error 28)"


@pytest.fixture
def small_disk() -> Path:
    """A file system with less than a gigabyte free, as every Linux has one."""
    for place in (Path("/run"), Path("/dev"), Path("/sys/fs/cgroup")):
        if shutil.disk_usage(place).free < 1 << 30:
            return place
    pytest.skip("every file system has room")


def test_what_uv_says_of_a_full_disk_counts_where_a_disk_is_full(
    run_of: FailedRun, small_disk: Path, tmp_path: Path
) -> None:
    import dataclasses

    error = EngineError("the toolkit cannot be installed", hint="check the network", details=UV_SAYS)
    settings = dataclasses.replace(run_of.settings, cache_dir=small_disk)
    assert "make room" in with_cure(error, dataclasses.replace(run_of, settings=settings)).hint
    board = RolloutError("the board could not install it", hint="look there", details=UV_SAYS)
    assert with_cure(board, dataclasses.replace(run_of, settings=settings)) is board


PLACES: list[tuple[str, dict[str, str], str, str]] = [
    ("schema --out /dev/null/x", {}, "/dev/null/x: a file is where", "than /dev/null/x"),
    ("schema --out file/x", {}, "file/x: a file is where", "file is no folder: give another path"),
    ("schema --out full", {}, "a file: no space is left", "make room"),
    (f"schema --out {'x' * 300}", {}, "the name is too long", "give another path"),
    ("schema --out circle", {}, "circle", "give another path"),
    ("keys init", {"EDGEKIT_HOME": "/dev/null"}, "/dev/null/config: a file is where", "set EDGEKIT_HOME"),
    ("keys init", {"EDGEKIT_HOME": "file"}, "file/config: a file is where", "set EDGEKIT_HOME"),
    ("init x --in /dev/null/x", {}, "/dev/null/x", "/dev/null is no folder"),
    ("build file -t host", {}, "file/recipe.toml", "file is no folder"),
    ("target probe local --out file/x.toml", {}, "file: something", "give another path than file/x.toml"),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("case", PLACES, ids=lambda case: case[0][:40])
def test_places_that_cannot_be_used(case: tuple[str, dict[str, str], str, str], as_json: bool, tmp_path: Path) -> None:
    words, env, sentence, cure = case
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/recipe.schema.json").symlink_to("/dev/full")
    (tmp_path / "circle").symlink_to("circle")
    done = run(*words.split(), *(["--json"] if as_json else []), cwd=tmp_path, env=env)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    error, hint = (next(line for line in lines if line.startswith(word)) for word in ("error:", "hint:"))
    assert sentence in error and cure in hint
    if as_json:
        told = json.loads(done.stdout)["error"]
        assert (f"error: {told['message']}", f"hint: {told['hint']}", told["exit_code"]) == (error, hint, 2)
    else:
        assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use everything")
def test_what_belongs_to_others(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    done = run("keys", "init", cwd=tmp_path)
    assert done.returncode == 2 and "(mode 0500)" in done.stderr
    (tmp_path / "home").chmod(stat.S_IRWXU)


def test_a_folder_that_was_removed_under_the_feet(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; "$@"; echo "code $?"'
    for argv in (["schema"], ["build", "x", "-t", "host"], ["init", "line"]):
        gone.mkdir(exist_ok=True)
        command = ["sh", "-c", script, "sh", *EDGEKIT, *argv]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "EDGEKIT_HOME": str(tmp_path / "home")}
        done = subprocess.run(command, cwd=gone, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout == "code 2\n", done.stderr
        assert "hint: you stand in a folder that was removed" in done.stderr
