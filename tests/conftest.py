"""Makes tests independent of how they are started: in the background, or several at once (`make test`)."""

from __future__ import annotations

import gc
import shutil
import signal
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling


def pytest_configure() -> None:
    """Let children be interrupted: what is started in the background ignores Ctrl-C, and hands that on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)  # a handler is not inherited, ignoring is


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what lives as long as the run: thousands of tests, at every turn."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but some variants of a `sampled` test to `make test-long`, the same ones each time, evenly picked."""
    families: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            families[item.nodeid.partition("[")[0]].append(item)
    for variants in families.values():
        mark = variants[0].get_closest_marker("sampled")
        assert mark is not None
        kept = {number * len(variants) // mark.args[0] for number in range(mark.args[0])}
        for number, item in enumerate(variants):
            if number not in kept:
                item.add_marker(pytest.mark.long)


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where this machine has room there: for tests that write a hundred thousand small files."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < 1 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="edgekit-test-") as folder:
        yield Path(folder)


def share_of(nodeid: str) -> str:
    """What runs in one worker: a file, since its tests share what is dear to make; the virtual boards, as one fits."""
    file = nodeid.partition("::")[0]
    return "tests/board" if file.startswith("tests/board/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand out files in the order of collection, which begins with the slow ones: quick ones fill what is left."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share_of(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log)
