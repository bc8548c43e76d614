"""Whatever becomes of any part of a cache, it gives what was put in, made anew where needed: no error, and no wait."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.cache_users import oldest_use_s, using
from edgekit.host.notes import Notes
from tests.fakes.damage import DAMAGES, REPLACED

_PARTS = {
    "key/entry.json": {**DAMAGES, **REPLACED},
    "key/content.json": {**DAMAGES, **REPLACED},
    "key/memo.json": {**DAMAGES, **REPLACED},
    "key/files/deep/file": {**DAMAGES, **REPLACED},
    "key/files/deep": REPLACED,
    "key/files": REPLACED,
    "key": REPLACED,
    ".lock": REPLACED,
    ".making": {"gone": REPLACED["gone"], "elsewhere": REPLACED["elsewhere"]},
}
_CASES = [(part, name) for part, damages in _PARTS.items() for name in damages]


class _Waits(BaseException):
    """What must not block did."""


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    def end(*_: object) -> None:
        raise _Waits

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def fill(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/file").write_text("content")


@pytest.mark.parametrize(("part", "name"), _CASES, ids=[f"{part}-{name}" for part, name in _CASES])
def test_an_entry_is_whole_or_made_again(part: str, name: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "things")
    cache.get("key", fill)
    cache.take("key")
    _PARTS[part][name](cache.folder / part)
    for _ in range(2):
        cached = cache.get("key", fill)
        assert [(file.path, file.executable) for file in cached.content.files] == [("deep/file", False)]
        assert (cached.folder / "deep/file").read_text() == "content"
        assert not (cached.folder / "deep/file").is_symlink()
    assert cache.get("key", fill).from_cache
    assert cache.check("key") == ""
    for entry in cache.entries():
        cache.drop(entry, 1e12)
    cache.sweep()
    assert cache.entries() == ()


@pytest.mark.parametrize("name", [*DAMAGES, *REPLACED])
def test_a_note_is_whole_or_none_and_can_be_written_again(name: str, tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    notes.write("key", b"content" * 100)
    {**DAMAGES, **REPLACED}[name](notes.folder / "key")
    assert notes.read("key") in (None, b"content" * 100)
    assert (notes.check("key") == "") == (name in ("mode", "elsewhere", "gone"))
    notes.write("key", b"new")
    assert (notes.read("key"), notes.check("key")) == (b"new", "")
    for entry in notes.entries():
        notes.drop(entry, 1e12)
    assert notes.entries() == ()


@pytest.mark.parametrize(("name", "part"), [*product(REPLACED, (".users/one", ".users"))])
def test_who_uses_the_cache_is_known_all_the_same(name: str, part: str, tmp_path: Path) -> None:
    (tmp_path / ".users").mkdir()
    (tmp_path / ".users/one").touch()
    REPLACED[name](tmp_path / part)
    assert oldest_use_s(tmp_path) is None
    with using(tmp_path):
        oldest_use_s(tmp_path)
    assert oldest_use_s(tmp_path) is None
