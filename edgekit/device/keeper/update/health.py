"""Healthy or not, and why: pure functions over a worker's reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from edgekit.schema.recipe import Health
from edgekit.schema.report import Report, StreamReport

Standing = Literal["waiting", "settling", "settled", "failed"]
_PATIENCE = 3.0
_AWAY = frozenset({"connecting", "stalled", "frozen", "down", "failed"})
"""States of a stream that gives nothing: any other, also one of a newer worker, counts as live."""


def judge(health: Health, report: Report | None, age_s: float) -> tuple[str, ...]:
    """Every reason why a worker is not healthy, each with value and limit; none when it is.

    Args:
        health: the recipe's limits.
        report: the worker's last one.
        age_s: seconds since it came, or since the worker's start where none has come.
    """
    try:
        return _reasons(health, report, age_s)
    except Exception as error:  # whatever a worker reports, the keeper goes on
        return (f"its last report cannot be judged: {type(error).__name__}: {error}",)


def _reasons(health: Health, report: Report | None, age_s: float) -> tuple[str, ...]:
    if report is None:
        return (f"no report since the start {age_s:.1f} s ago",)
    reasons = []
    if age_s > health.stall_s:
        reasons.append(f"last report {age_s:.1f} s ago > stall_s {health.stall_s:g}")
    if report.phase != "running":
        reasons.append(f"phase is {report.phase}" + (f": {report.message}" if report.message else ""))
    elif report.frames == 0:
        reasons.append("no frame yet")
    elif report.idle_s > health.stall_s:
        reasons.append(f"last frame {report.idle_s:.1f} s ago > stall_s {health.stall_s:g}")
    if report.phase == "running" and report.streams:
        reasons += _too_few(health, report.streams)
    if report.golden and report.golden != "passed":
        reasons.append(f"golden frames {report.golden}")
    if report.fps < health.min_fps:
        reasons.append(f"fps {float(report.fps)} < min_fps {float(health.min_fps)}")
    if health.max_p99_ms is not None and report.p99_ms > health.max_p99_ms:
        reasons.append(f"p99_ms {report.p99_ms:.1f} > max_p99_ms {health.max_p99_ms:.1f}")
    if report.error_ratio > health.max_error_ratio:
        reasons.append(f"error_ratio {report.error_ratio:.3f} > max_error_ratio {health.max_error_ratio:g}")
    return tuple(reasons)


def _too_few(health: Health, streams: tuple[StreamReport, ...]) -> list[str]:
    """Fewer streams give pictures than the recipe asks for, and which do not."""
    away = [stream for stream in streams if stream.state in _AWAY]
    given = len(streams) - len(away)
    if given >= health.min_streams:
        return []
    named = ", ".join(f"{stream.name} {stream.state}" for stream in away)
    return [f"{given} of {len(streams)} streams live < min_streams {health.min_streams}: {named}"]


def patience(health: Health, report: Report | None, *, started_s: float, heard_s: float) -> tuple[float, str]:
    """When a worker that goes on like this counts as hanging, and the reason then.

    Until its first frame a worker has `start_s`, whatever it does meanwhile: loading an engine may take a minute.
    Once it reports, silence for `stall_s` is too much at any time, and so is `stall_s` without a frame after the first.

    Args:
        health: the recipe's limits.
        report: the worker's last one.
        started_s: when it was started.
        heard_s: when its last report came; its start where none has.
    """
    if report is None:
        limit_s = max(health.start_s, health.stall_s)
        return heard_s + limit_s, f"no report for {limit_s:g} s"
    silence = heard_s + health.stall_s, f"no report for {health.stall_s:g} s"
    works = report.phase == "running"
    if report.frames == 0 and report.phase != "failed" and (report.idle_s > 0 or not works):
        return min(silence, (started_s + health.start_s, f"no frame within {health.start_s:g} s of its start"))
    if works and report.idle_s > health.stall_s:
        return heard_s, f"no frame for {health.stall_s:g} s"
    return silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Probation:
    """A new release between its start and its commit. All times are the keeper's monotonic clock's."""

    health: Health
    golden: bool
    """Whether the release has golden frames to pass."""
    started_s: float
    healthy_since_s: float | None = None
    healthy_until_s: float = 0.0
    """When its last good report came: silence is no sign of health."""
    unhealthy_since_s: float | None = None
    """Since it was healthy last; None before it ever was."""
    probes: tuple[str, ...] = ("no report yet",)
    """Why it is not healthy now."""


def observe(probation: Probation, report: Report | None, age_s: float, now_s: float) -> Probation:
    """The probation after a look at the worker's last report."""
    probes, heard_s = judge(probation.health, report, age_s), now_s - age_s
    if probation.golden and not probes and report is not None and report.golden != "passed":
        probes = ("golden frames not run yet",)
    if not probes:
        since_s = heard_s if probation.healthy_since_s is None else probation.healthy_since_s
        return replace(probation, probes=(), healthy_since_s=since_s, healthy_until_s=heard_s, unhealthy_since_s=None)
    broke_s = probation.unhealthy_since_s if probation.healthy_since_s is None else now_s
    return replace(probation, probes=probes, healthy_since_s=None, unhealthy_since_s=broke_s)


def verdict(probation: Probation, now_s: float) -> tuple[Standing, str]:
    """Where a probation stands, and for a failed one the reason in a sentence."""
    health = probation.health
    golden = next((probe for probe in probation.probes if probe.startswith("golden frames failed")), "")
    if golden:
        return "failed", golden
    if probation.healthy_since_s is not None:
        settled = probation.healthy_until_s - probation.healthy_since_s >= health.settle_s
        return ("settled" if settled else "settling"), ""
    because = probation.probes[0]
    if probation.unhealthy_since_s is None:
        late = now_s - probation.started_s >= health.start_s
        return ("failed", f"not healthy within {health.start_s:g} s: {because}") if late else ("waiting", "")
    if now_s - probation.unhealthy_since_s >= health.settle_s:
        return "failed", f"was healthy, then not for {health.settle_s:g} s: {because}"
    if now_s - probation.started_s >= health.start_s + _PATIENCE * health.settle_s:
        return "failed", f"never healthy for {health.settle_s:g} s without a break: {because}"
    return "waiting", ""
