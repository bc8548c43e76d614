"""Builds share the cache; what empties it has it alone, and takes only what nobody needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekit.errors import LockHeld
from edgekit.host.cache_users import emptying, oldest_use_s, remove_all, using
from edgekit.host.wheel.cross.leftovers import remove_leftovers
from edgekit.host.wheel.cross.places import Places
from edgekit.host.wheel.tree import cached_tree, unused_trees

DAY_S = 86400.0


def test_who_uses_the_cache_is_known_while_they_do(tmp_path: Path) -> None:
    cache = tmp_path / "new/cache"
    assert oldest_use_s(cache) is None
    with using(cache, lambda: 2000.0):
        assert oldest_use_s(cache) == 2000.0
        with using(cache, lambda: 1000.0):
            assert oldest_use_s(cache) == 1000.0
            with pytest.raises(LockHeld, match="another command uses"), emptying(cache):
                pass
        assert oldest_use_s(cache) == 2000.0
    assert oldest_use_s(cache) is None
    assert not list((cache / ".users").iterdir())
    with emptying(cache):
        pass


def test_a_user_that_was_killed_does_not_count(tmp_path: Path) -> None:
    code = "import sys, pathlib, time\nfrom edgekit.host.cache_users import using\n"
    code += "with using(pathlib.Path(sys.argv[1])):\n    print('in', flush=True)\n    time.sleep(60)\n"
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None and user.stdout.readline() == "in\n"
        began_s = oldest_use_s(tmp_path)
        user.kill()
    assert began_s is not None and abs(began_s - time.time()) < 60
    assert oldest_use_s(tmp_path) is None
    assert not list((tmp_path / ".users").iterdir())


def test_a_cache_that_cannot_be_written_is_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with using(tmp_path / "file" / "cache"):
        assert (tmp_path / "file").is_file()


def test_what_is_removed_is_counted_and_links_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(bytes(1000))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(bytes(10))
    (tmp_path / "link").symlink_to("kept")
    (tmp_path / "a/hard").hardlink_to(tmp_path / "kept/file")
    assert remove_all([tmp_path / "a", tmp_path / "link"]) == 1000 + len("kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_leftovers_of_builds_that_were_cut_off_go_and_the_rest_by_its_age(tmp_path: Path) -> None:
    places = Places(cache=tmp_path, cross=tmp_path)
    cut_off = ("work/gate-1.0-ab/source", ".warm-x1", "tmpab12", "roots/.aside-1", "wheels/.aside-2", "zig/.aside-3")
    for name in (*cut_off, "sources/ab", "zig/0.17.1", "zig-objects/o/12", "toolchains/ab"):
        (places.root / name).mkdir(parents=True)
        (places.root / name / "file").touch()
    (tmp_path / "sites/.aside-4").mkdir(parents=True)
    (places.root / "sources/ab/.part-1").write_bytes(bytes(5))
    (places.root / "logs").mkdir()
    (places.root / "logs/gate.log").touch()
    now_s = (places.root / "sources/ab").stat().st_mtime + 2 * DAY_S
    assert remove_leftovers(places, 3, now_s) == 5
    left = sorted(path.parent.relative_to(places.root).as_posix() for path in places.root.rglob("file"))
    assert left == ["sources/ab", "toolchains/ab", "zig-objects/o/12", "zig/0.17.1"]
    assert not list((tmp_path / "sites").iterdir())
    remove_leftovers(places, 1, now_s)
    left = sorted(path.parent.relative_to(places.root).as_posix() for path in places.root.rglob("file"))
    assert left == ["toolchains/ab", "zig/0.17.1"] and not list((places.root / "logs").iterdir())


def test_laid_out_packages_go_when_nobody_used_them_for_long(tmp_path: Path) -> None:
    for name in ("old", "used", "cut"):
        cached_tree(tmp_path, name, lambda folder: (folder / "module.py").write_text("1"))
        os.utime(tmp_path / name / "index.json", (0, 0))
    (tmp_path / "cut/index.json").unlink()
    assert cached_tree(tmp_path, "used", lambda folder: pytest.fail(f"{folder} is there")).from_cache
    now_s = (tmp_path / "used/index.json").stat().st_mtime
    assert [path.name for path in unused_trees(tmp_path, 30, now_s)] == ["cut", "old"]
    assert [path.name for path in unused_trees(tmp_path, 0, now_s)] == ["cut", "old", "used"]
    assert unused_trees(tmp_path / "none", 0, now_s) == ()
