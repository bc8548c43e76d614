"""Healthy or not, and why: pure functions over a worker's reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from edgekit.schema.recipe import Health
from edgekit.schema.report import Report

Stage = Literal["waiting", "settling", "settled", "failed"]
_PATIENCE = 3.0


def judge(health: Health, report: Report | None, age_s: float) -> tuple[str, ...]:
    """Every reason why a worker is not healthy, each with value and limit; none when it is.

    Args:
        health: the recipe's limits.
        report: the worker's last one.
        age_s: seconds since it came, or since the worker's start where none has come.
    """
    try:
        return _reasons(health, report, age_s)
    except Exception as error:  # whatever a worker says, the keeper goes on
        return (f"its last report cannot be judged: {type(error).__name__}: {error}",)


def _reasons(health: Health, report: Report | None, age_s: float) -> tuple[str, ...]:
    if report is None:
        return (f"no report since the start {age_s:.1f} s ago",)
    reasons = []
    if age_s > health.stall_s:
        reasons.append(f"last report {age_s:.1f} s ago > stall_s {health.stall_s:g}")
    if report.phase != "running":
        reasons.append(f"phase is {report.phase}" + (f": {report.message}" if report.message else ""))
    if report.golden and report.golden != "passed":
        reasons.append(f"golden frames {report.golden}")
    if report.fps < health.min_fps:
        reasons.append(f"fps {report.fps:.1f} < min_fps {health.min_fps:.1f}")
    if health.max_p99_ms is not None and report.p99_ms > health.max_p99_ms:
        reasons.append(f"p99_ms {report.p99_ms:.1f} > max_p99_ms {health.max_p99_ms:.1f}")
    ratio = report.errors / max(1, report.errors + report.frames)
    if ratio > health.max_error_ratio:
        reasons.append(f"error_ratio {ratio:.3f} > max_error_ratio {health.max_error_ratio:g}")
    return tuple(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
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


def observe(trial: Trial, report: Report | None, age_s: float, now_s: float) -> Trial:
    """The trial after a look at the worker's last report."""
    probes, heard_s = judge(trial.health, report, age_s), now_s - age_s
    if trial.golden and not probes and report is not None and report.golden != "passed":
        probes = ("golden frames not run yet",)
    if not probes:
        since_s = heard_s if trial.healthy_since_s is None else trial.healthy_since_s
        return replace(trial, probes=(), healthy_since_s=since_s, healthy_until_s=heard_s, unhealthy_since_s=None)
    broke_s = trial.unhealthy_since_s if trial.healthy_since_s is None else now_s
    return replace(trial, probes=probes, healthy_since_s=None, unhealthy_since_s=broke_s)


def verdict(trial: Trial, now_s: float) -> tuple[Stage, str]:
    """Where a trial stands, and for a failed one the reason in a sentence."""
    health = trial.health
    golden = next((probe for probe in trial.probes if probe.startswith("golden frames failed")), "")
    if golden:
        return "failed", golden
    if trial.healthy_since_s is not None:
        return ("settled" if trial.healthy_until_s - trial.healthy_since_s >= health.settle_s else "settling"), ""
    because = trial.probes[0]
    if trial.unhealthy_since_s is None:
        late = now_s - trial.started_s >= health.start_s
        return ("failed", f"not healthy within {health.start_s:g} s: {because}") if late else ("waiting", "")
    if now_s - trial.unhealthy_since_s >= health.settle_s:
        return "failed", f"was healthy, then not for {health.settle_s:g} s: {because}"
    if now_s - trial.started_s >= health.start_s + _PATIENCE * health.settle_s:
        return "failed", f"never healthy for {health.settle_s:g} s without a break: {because}"
    return "waiting", ""
