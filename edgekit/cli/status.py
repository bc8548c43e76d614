"""`edgekit status`: what runs on a device, how well, and if not: why."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, keeper_of
from edgekit.cli.session import JsonFlag, SecondsOption, output_for
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted, format_bytes, format_cpus, format_rate

if TYPE_CHECKING:
    from edgekit.schema.accelerators import AcceleratorUse
    from edgekit.schema.control import ApplicationStatus, ReleaseRef, Status
    from edgekit.schema.report import Report, ServingReport, StreamReport
    from edgekit.schema.telemetry import BoardTelemetry, ClockRate


@examples("edgekit status gate-7", "edgekit status gate-7 --watch 30")
def status(
    ctx: typer.Context,
    device: DeviceArgument,
    watch: Annotated[float, SecondsOption] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Show each application on a device, how well it runs, and if not: why."""
    out = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        until = time.monotonic() + watch
        while time.monotonic() < until:
            for found in keeper.status().applications:
                words = figures(found.report) if found.report else "no report yet"
                out.note(f"{device}: {found.application}: {words}")
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        answer = keeper.status()
    out.result(answer, "\n".join(describe(device, answer)))


def figures(report: Report) -> str:
    """A report in one line."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(report.counts.items()))
    frames = counted(report.frames, "frame")
    line = f"{format_rate(report.fps)} fps, p50 {report.p50_ms:.0f} ms, p99 {report.p99_ms:.0f} ms, {frames}"
    return f"{line}; {counts}" if counts else line


def describe(device: str, found: Status) -> list[str]:
    """A status for people: the device, then each application, health first, and why."""
    number = counted(len(found.applications), "application") if found.applications else "no application"
    lines = [f"{device}: {number}, keeper {found.keeper}, pid {found.keeper_pid}, up {found.uptime_s:.0f} s"]
    if found.memory_total_bytes:
        usable = format_bytes(found.memory_total_bytes - found.memory_reserve_bytes)
        lines.append(f"  memory    {format_bytes(found.memory_promised_bytes)} promised of {usable} for applications")
    lines.append(
        f"  disk      {format_bytes(found.store_bytes)} of releases, {format_bytes(found.disk_free_bytes)} free"
    )
    lines += _sensors(found.board) if found.board else []
    lines += [f"  lock      {name} is being deployed by {holder}" for name, holder in sorted(found.locks.items())]
    for application in found.applications:
        lines += ["", *_application(device, application)]
    return lines


def _sensors(board: BoardTelemetry) -> list[str]:
    """What the board's sensors say, a line a kind; what is not known and why comes last."""
    loads: dict[str, list[str]] = {}
    for load in board.loads:
        loads.setdefault(load.accelerator, []).append(f"{load.ratio:.0%}")
    rails = [f"{one.rail} {one.watts:.1f} W" for one in board.rails]
    module = [f"module {board.module_watts:.1f} W"] if board.module_watts is not None else []
    held = [f"{one.by} ({one.cause})" for one in board.throttles if one.active]
    weak = [f"{one.line} {one.count} times" for one in board.power_events if one.count]
    kinds = {
        "heat": [f"{one.zone} {one.celsius:.1f} C" for one in board.temperatures],
        "load": [f"{name} {' '.join(ratios)}" for name, ratios in loads.items()],
        "clocks": [_clock(one) for one in board.clocks],
        "power": module + rails,
        "throttled": held or (["no"] if board.throttles else []),
        "supply": [f"too weak: {', '.join(weak)}"] if weak else [],
    }
    lines = [f"  {kind:<9} {', '.join(parts)}" for kind, parts in kinds.items() if parts]
    return lines + [f"  not known {note}" for note in board.notes]


def _clock(clock: ClockRate) -> str:
    limit = f" of {clock.limit_hertz / 1e6:.0f}" if clock.limit_hertz else ""
    return f"{clock.clock} {clock.hertz / 1e6:.0f}{limit} MHz"


def _application(device: str, found: ApplicationStatus) -> list[str]:
    lines = [f"{found.application}: {_release(found.current)}", f"  phase     {found.phase}"]
    if found.current or found.unhealthy_because:
        lines.append(f"  healthy   {_health(found)}")
    if found.candidate:
        lines.append(f"  candidate {_release(found.candidate)}")
    if found.previous:
        lines.append(f"  previous  {_release(found.previous)}")
    return [*lines, *_worker(found), *(_report(found.report) if found.report else []), *_failure(device, found)]


def _accelerators(use: AcceleratorUse) -> str:
    """Each with how busy it is by the application's profile."""
    busy = {name: f" {percent:.4g} %" for name, percent in use.busy_percent.items()}
    listed = ", ".join(f"{name}{busy.get(name, '')}" for name in use.used)
    return f"{listed}, which it shares" if use.shared else listed


def _health(found: ApplicationStatus) -> str:
    if found.healthy:
        return "yes"
    return "no: " + "; ".join(found.unhealthy_because) if found.unhealthy_because else "stopped"


def _release(ref: ReleaseRef | None) -> str:
    return f"{ref.version} {ref.digest[:12]}, signed by {ref.signer}" if ref else "no release"


def _worker(found: ApplicationStatus) -> list[str]:
    worker = found.worker
    state = f"{worker.state}, pid {worker.pid}, {counted(worker.restarts, 'restart')}" if worker.pid else worker.state
    lines = [f"  worker    {state}"]
    if worker.last_exit:
        lines.append(f"  last exit {worker.last_exit}")
    limit = format_bytes(worker.memory_max) if worker.memory_max else "no limit"
    memory = f"{format_bytes(worker.memory_current)} of {limit}, peak {format_bytes(worker.memory_peak)}"
    lines.append(f"  memory    {memory}, {counted(worker.oom_kills, 'OOM kill')}")
    note = f" ({worker.limits_note})" if worker.limits_note else ""
    lines.append(f"  limits    {worker.limits}{note}, CPUs {worker.cpuset_cpus or 'all'}")
    if found.accelerators and found.accelerators.used:
        lines.append(f"  computes  on {_accelerators(found.accelerators)}")
    if worker.work_max and worker.pid:
        held = ", held by the disk" if worker.work_held else ""
        lines.append(f"  folder    {format_bytes(worker.work_bytes)} of {format_bytes(worker.work_max)}{held}")
    if worker.unconfined:
        lines.append(f"  confined  but for: {'; '.join(worker.unconfined)}")
    return lines + [f"  shares    CPUs {share.cpus} with {share.application}" for share in found.shares_cpus]


def _report(report: Report) -> list[str]:
    lines = [f"  figures   {figures(report)}"]
    if report.golden:
        lines.append(f"  golden    {report.golden}")
    lines += [f"  stream    {_stream(stream)}" for stream in report.streams]
    for sink in report.sinks:
        why = f" ({sink.message})" if sink.message else ""
        held = f", {format_bytes(sum(sink.held_bytes.values()))} of video held" if sink.held_bytes else ""
        counts = f"{sink.sent} sent, {sink.waiting} wait, {sink.dropped} dropped{held}"
        lines.append(f"  sink      {sink.name}{why}: {counts}")
    if report.serving is not None:
        lines.append(f"  serving   {_serving(report.serving)}")
    for lane in report.lanes:
        dropped = ", ".join(f"{count} {cause}" for cause, count in lane.dropped.items() if count) or "none"
        use = f"busy {lane.busy_ratio:.0%}, queue {lane.queue}, dropped {dropped}"
        lines.append(f"  lane      {lane.name} on CPUs {format_cpus(lane.cpus)}: {use}")
    if report.score:
        score = report.score
        right = f"{score.get('counted', 0):.0f} counted of {score.get('expected', 0):.0f}"
        lines.append(
            f"  score     {right}, {score.get('wrong', 0):.0f} wrong, {counted(round(score.get('passes', 0)), 'pass')}"
        )
    return lines


def _stream(stream: StreamReport) -> str:
    """State first, then how well it runs, what it is, and what of it was lost and where."""
    why = f" ({stream.message})" if stream.message else ""
    wanted = f" of {format_rate(stream.wanted_fps)}" if stream.wanted_fps else ""
    parts = [f"{format_rate(stream.fps)}{wanted} fps", f"p99 {stream.p99_ms:.0f} ms"]
    if stream.width_px:
        size = f"{stream.width_px}x{stream.height_px}"
        parts.append(" ".join(word for word in (stream.codec, size, stream.colours) if word))
    if stream.passes:
        parts.append(f"played {counted(stream.passes, 'time')}")
    if stream.reconnects:
        parts.append(f"back {counted(stream.reconnects, 'time')}")
    drops = ", ".join(f"{drop.count} {drop.cause} at {drop.place}" for drop in stream.drops if drop.count) or "none"
    return f"{stream.name} {stream.state} for {stream.since_s:.0f} s{why}: {', '.join(parts)}, dropped {drops}"


def _serving(serving: ServingReport) -> str:
    """Where models are served, how often, and what is in the way."""
    why = f" ({serving.message})" if serving.message else ""
    counts = f"{serving.answered} answered, {serving.turned_away} turned away, {serving.under_way} under way"
    return f"{', '.join(serving.models)} at {', '.join(serving.addresses) or 'no address'}{why}: {counts}"


def _failure(device: str, found: ApplicationStatus) -> list[str]:
    failure = found.last_failure
    if failure is None:
        return []
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(failure.at_s))
    name = f"{failure.application} {failure.version} {failure.digest[:12]}".strip()
    lines = [f"  last failure, {at}: {name or found.application}"]
    lines += [f"    {failure.reason}", *(f"    {probe}" for probe in failure.probes)]
    lines += [f"    | {line}" for line in failure.log_tail]
    return [*lines, f"  why       edgekit why {device} {found.application}"]
