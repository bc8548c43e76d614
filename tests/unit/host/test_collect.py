"""Emptying takes what is old, then what is too much; what commands use and boards need stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.cache_users import oldest_use_s
from edgekit.host.collect import CacheLimits, collect
from edgekit.host.notes import Notes
from edgekit.host.scratch import Scratch

DAY_S = 86400.0
NOW_S = 100 * DAY_S


def filled(folder: Path, ages_days: dict[str, float]) -> Cache:
    """A cache with entries of 1000 bytes that were last used so many days ago."""
    for key, age in ages_days.items():
        cache = Cache(folder, clock=lambda: NOW_S - age * DAY_S)  # noqa: B023  used at once
        cache.get(key, lambda made: (made / "file").write_bytes(bytes(1000)) and None)
    return Cache(folder)


def keys(cache: Cache) -> list[str]:
    return [entry.key for entry in cache.entries()]


def test_what_was_unused_for_long_goes(tmp_path: Path) -> None:
    cache = filled(tmp_path / "a", {"new": 1, "month": 30, "old": 31})
    gone = collect([cache], CacheLimits(older_than_s=30 * DAY_S), NOW_S, None)
    assert keys(cache) == ["new"] and gone.freed_bytes > 2000 and gone.in_use == 0
    assert [entry.key for entry in gone.entries] == ["old", "month"]
    assert collect([cache], CacheLimits(), NOW_S, None).entries == ()
    assert len(collect([cache], CacheLimits(older_than_s=0), NOW_S, None).entries) == 1


def test_the_longest_unused_goes_until_the_rest_fits_over_all_kinds(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "a", {"x": 1, "y": 5}), filled(tmp_path / "b", {"x": 3, "z": 9})
    gone = collect([one, other], CacheLimits(max_bytes=2500), NOW_S, None)
    assert [(entry.kind, entry.key) for entry in gone.entries] == [("b", "z"), ("a", "y")]
    assert collect([one, other], CacheLimits(max_bytes=2000), NOW_S, None).entries == ()


def test_what_a_running_command_may_have_taken_stays(tmp_path: Path) -> None:
    cache = filled(tmp_path / "a", {"used": 1, "old": 3})
    gone = collect([cache], CacheLimits(older_than_s=0), NOW_S, NOW_S - 2 * DAY_S)
    assert keys(cache) == ["used"] and gone.in_use == 1


def test_what_something_else_hangs_on_stays(tmp_path: Path) -> None:
    cache = filled(tmp_path / "a", {"image": 9, "old": 9})
    collect([cache], CacheLimits(older_than_s=0), NOW_S, None, lambda entry: entry.key == "image")
    assert keys(cache) == ["image"]


def test_what_is_no_entry_goes_at_any_age(tmp_path: Path) -> None:
    cache = filled(tmp_path / "a", {"new": 0, "cut": 0})
    (cache.folder / "cut/entry.json").write_text("{")
    (cache.folder / "junk").touch()
    collect([cache], CacheLimits(older_than_s=30 * DAY_S), NOW_S, None)
    assert keys(cache) == ["new"]


def test_notes_go_by_their_last_use(tmp_path: Path) -> None:
    for key, age in {"old": 31, "used": 31, "new": 1}.items():
        Notes(tmp_path / "notes").write(key, b"text")
        os.utime(tmp_path / "notes" / key, times=(NOW_S - age * DAY_S,) * 2)
    notes = Notes(tmp_path / "notes", clock=lambda: NOW_S - DAY_S)
    assert notes.read("used") == b"text"
    collect([notes], CacheLimits(older_than_s=30 * DAY_S), NOW_S, None)
    assert [entry.key for entry in notes.entries()] == ["new", "used"]


def test_scratch_goes_only_while_nobody_uses_the_cache(tmp_path: Path) -> None:
    for name in ("work/gate-1.0", "logs", "objects/o/12"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_bytes(bytes(5))
    work = Scratch("work", tmp_path / "work", abandoned="left")
    logs, objects = Scratch("logs", tmp_path / "logs"), Scratch("objects", tmp_path / "objects", "?/*")
    now_s = time.time()
    kinds = (work, logs, objects)
    assert collect(kinds, CacheLimits(older_than_s=0), now_s + 1, now_s - DAY_S).entries == ()
    assert [entry.kind for entry in collect(kinds, CacheLimits(older_than_s=DAY_S), now_s + 1, None).entries] == [
        "work"
    ]
    gone = collect(kinds, CacheLimits(older_than_s=DAY_S), now_s + 2 * DAY_S, None)
    assert [entry.key for entry in gone.entries] == ["file", "o/12"] and gone.freed_bytes == 10


_USER = """
import sys
from pathlib import Path
from edgekit.host.cache import Cache
from edgekit.host.cache_users import using
with using(Path(sys.argv[1])):
    print("began", flush=True)
    sys.stdin.readline()
    cached = Cache(Path(sys.argv[1], "a")).get("taken", lambda made: sys.exit("it is gone"))
    print("taken", flush=True)
    sys.stdin.readline()
    print((cached.folder / "file").stat().st_size, flush=True)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_emptying_while_another_process_uses_the_cache(killed: bool, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a")
    for key in ("taken", "other"):
        Cache(tmp_path / "a", clock=lambda: time.time() - 100).get(key, lambda made: (made / "file").touch())
    argv = [sys.executable, "-c", _USER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdin is not None and user.stdout is not None
        assert user.stdout.readline() == "began\n"
        user.stdin.write("take\n")
        user.stdin.flush()
        assert user.stdout.readline() == "taken\n"
        if killed:
            user.kill()
            user.wait()
        gone = collect([cache], CacheLimits(older_than_s=0), time.time() + 1, oldest_use_s(tmp_path))
        assert keys(cache) == ([] if killed else ["taken"])
        assert gone.in_use == (0 if killed else 1)
        if not killed:
            user.stdin.write("go on\n")
            user.stdin.flush()
            assert user.stdout.readline() == "0\n"
