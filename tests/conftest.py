"""Makes tests independent of how they are started: in the background, or several at once (`make test`)."""

from __future__ import annotations

import gc
import signal
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
