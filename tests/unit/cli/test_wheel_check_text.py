"""`edgekit wheel check` for people: every fault with its cure, and one sentence for all."""

from __future__ import annotations

import dataclasses

from edgekit.cli.wheel_check import describe, summary
from edgekit.host.wheel.check.audit import WheelReport
from edgekit.host.wheel.check.faults import Fault

UNTIDY = Fault(
    package="part 1.0", file="a.so", code="rpath", message="searches /home/ann", hint="patchelf", severity="warn"
)
STOPS = Fault(package="part 1.0", file="b.so", code="glibc", message="asks for GLIBC_2.38", hint="build it")


def report(*faults: Fault) -> WheelReport:
    return WheelReport(
        package="part 1.0",
        file="part-1.0-cp311-cp311-linux_aarch64.whl",
        tags=("cp311-cp311-linux_aarch64",),
        elf_files=2,
        machines=("aarch64",),
        versions={"GLIBC": "2.38", "LIBAVUTIL": "60"},
        needed=("libc.so.6",),
        true_platform="manylinux_2_38_aarch64",
        faults=faults,
    )


def test_a_wheel_without_faults_is_one_line() -> None:
    [line] = describe(report())
    assert line.endswith(".whl: manylinux_2_38_aarch64, 2 compiled files, GLIBC 2.38")
    assert summary((report(),)) is None


def test_every_fault_has_a_line_and_its_hint() -> None:
    _, *lines = describe(report(UNTIDY, STOPS))
    assert lines == [
        "  rpath: a.so searches /home/ann (loads all the same)",
        "    patchelf",
        "  glibc: b.so asks for GLIBC_2.38",
        "    build it",
    ]


def test_what_is_for_other_machines_is_told_and_no_fault() -> None:
    note = dataclasses.replace(STOPS, code="machine", message="is for x86_64", severity="note")
    _, line = describe(dataclasses.replace(report(), notes=(note,)))
    assert line == "  not for the target: b.so is for x86_64"


def test_the_sentence_names_what_stops_a_wheel_and_counts_the_rest() -> None:
    error = summary((report(), report(UNTIDY, STOPS)))
    assert error and error.exit_code == 4
    assert (error.message, error.hint) == (
        "part 1.0: b.so asks for GLIBC_2.38 (2 faults in 1 of 2 wheels)",
        "build it",
    )
    alone = summary((report(STOPS),))
    assert alone and alone.message == "part 1.0: b.so asks for GLIBC_2.38"
