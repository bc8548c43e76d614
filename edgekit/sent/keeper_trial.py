"""The trial of a new keeper: what is saved of it, and what follows from what is seen. Its text is sent with others'.

    armed     saved before anything is switched
    started   saved before the new keeper runs
    failing   saved before the old one is put back
    passed, failed    over

A new keeper is started once. Whatever else begins while it is `armed` or `started`, its second start or another boot,
ends its trial: so a keeper that crashes, hangs, or takes the board down with it is not started again.

Python 3.10 and newer, standard library alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

OPEN = ("armed", "started", "failing")
MOST_BYTES = 1 << 20
SILENT_S = 20.0
"""A keeper that answered, and then does not for so long, is gone."""


@dataclass(frozen=True)
class KeeperTrial:
    """What `trial.json` holds."""

    phase: str
    new: str
    """File name of the new keeper's copy."""
    old: str
    """That of the one before it, which runs again when this one fails."""
    new_sha256: str
    old_sha256: str
    boot: str
    """The boot in which it was armed."""
    applications: tuple[str, ...] = ()
    """Those that were healthy before: they have to be healthy under the new keeper."""
    unit: str = ""
    """The service's file; empty in process mode."""
    unit_before: str = ""
    """What stood in it."""
    ready_s: float = 60.0
    """How long a keeper may take until it answers."""
    settle_s: float = 40.0
    """How long it has to answer then, without a break: longer than systemd's watchdog waits for a stuck loop."""
    healthy_s: float = 300.0
    """How long the applications may take until they are healthy."""
    reason: str = ""
    """Why it failed."""

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.phase in OPEN


def to_text(trial: KeeperTrial) -> bytes:
    """The file's content."""
    return json.dumps(asdict(trial), indent=1).encode() + b"\n"


def from_text(data: bytes) -> KeeperTrial | None:
    """Read the file; None where it is none. What a newer program wrote into it besides is left out."""
    try:
        raw = json.loads(data)
        known = {one.name for one in fields(KeeperTrial)}
        found: dict[str, Any] = {name: value for name, value in raw.items() if name in known}
        trial = KeeperTrial(**{**found, "applications": tuple(found.get("applications", ()))})
    except (ValueError, TypeError, AttributeError):
        return None
    copies = (trial.new, trial.old)
    named = all(isinstance(name, str) and name.startswith("edgekitd-") and "/" not in name for name in copies)
    limits = (trial.ready_s, trial.settle_s, trial.healthy_s)
    sound = all(isinstance(limit, (int, float)) and 0 <= limit <= 3600 for limit in limits)
    return trial if named and sound else None


def load_trial(path: str) -> KeeperTrial | None:
    """The saved trial; None where there is none that could be read."""
    try:
        with open(path, "rb") as file:
            return from_text(file.read(MOST_BYTES))
    except OSError:
        return None


def on_start(trial: KeeperTrial, boot: str) -> KeeperTrial:
    """The keeper's service is about to start whatever the link leads to."""
    if trial.phase == "armed" and trial.boot == boot:
        return replace(trial, phase="started")
    if trial.phase == "armed":
        return failing(trial, "the device rebooted before it was started")
    if trial.phase == "started":
        again = "it ended" if trial.boot == boot else "the device rebooted"
        return failing(trial, f"{again} before it had run for long enough")
    return trial


def failing(trial: KeeperTrial, reason: str) -> KeeperTrial:
    """It is to be taken back."""
    return replace(trial, phase="failing", reason=reason) if trial.phase in ("armed", "started") else trial


@dataclass(frozen=True)
class Watched:
    """What has been seen of a new keeper that was started; all times are one monotonic clock's."""

    began_s: float
    pid: int = 0
    good_since_s: float | None = None
    """Since when it has answered."""
    answered_s: float = 0.0
    well: bool = False
    """Whether the applications were healthy when it answered last."""


def observe_keeper(watched: Watched, trial: KeeperTrial, seen: Any, now_s: float) -> Watched:
    """What is known after one look; `seen` is a `SeenKeeper`, or None where no keeper answered."""
    if seen is None or seen.sha256 != trial.new_sha256:
        return watched
    since_s = now_s if watched.good_since_s is None else watched.good_since_s
    return replace(
        watched,
        pid=watched.pid or seen.pid,
        good_since_s=since_s if watched.pid in (0, seen.pid) else None,
        answered_s=now_s,
        well=set(trial.applications) <= set(seen.healthy),
    )


def judge_keeper(watched: Watched, trial: KeeperTrial, now_s: float) -> tuple[str, str]:
    """(`passed`, ""), (`failing`, the reason) or (`started`, "") where nothing is decided yet."""
    if watched.pid == 0:
        late = now_s - watched.began_s >= trial.ready_s
        return ("failing", f"it did not answer within {trial.ready_s:g} s of its start") if late else ("started", "")
    if watched.good_since_s is None:
        return "failing", "it ended, and another process answers in its place"
    if now_s - watched.answered_s >= SILENT_S:
        return "failing", f"it answered, and then no more for {SILENT_S:g} s"
    if watched.well and watched.answered_s - watched.good_since_s >= trial.settle_s:
        return "passed", ""
    if not watched.well and now_s - watched.began_s >= trial.healthy_s:
        names = ", ".join(trial.applications)
        return "failing", f"not all that were healthy before were so again within {trial.healthy_s:g} s: {names}"
    return "started", ""
