"""From records to a cause and one sentence: pure, so each rule is tried on what boards have really written down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.judging.causes import explain, headline
from edgekit.schema.incident import Incident, TroubledStream
from edgekit.schema.trust import DAY_S

BACK = Incident(
    kind="rolled_back", number=5, at_s=1_800_000_000.0, application="sorter", version="2.0.0", reason="it was so"
)
AGAIN = replace(BACK, kind="restarted", version="1.0.0")
AWAY = TroubledStream(name="gate", state="down", since_s=12.0, message="no answer for 3 s")
FPS = "not healthy within 15 s: fps 0.0 < min_fps 2.0"


def failed(reason: str, cause: str = "", **more: object) -> Incident:
    return replace(BACK, reason=reason, cause=cause, **more)  # type: ignore[arg-type]


def told(incident: Incident, *before: Incident) -> tuple[str, str]:
    found = explain(incident, [*before, incident])
    assert found.hint
    assert "\n" not in found.sentence
    return found.cause, found.sentence


@pytest.mark.parametrize(
    ("incident", "cause", "sentence"),
    [
        (
            failed("out of memory: killed at memory_max 64.0 MiB (peak 64.0 MiB)", "out_of_memory",
                   figures={"memory_peak_bytes": 64 << 20, "memory_max_bytes": 64 << 20}),
            "out_of_memory",
            "sorter 2.0.0 was rolled back: it ran out of memory, with a peak of 64.0 MiB at memory_max 64.0 MiB",
        ),
        (
            failed("exited with code 3: engine a.onnx cannot be loaded: no graph", "bad_model"),
            "bad_model",
            "sorter 2.0.0 was rolled back: its model cannot be used: exited with code 3: engine a.onnx cannot be "
            "loaded: no graph",
        ),
        (
            failed("exited with code 3: OSError: [Errno 98] Address already in use", "port_taken",
                   figures={"port": 8080.0}, facts={"port_holder": "nginx (process 312)"}),
            "port_taken",
            "sorter 2.0.0 was rolled back: port 8080 is taken already, by nginx (process 312)",
        ),
        (
            failed("disk full: needs 3.0 MiB, free 1.2 MiB", "disk_full", figures={"disk_free_bytes": 1 << 20}),
            "disk_full",
            "sorter 2.0.0 was rolled back: the disk is full (1.0 MiB free): needs 3.0 MiB, free 1.2 MiB",
        ),
        (
            failed("its folder is full: 8.0 MiB of 8.0 MiB on disk (work_max) (exited with code 1)",
                   figures={"disk_free_bytes": 1 << 30}),
            "disk_full",
            "sorter 2.0.0 was rolled back: its folder is full: 8.0 MiB of 8.0 MiB on disk (work_max) (exited with "
            "code 1)",
        ),
        (
            failed("its folder takes 9.0 MiB on disk, work_max is 8.0 MiB"),
            "disk_full",
            "sorter 2.0.0 was rolled back: its folder takes 9.0 MiB on disk, work_max is 8.0 MiB",
        ),
        (
            failed(FPS, "unhealthy", streams=(AWAY,)),
            "camera_gone",
            "sorter 2.0.0 was rolled back: no pictures come from a camera: gate down for 12 s: no answer for 3 s",
        ),
        (
            failed(FPS, "unhealthy", streams=(replace(AWAY, cause="colour_mismatch", message="source gate: 709"),)),
            "colour_mismatch",
            "sorter 2.0.0 was rolled back: colours do not fit: source gate: 709",
        ),
        (failed(FPS, "unhealthy"), "unhealthy", f"sorter 2.0.0 was rolled back: a health gate was missed: {FPS}"),
        (
            failed("not healthy within 15 s: p99_ms 900.0 > max_p99_ms 100.0", "unhealthy", streams=(AWAY,)),
            "unhealthy",
            "sorter 2.0.0 was rolled back: a health gate was missed: not healthy within 15 s: p99_ms 900.0 > "
            "max_p99_ms 100.0",
        ),
        (
            replace(AGAIN, reason="killed by SIGSEGV", count=4, figures={"quick_ends": 4.0, "ran_s": 2.5}),
            "crash_loop",
            "sorter 1.0.0 was restarted 4 times: it is in a crash loop: it ended 4 times soon after its start, the "
            "last time after 2.5 s: killed by SIGSEGV",
        ),
        (
            replace(AGAIN, reason="killed by SIGSEGV", figures={"quick_ends": 2.0}),
            "crash",
            "sorter 1.0.0 was restarted: killed by SIGSEGV",
        ),
        (
            replace(AGAIN, reason="out of memory: killed at memory_max 1 MiB (peak 1 MiB)", cause="out_of_memory",
                    count=9, figures={"quick_ends": 9.0}),
            "out_of_memory",
            "sorter 1.0.0 was restarted 9 times: it ran out of memory: killed at memory_max 1 MiB (peak 1 MiB)",
        ),
        (failed("no report for 5 s"), "hang", "sorter 2.0.0 was rolled back: it hung: no report for 5 s"),
        (
            replace(BACK, kind="refused", version="", cause="signature", reason="the release is not signed"),
            "signature",
            "a release of sorter was refused: its signature does not count: the release is not signed",
        ),
        (
            replace(BACK, kind="refused", application="", version="", reason="the permit is for release ab"),
            "other",
            "what was brought was refused: the permit is for release ab",
        ),
    ],
)  # fmt: skip
def test_a_cause_in_one_sentence(incident: Incident, cause: str, sentence: str) -> None:
    assert told(incident) == (cause, sentence)


@pytest.mark.parametrize(
    ("line", "cause", "named"),
    [
        ("error while loading shared libraries: libcamera.so.0.3: cannot open shared object file: No such file",
         "missing_library", "libcamera.so.0.3 is missing"),
        ("ImportError: /usr/lib/libx.so: version `GLIBC_2.38' not found (required by /site/a.so)",
         "missing_library", "GLIBC_2.38 is missing"),
        ("ModuleNotFoundError: No module named 'spidev'", "missing_library", "spidev is missing"),
        ("OSError: [Errno 98] Address already in use", "port_taken", "taken already"),
        ("OSError: [Errno 28] No space left on device", "disk_full", "the disk is full"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory", "ran out of memory"),
        ("The engine plan file is not compatible with this TensorRT, expecting library version 10.3.0.26 got 10.16.1",
         "engine_version", "another version"),
    ],
)  # fmt: skip
def test_a_worker_that_could_say_nothing_is_understood_by_what_the_system_said(
    line: str, cause: str, named: str
) -> None:
    incident = failed("exited with code 1", log=("it begins", line))
    found, sentence = told(incident)
    assert found == cause
    assert named in sentence


def test_what_the_worker_said_itself_counts_before_what_its_log_holds() -> None:
    log = ("OSError: [Errno 98] Address already in use",)
    assert told(failed("exited with code 3: engine", "bad_model", log=log))[0] == "bad_model"


def jump(number: int, days: float, signed_s: float = 0.0) -> Incident:
    at_s = 1_790_000_000.0
    figures = {"step_s": days * DAY_S, "before_s": at_s, "after_s": at_s + days * DAY_S, "signed_s": signed_s}
    return Incident(kind="clock", number=number, reason="the clock jumped", figures=figures)


OLD = replace(
    BACK,
    kind="refused",
    cause="key_age",
    reason="the release is refused: key SHA256:x of ann is older than 90 days",
    hint="edgekit keys rotate makes a new key",
)


def test_a_key_that_is_too_old_by_a_clock_that_jumped_is_the_clocks_fault() -> None:
    cause, sentence = told(OLD, jump(4, 3000))
    assert cause == "clock_jump"
    assert "the device's clock jumped from 2026-09-21" in sentence and "to 2034-12-08" in sentence
    assert "key SHA256:x of ann is older than 90 days" in sentence
    found = explain(OLD, [jump(4, 3000), OLD])
    assert "timedatectl" in found.hint
    assert "the clock jumped by +3000.0 days" in found.evidence


@pytest.mark.parametrize(
    "before",
    [
        (),
        (jump(4, -3000),),
        (jump(3, 3000), jump(4, -3000)),
        (jump(6, 3000),),
        (jump(4, 0.5),),
        (jump(4, 3000, signed_s=1_800_000_000.0),),
    ],
)
def test_a_key_that_is_too_old_is_so_where_no_jump_forward_remains(before: tuple[Incident, ...]) -> None:
    found = explain(OLD, [*before, OLD])
    assert (found.cause, found.hint) == ("key_age", "edgekit keys rotate makes a new key")


@pytest.mark.parametrize(("end", "cause"), [("keeper", "keeper"), ("power", "power")])
def test_a_trial_that_was_cut_short_is_told_by_what_cut_it(end: str, cause: str) -> None:
    lost = failed("the keeper or the power went away before the release was committed")
    ended = Incident(kind=end, number=4, reason="ended")
    assert told(lost, ended)[0] == cause


def test_the_last_of_the_application_is_asked_for_and_the_boards_own_only_where_nothing_else_is_known() -> None:
    other = replace(BACK, number=7, application="counter")
    cut = Incident(kind="power", number=9, reason="the power went")
    record = (replace(BACK, number=1), replace(BACK, number=3), other, jump(8, 1), cut)
    found = headline(record, "sorter")
    assert found is not None and found.number == 3
    assert headline(record, "") == other
    assert headline((jump(8, 1), cut), "") == cut
    assert headline((jump(8, 1),), "") is None
    assert headline((), "sorter") is None


def test_a_newer_keepers_words_are_told_as_they_are() -> None:
    newer = replace(BACK, kind="quarantined", cause="cosmic_ray", reason="a bit flipped.")
    assert told(newer) == ("cosmic_ray", "sorter 2.0.0 quarantined: a bit flipped")


def test_a_full_folder_has_its_own_cure() -> None:
    folder = failed("its folder takes 9.0 MiB on disk, work_max is 8.0 MiB")
    disk = failed("disk full: needs 3.0 MiB, free 1.2 MiB", "disk_full")
    assert "raise limits.work_max" in explain(folder, [folder]).hint
    assert "free space on the device" in explain(disk, [disk]).hint
