"""`edgekit status` for people: health first, and every reason."""

from __future__ import annotations

from dataclasses import replace

from edgekit.cli.status import describe
from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.control import CpuShare, ReleaseFailure, ReleaseRef
from edgekit.schema.report import DropReport, LaneReport, Report, ServingReport, SinkReport, StreamReport
from edgekit.schema.telemetry import (
    AcceleratorLoad,
    BoardTelemetry,
    ClockRate,
    PowerEvents,
    PowerRail,
    Temperature,
    Throttle,
)
from tests.fakes.keeper_link import APPLICATION, STATUS, WORKER

CURRENT = ReleaseRef(digest="ab" * 32, application="sorting-line", version="1.0.0", signer="ann@desk")
REPORT = Report(
    phase="running",
    fps=3.9,
    p50_ms=81.0,
    p99_ms=140.4,
    frames=512,
    golden="passed",
    counts={"red disc": 12, "blue square": 3},
    score={"expected": 40, "counted": 39, "wrong": 1, "passes": 2},
    lanes=(LaneReport(name="infer", tid=9, cpus=(2, 3), busy_ratio=0.5, queue=1, dropped={"drop_oldest": 4}),),
)
RUNNING = replace(
    APPLICATION, application="sorting-line", phase="running", current=CURRENT, healthy=True, report=REPORT
)


def test_each_stream_says_its_state_and_what_it_lost() -> None:
    gate = StreamReport(
        name="gate",
        state="stalled",
        since_s=12.4,
        message="no frame for 12 s",
        fps=3.0,
        wanted_fps=15.0,
        p99_ms=140.0,
        passes=1,
        reconnects=2,
        codec="h264",
        width_px=1280,
        height_px=720,
        colours="BT.709 limited",
        drops=(
            DropReport(place="infer", cause="drop_oldest", count=7),
            DropReport(place="see", cause="error", count=0),
        ),
    )
    yard = StreamReport(name="yard", state="live", since_s=900.0, fps=9.9, p99_ms=80.0)
    found = replace(RUNNING, report=replace(REPORT, streams=(gate, yard)))
    lines = describe("gate-7", replace(STATUS, applications=(found,)))
    assert (
        "  stream    gate stalled for 12 s (no frame for 12 s): "
        "3.0 of 15.0 fps, p99 140 ms, h264 1280x720 BT.709 limited, played 1 time, back 2 times, "
        "dropped 7 drop_oldest at infer" in lines
    )
    assert "  stream    yard live for 900 s: 9.9 fps, p99 80 ms, dropped none" in lines


def test_a_sink_that_sends_elsewhere_says_what_waits_and_why() -> None:
    away = SinkReport(name="broker", message="broker 10.0.0.9 is gone", sent=12, waiting=3, dropped=1)
    clips = SinkReport(name="clips", sent=2, waiting=1, held_bytes={"gate": 3 << 20, "yard": 1 << 20})
    found = replace(RUNNING, report=replace(REPORT, sinks=(away, SinkReport(name="other", sent=5), clips)))
    lines = describe("gate-7", replace(STATUS, applications=(found,)))
    assert "  sink      broker (broker 10.0.0.9 is gone): 12 sent, 3 wait, 1 dropped" in lines
    assert "  sink      other: 5 sent, 0 wait, 0 dropped" in lines
    assert "  sink      clips: 2 sent, 1 wait, 0 dropped, 4.0 MiB of video held" in lines


def test_an_empty_device() -> None:
    lines = describe("gate-7", STATUS)
    assert lines[0].startswith("gate-7: no application, keeper 0.1.0, pid 5")
    assert not any("healthy" in line for line in lines)


def test_a_healthy_one_with_its_figures() -> None:
    shared = replace(RUNNING, shares_cpus=(CpuShare(application="counter", cpus="0"),))
    counter = replace(APPLICATION, application="counter", phase="stopped", current=CURRENT)
    text = "\n".join(describe("gate-7", replace(STATUS, applications=(counter, shared))))
    for part in (
        "gate-7: 2 applications, keeper 0.1.0",
        "  memory    0 B promised of 960.0 MiB for applications",
        "\ncounter: 1.0.0 abababababab",
        "healthy   stopped",
        "\nsorting-line: 1.0.0 abababababab, signed by ann@desk",
        "healthy   yes",
        "shares    CPUs 0 with counter",
        "3.9 fps, p50 81 ms, p99 140 ms, 512 frames; 3 blue square, 12 red disc",
        "1.0 MiB of 64.0 MiB, peak 2.0 MiB, 0 OOM kills",
        "enforced, CPUs 0",
        "infer on CPUs 2-3: busy 50%, queue 1, dropped 4 drop_oldest",
        "39 counted of 40, 1 wrong, 2 passes",
    ):
        assert part in text


def test_the_boards_sensors_are_a_line_a_kind_and_what_is_not_known_is_said() -> None:
    board = BoardTelemetry(
        temperatures=(Temperature(zone="cpu", celsius=55.906), Temperature(zone="tj", celsius=56.0)),
        loads=(
            AcceleratorLoad(accelerator="npu", core="0", ratio=0.63),
            AcceleratorLoad(accelerator="npu", core="1", ratio=0.0),
        ),
        clocks=(
            ClockRate(clock="cpu0", hertz=1497600000, limit_hertz=1984000000),
            ClockRate(clock="memory", hertz=2133000000),
        ),
        rails=(PowerRail(rail="VDD_IN", watts=7.7152),),
        module_watts=7.7152,
        throttles=(
            Throttle(cause="heat", by="gpu-throttle-alert", active=True),
            Throttle(cause="current", by="VDD_IN", active=False),
        ),
        power_events=(PowerEvents(line="oc1", count=0), PowerEvents(line="oc3", count=27)),
        notes=("NPU load: the driver does not tell it",),
    )
    lines = describe("gate-7", replace(STATUS, board=board))
    assert lines[3:] == [
        "  heat      cpu 55.9 C, tj 56.0 C",
        "  load      npu 63% 0%",
        "  clocks    cpu0 1498 of 1984 MHz, memory 2133 MHz",
        "  power     module 7.7 W, VDD_IN 7.7 W",
        "  throttled gpu-throttle-alert (heat)",
        "  supply    too weak: oc3 27 times",
        "  not known NPU load: the driver does not tell it",
    ]
    calm = replace(board, throttles=board.throttles[1:], power_events=board.power_events[:1])
    assert "  throttled no" in describe("gate-7", replace(STATUS, board=calm))
    assert not any("supply" in line for line in describe("gate-7", replace(STATUS, board=calm)))


def test_of_a_worker_that_is_confined_in_all_nothing_is_said() -> None:
    assert "confined" not in "\n".join(describe("gate-7", STATUS))


def test_an_unhealthy_one_says_every_reason_and_what_happened_last() -> None:
    failure = ReleaseFailure(
        digest="cd" * 32,
        application="sorting-line",
        version="2.0.0",
        reason="out of memory: 64 MiB were not enough",
        probes=("fps 0.0 < min_fps 2.0",),
        log_tail=("Killed",),
        at_s=0.0,
    )
    reasons = ("fps 1.0 < min_fps 2.0", "p99_ms 900.0 > max_p99_ms 500.0")
    worker = replace(WORKER, limits="advisory", limits_note="cgroup v1", last_exit="killed by SIGSEGV", restarts=3)
    worker = replace(worker, unconfined=("a user of its own", "devices: no cgroup v2"))
    found = replace(RUNNING, healthy=False, unhealthy_because=reasons, last_failure=failure, worker=worker)
    status = replace(STATUS, applications=(found,), locks={"sorting-line": "eve@desk"})
    text = "\n".join(describe("gate-7", status))
    for part in (
        f"healthy   no: {reasons[0]}; {reasons[1]}",
        "pid 7, 3 restarts",
        "last exit killed by SIGSEGV",
        "advisory (cgroup v1)",
        "confined  but for: a user of its own; devices: no cgroup v2",
        "lock      sorting-line is being deployed by eve@desk",
        "sorting-line 2.0.0 cdcdcdcdcdcd",
        "    out of memory: 64 MiB were not enough",
        "    fps 0.0 < min_fps 2.0",
        "    | Killed",
    ):
        assert part in text


def test_served_models_say_where_and_how_often() -> None:
    serving = ServingReport(models=("net",), addresses=("127.0.0.1:8000", "socket"), answered=12, turned_away=1)
    found = replace(RUNNING, report=replace(REPORT, serving=serving))
    lines = describe("gate-7", replace(STATUS, applications=(found,)))
    assert "  serving   net at 127.0.0.1:8000, socket: 12 answered, 1 turned away, 0 under way" in lines
    closed = replace(serving, addresses=(), message="port 8000 at 127.0.0.1 cannot be opened: Address already in use")
    found = replace(RUNNING, report=replace(REPORT, serving=closed))
    lines = describe("gate-7", replace(STATUS, applications=(found,)))
    assert any(line.startswith("  serving   net at no address (port 8000 at 127.0.0.1 cannot be") for line in lines)


def test_accelerators_stand_with_what_they_are_busy() -> None:
    use = AcceleratorUse(used=("NPU core 0", "NPU core 1"), busy_percent={"NPU core 0": 30.5})
    lines = describe("gate-7", replace(STATUS, applications=(replace(RUNNING, accelerators=use),)))
    assert "  computes  on NPU core 0 30.5 %, NPU core 1" in lines
    lines = describe(
        "gate-7", replace(STATUS, applications=(replace(RUNNING, accelerators=replace(use, shared=True)),))
    )
    assert any(line.endswith("NPU core 1, which it shares") for line in lines)
