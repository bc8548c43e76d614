"""Commands that use the cache are known for as long as they live."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from edgekit.host.cache_users import oldest_use_s, using


def test_who_uses_the_cache_is_known_while_they_do(tmp_path: Path) -> None:
    cache = tmp_path / "new/cache"
    assert oldest_use_s(cache) is None
    with using(cache, lambda: 2000.0):
        assert oldest_use_s(cache) == 2000.0
        with using(cache, lambda: 1000.0):
            assert oldest_use_s(cache) == 1000.0
        assert oldest_use_s(cache) == 2000.0
    assert oldest_use_s(cache) is None
    assert not list((cache / ".users").iterdir())


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
