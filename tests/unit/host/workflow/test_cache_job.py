"""The whole cache, checked: damage is found whatever it is, named, and thrown away when that is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from edgekit.errors import NothingSelected
from edgekit.host.cache import Cache
from edgekit.host.cache_users import using
from edgekit.host.notes import Notes
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings, settings_from
from edgekit.host.workflow.cache import collect_cache, list_cache, verify_cache


def fill(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.py").write_text("a = 1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = settings_from({"EDGEKIT_HOME": str(tmp_path / "home")}, Path(__file__).parents[4] / "edgekit")
    sites = Cache(found.cache_dir / "sites")
    sites.put("whole", fill)
    sites.put("other", fill)
    Notes(found.cache_dir / "locks").write("one", b"numpy==2")
    return found


def test_a_whole_cache_is_read_and_left(settings: Settings) -> None:
    checked = verify_cache(settings, Silent(), repair=True)
    assert (checked.entries, checked.damaged) == (3, ())
    assert Cache(settings.cache_dir / "sites").has("whole")


def flip(home: Path) -> Path:
    file = home / "sites/whole/files/inner/a.py"
    stat = file.stat()
    file.write_text("a = 2")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return file


def empty_note(home: Path) -> Path:
    (home / "locks/one").write_bytes(b"")
    return home / "locks/one"


def half_entry(home: Path) -> Path:
    (home / "sites/whole/entry.json").unlink()
    return home / "sites/whole"


def added(home: Path) -> Path:
    (home / "sites/whole/files/evil.py").write_text("")
    return home / "sites/whole/files/evil.py"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "inner/a.py is not what it was"),
        (added, "evil.py is not what it was"),
        (half_entry, "it is no whole entry"),
        (empty_note, "its content is not what it was"),
    ],
)
def test_damage_is_named_and_goes_when_asked(settings: Settings, damage: object, reason: str) -> None:
    assert callable(damage)
    path = damage(settings.cache_dir)
    (found,) = verify_cache(settings, Silent()).damaged
    assert (found.reason, found.removed) == (reason, False)
    assert path.exists()
    (found,) = verify_cache(settings, Silent(), repair=True).damaged
    assert (found.reason, found.removed) == (reason, True)
    assert not path.exists()
    assert verify_cache(settings, Silent()).damaged == ()


def test_what_a_running_command_took_stays(settings: Settings) -> None:
    with using(settings.cache_dir):
        assert Cache(settings.cache_dir / "sites").take("whole")
        flip(settings.cache_dir)
        (found,) = verify_cache(settings, Silent(), repair=True).damaged
        assert not found.removed
    (found,) = verify_cache(settings, Silent(), repair=True).damaged
    assert found.removed


def test_what_earlier_versions_left_is_listed_and_goes(settings: Settings) -> None:
    left = [settings.cache_dir / name for name in ("cross/pythons", "board/images", "crossbuild/zig-objects/o")]
    for folder in left:
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1000))
    (settings.cache_dir / "in-use.lock").touch()
    listed = {entry.key for entry in list_cache(settings, ["leftovers"])}
    assert listed == {"cross", "board", "crossbuild/zig-objects", "in-use.lock"}
    with using(settings.cache_dir):
        collect_cache(settings, older_than_s=None, max_bytes=None)
        assert all(folder.is_dir() for folder in left)
    assert collect_cache(settings, older_than_s=None, max_bytes=None).freed_bytes >= 3000
    assert list_cache(settings, ["leftovers"]) == ()
    assert Cache(settings.cache_dir / "sites").has("whole")


def test_what_has_no_digest_is_not_called_whole(settings: Settings) -> None:
    logs = settings.cache_dir / "crossbuild" / "logs"
    logs.mkdir(parents=True)
    (logs / "spidev.log").write_text("cc")
    checked = verify_cache(settings, Silent())
    assert (checked.entries, [entry.kind for entry in checked.unchecked]) == (3, ["logs"])


def test_what_is_thrown_away_while_others_are_read_is_not_damaged(settings: Settings) -> None:
    class Gone(Silent):
        """Somebody empties the cache right after it was listed."""

        def amount(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
            collect_cache(settings, older_than_s=0.0, max_bytes=None)
            return super().amount(text, total)

    checked = verify_cache(settings, Gone())
    assert checked.entries > 1 and checked.damaged == ()


def test_only_the_kinds_that_are_named(settings: Settings) -> None:
    flip(settings.cache_dir)
    assert verify_cache(settings, Silent(), names=["locks"]).damaged == ()
    with pytest.raises(NothingSelected):
        verify_cache(settings, Silent(), names=["toasters"])
