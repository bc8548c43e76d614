"""A cache gives what was put into it, byte for byte, or nothing; one process makes an entry; nothing in use goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.progress import Silent

_MAKER = """
import sys, time
from pathlib import Path
from edgekit.host.cache import Cache
from edgekit.host.progress import Silent
class Said(Silent):
    def step(self, text, *, usually=""):
        print("said", text, flush=True)
        return super().step(text)
folder, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def make(made):
    with log.open("a") as file:
        file.write("made\\n")
    (made / "half").write_text("half")
    print("making", flush=True)
    time.sleep(seconds)
    (made / "whole").write_text("whole")
cached = Cache(folder, Said()).get("key", make, "the engine")
print("cached" if cached.from_cache else "new", (cached.folder / "whole").read_text(), flush=True)
"""


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def fill(text: str = "content") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text(text)
        (folder / "program").write_text("#!/bin/sh\n")
        (folder / "program").chmod(0o755)
        (folder / "link").symlink_to("deep/file")
        (folder / "empty").mkdir()

    return make


def never(folder: Path) -> None:
    pytest.fail(f"{folder} is made again")


def settle(folder: Path, key: str = "key") -> None:
    """Make the entry's memo so young that it is believed: as if it had been written a minute later."""
    file = folder / key / "memo.json"
    record = json.loads(file.read_bytes())
    record["noted_ns"] += 60_000_000_000
    file.write_text(json.dumps(record))


def test_what_was_put_in_is_taken_out_with_its_digests(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    assert cache.take("key") is None
    made = cache.get("key", fill(), "a thing")
    found = cache.get("key", never)
    assert (made.from_cache, found.from_cache) == (False, True)
    assert made.folder == found.folder == cache.path("key")
    assert made.content == found.content
    assert [(file.path, file.bytes, file.executable) for file in found.content.files] == [
        ("deep/file", 7, False),
        ("program", 10, True),
    ]
    assert cache.check("key") == ""


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "deep/file").write_text("CONTENT"), "deep/file is not what it was"),
        (lambda folder: (folder / "deep/file").write_text("cont"), "deep/file is not what it was"),
        (lambda folder: (folder / "deep/file").unlink(), "deep/file is not what it was"),
        (lambda folder: (folder / "deep/more").touch(), "deep/more is not what it was"),
        (lambda folder: (folder / "program").chmod(0o644), "program is not what it was"),
        (lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("/etc/shadow")), "link is not"),
        (lambda folder: ((folder / "deep/file").unlink(), os.mkfifo(folder / "deep/file")), "deep/file is not"),
        (lambda folder: (folder / "empty").rmdir(), "empty is not what it was"),
        (lambda folder: ((folder.parent / "content.json").unlink(), (folder / "new").touch()), "its content"),
    ],
)
def test_a_damaged_entry_is_said_and_made_again(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    told = Notes()
    cache = Cache(tmp_path / "things", told)
    folder = cache.get("key", fill()).folder
    settle(cache.folder)
    damage(folder)
    assert said in cache.check("key")
    again = cache.get("key", fill())
    assert not again.from_cache
    assert len(told.notes) == 1 and said in told.notes[0] and "things/key" in told.notes[0]
    assert (folder / "deep/file").read_text() == "content" and not (folder / "more").exists()
    assert cache.get("key", never).from_cache and len(told.notes) == 1
    assert not list(cache.folder.glob(".aside*"))


def test_what_another_made_anew_meanwhile_is_not_thrown_away(tmp_path: Path) -> None:
    class Faster(Silent):
        """Another process that saw the damage too and has made the entry anew, just before this one throws it away."""

        def note(self, text: str) -> None:
            Cache(tmp_path / "things").get("key", fill("new"))

    folder = Cache(tmp_path / "things").get("key", fill()).folder
    (folder / "deep/more").touch()
    slower = Cache(tmp_path / "things", Faster())
    assert slower.get("key", never).from_cache
    seen = slower.take("key")
    assert seen is not None
    (folder / "deep/more").touch()
    slower.throw_away(seen, "another edgekit's")
    assert (folder / "deep/file").read_text() == "new" and not (folder / "deep/more").exists()


def test_an_edit_that_puts_size_and_time_back_is_seen(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    file = cache.get("key", fill()).folder / "deep/file"
    settle(cache.folder)
    before = file.stat()
    file.write_text("CONTENT")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.take("key") is None


def test_files_that_are_as_they_were_are_not_read_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    file = cache.get("key", fill()).folder / "deep/file"
    settle(cache.folder)
    memo = cache.folder / "key/memo.json"
    digest = json.loads(memo.read_bytes())["files"]["deep/file"][-1]
    memo.write_text(memo.read_text().replace(digest, "f" * 64))
    assert cache.take("key") is None, "the memo's digest was not used: the file was read"
    file = cache.get("key", fill()).folder / "deep/file"
    memo.write_text(memo.read_text().replace(digest, "f" * 64))
    assert cache.take("key") is not None, "a memo written right after a change is not to be believed"
    settle(cache.folder)
    memo.write_text(memo.read_text().replace('"boot": "', '"boot": "another').replace(digest, "f" * 64))
    assert cache.take("key") is not None, "nor one of another boot"
    assert file.is_file()


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"digest": 1, "bytes": 2, "made_s": 3, "title": ""}'])
def test_what_lies_there_and_is_no_entry_makes_room(record: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    cache.get("key", fill())
    (cache.folder / "key/entry.json").write_text(record)
    assert cache.take("key") is None
    assert not cache.get("key", fill()).from_cache
    (cache.folder / "dangling").symlink_to("nowhere")
    (cache.folder / "file").touch()
    (cache.folder / "folder").mkdir()
    (cache.folder / "folder/entry.json").mkdir()
    for key in ("dangling", "file", "folder"):
        assert not cache.get(key, fill()).from_cache and cache.get(key, never).from_cache


def test_the_first_of_two_makers_wins_and_one_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    first = cache.put("key", fill("first"))
    assert cache.put("key", fill("second")).content == first.content

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError):
        cache.get("other", fail)
    assert [path.name for path in cache.folder.glob("[!.]*")] == ["key"]
    assert not list(cache.folder.glob(".aside*")) and not list(cache.folder.glob(".making/*"))


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", ".hidden", "a\nb"])
def test_a_key_is_a_name(key: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        Cache(tmp_path).take(key)


def test_a_cache_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    cache = Cache(tmp_path / "things")
    cache.get("key", fill())
    cache.folder.chmod(0o555)
    try:
        assert cache.get("key", never).from_cache
    finally:
        cache.folder.chmod(0o755)


def test_entries_are_listed_with_size_age_and_last_use(tmp_path: Path) -> None:
    now = [1000.0]
    cache = Cache(tmp_path / "things", clock=lambda: now[0])
    cache.get("key", fill(), "a thing")
    now[0] = 5000.0
    cache.take("key")
    (cache.folder / "none").mkdir()
    (cache.folder / "none/file").write_bytes(bytes(9))
    key, none = cache.entries()
    assert (key.kind, key.key, key.title, key.bytes, key.made_s, key.used_s) == (
        *("things", "key", "a thing", 17, 1000.0, 5000.0),
    )
    assert (none.key, none.bytes, none.used_s) == ("none", 9, 0.0)
    assert Cache(tmp_path / "nothing").entries() == ()


def test_only_what_was_not_used_since_is_dropped(tmp_path: Path) -> None:
    now = [1000.0]
    cache = Cache(tmp_path / "things", clock=lambda: now[0])
    cache.get("key", fill())
    (entry,) = cache.entries()
    now[0] = 2000.0
    cache.take("key")
    assert cache.drop(entry, 1500.0) == 0
    assert cache.drop(entry, 2000.0) == 0, "used in that very moment"
    assert cache.take("key") is not None
    assert cache.drop(entry, 2000.1) > 0
    assert cache.take("key") is None and cache.drop(entry, 3000.0) == 0


@contextmanager
def maker(folder: Path, log: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", _MAKER, str(folder), str(log), str(seconds)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_fill_one_key_and_one_waits(tmp_path: Path) -> None:
    folder, log = tmp_path / "things", tmp_path / "log"
    with maker(folder, log, 1.0) as first:
        assert line(first) == "making"
        with maker(folder, log, 1.0) as second:
            assert line(second) == "said waiting for another edgekit that makes the engine"
            assert line(first) == "new whole"
            assert line(second) == "cached whole"
    assert log.read_text() == "made\n"


def test_a_killed_maker_leaves_nothing_that_counts(tmp_path: Path) -> None:
    folder, log = tmp_path / "things", tmp_path / "log"
    with maker(folder, log, 60.0) as first:
        assert line(first) == "making"
        with maker(folder, log, 0.0) as second:
            assert line(second).startswith("said waiting")
            assert Cache(folder).sweep() == 0, "its maker lives"
            first.send_signal(signal.SIGKILL)
            assert line(second) == "making"
            assert line(second) == "new whole"
    assert Cache(folder).sweep() == 0, "the second has removed what the first left"
    assert sorted(path.name for path in folder.iterdir()) == [".lock", ".making", "key"]
    assert not list(folder.glob(".making/*"))


def test_what_is_unfinished_without_a_lock_goes_after_an_hour(tmp_path: Path) -> None:
    (tmp_path / ".aside-key-1").mkdir()
    (tmp_path / ".aside-key-1/file").write_bytes(bytes(5))
    assert Cache(tmp_path).sweep() == 0
    assert Cache(tmp_path, clock=lambda: time.time() + 3700).sweep() == 5
