"""Commands that use the cache are known for as long as they live."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgekit.errors import LockHeld
from edgekit.host.cache_users import emptying, oldest_use_s, remove_all, using


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
    assert remove_all([tmp_path / "a", tmp_path / "link"]) == 1000 + 10 // 2 + len("kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
