"""A process that uses small pages gets no huge ones, not even where it asks; workers, profiles and the keeper do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.schema.settings import SETTINGS_FD_VARIABLE
from tests.fakes.eventually import eventually

_TOUCH = """
import mmap
from edgekit.device.keeper.allocator import return_memory
from edgekit.device.runtime.small_pages import use_small_pages
{call}
def taken_kib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))
area = mmap.mmap(-1, 16 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_HUGEPAGE)
before = taken_kib()
area[8 << 20] = 1
print(taken_kib() - before)
"""


def _taken_kib(call: str) -> int:
    done = subprocess.run([sys.executable, "-c", _TOUCH.format(call=call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("call", ["use_small_pages()", "return_memory()"])
def test_one_byte_in_use_is_one_page(call: str) -> None:
    assert _taken_kib(call) <= 256


def test_without_it_one_byte_takes_a_huge_page_where_the_kernel_has_them() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this kernel gives nobody huge pages")
    assert _taken_kib("pass") >= 2048


def test_a_worker_starts_where_python_has_no_ctypes() -> None:
    code = """import sys
sys.modules["ctypes"] = None
import edgekit.device.runtime.main
from edgekit.device.runtime.small_pages import use_small_pages
use_small_pages()"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["edgekit.device.runtime", "edgekit.device.runtime.profiling"])
def test_what_runs_a_release_begins_with_it(module: str, tmp_path: Path) -> None:
    """What it is told comes late here: it has not looked at the release yet."""
    reader, writer = os.pipe()
    argv = [sys.executable, "-m", module, "--release", str(tmp_path)]
    argv += ["--work", str(tmp_path)] if module == "edgekit.device.runtime" else []
    environ = {**os.environ, SETTINGS_FD_VARIABLE: str(reader)}
    with subprocess.Popen(argv, stdin=reader, stderr=subprocess.DEVNULL, env=environ, pass_fds=[reader]) as process:
        try:
            eventually(lambda: "THP_enabled:\t0" in Path(f"/proc/{process.pid}/status").read_text())
        finally:
            process.kill()
            for end in (reader, writer):
                os.close(end)
