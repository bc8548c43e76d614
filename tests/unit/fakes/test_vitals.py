"""What the kernel says of this very process."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from tests.fakes.vitals import cpu_s, descriptors, rss_mib, threads


def test_memory_and_cpu_rise_with_what_is_used() -> None:
    mib, used_s = rss_mib(os.getpid()), cpu_s(os.getpid())
    kept, until_s = bytearray(b"x" * (50 << 20)), time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    assert 40 < rss_mib(os.getpid()) - mib < 200 and cpu_s(os.getpid()) >= used_s + 0.15
    assert kept


def test_threads_and_files_are_counted(tmp_path: Path) -> None:
    before, stop = (len(threads(os.getpid())), descriptors(os.getpid())), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    with (tmp_path / "file").open("w"):
        assert (len(threads(os.getpid())), descriptors(os.getpid())) == (before[0] + 1, before[1] + 1)
    stop.set()
    thread.join()
