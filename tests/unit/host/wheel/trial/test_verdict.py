"""What the end of an import says: recorded ends of real imports under emulation."""

from __future__ import annotations

import pytest

from edgekit.executor import Completed
from edgekit.host.wheel.trial.modules import Compiled
from edgekit.host.wheel.trial.verdict import TrialContext, TrialVerdict, judge

MODULE = Compiled(kind="module", name="gate._ext")
LIBRARY = Compiled(kind="library", name="/tmp/site/gate/libfast.so")
HERE = TrialContext(rule="cross/packages/gate.toml", cores="Cortex-A55")
NUMPY_1 = "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.2.6 as it may crash."


def ended(answer: object = None, stderr: str = "", returncode: int = 0) -> Completed:
    stdout = b"words of the module itself\n\n" + ascii(answer).encode() + b"\n"
    return Completed(argv=(), returncode=returncode, stdout=stdout, stderr=stderr.encode())


def verdict(answer: object = None, stderr: str = "", returncode: int = 0, part: Compiled = MODULE) -> TrialVerdict:
    return judge(part, ended(answer, stderr, returncode), HERE)


def test_an_import_that_ends_well() -> None:
    assert verdict().outcome == "works"
    assert verdict(stderr="numpy.dtype size changed, says a warning").outcome == "works"


@pytest.mark.parametrize(
    ("answer", "stderr", "message", "hint"),
    [
        (["ImportError", "numpy.core.multiarray failed to import", ""], NUMPY_1, "for another numpy", '"numpy>=2"'),
        (["AttributeError", "_ARRAY_API not found", ""], NUMPY_1, "for another numpy", "pin the older numpy"),
        (["ImportError", "SystemError / module compiled against ABI version 0x1000009", ""], "", "another numpy", "2"),
        (["ValueError", "numpy.dtype size changed, may indicate binary incompatibility", ""], "", "another numpy", "2"),
        (["ImportError", "/s/x.so: undefined symbol: jpeg_read", ""], "", "misses the symbol jpeg_read", "sysroot"),
        (
            ["ImportError", "/s/x.so: cannot allocate memory in static TLS block", ""],
            "",
            "thread-local memory",
            "-ftls-model=initial-exec",
        ),
    ],
)
def test_what_would_fail_on_the_board_is_refused_with_a_cure(
    answer: object, stderr: str, message: str, hint: str
) -> None:
    found = verdict(answer, stderr)
    assert found.outcome == "refused" and message in found.message and "gate._ext" in found.message
    assert hint in found.hint and ("cross/packages/gate.toml" in found.hint)


@pytest.mark.parametrize(
    ("stderr", "returncode", "message"),
    [
        ("qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n", 132, "the board's cores (Cortex-A55)"),
        ("", -4, "the board's cores (Cortex-A55)"),
        ("qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n", 139, "crashes when it is imported"),
        ("", 134, "crashes when it is imported (SIGABRT)"),
    ],
)
def test_a_module_that_a_signal_ends_is_refused(stderr: str, returncode: int, message: str) -> None:
    crashed = judge(MODULE, Completed(argv=(), returncode=returncode, stdout=b"", stderr=stderr.encode()), HERE)
    assert crashed.outcome == "refused" and message in crashed.message


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (["ModuleNotFoundError", "No module named 'tensorrt'", "tensorrt"], "it needs tensorrt, which is not among"),
        (["ImportError", "libcuda.so.1: cannot open shared object file: no", ""], "libcuda.so.1, which boards have"),
        (["RuntimeError", "This module can only be run on a Raspberry Pi!", ""], "RuntimeError: This module can only"),
    ],
)
def test_what_this_machine_cannot_tell_is_said_and_refuses_nothing(answer: object, why: str) -> None:
    found = verdict(answer)
    assert found.outcome == "unknown" and why in found.message


def test_a_library_may_find_its_symbols_in_who_loads_it() -> None:
    answer = ["OSError", "/s/libfast.so: undefined symbol: host_log", ""]
    assert verdict(answer, part=LIBRARY).outcome == "unknown"


def test_what_takes_too_much_time_or_memory_cannot_be_told() -> None:
    killed = Completed(argv=(), returncode=-9, stdout=b"", stderr=b"")
    assert judge(MODULE, killed, HERE).outcome == "unknown"


def test_a_module_that_ends_the_program_in_silence() -> None:
    silent = Completed(argv=(), returncode=0, stdout=b"no answer", stderr=b"")
    assert judge(MODULE, silent, HERE).outcome == "unknown"
