"""What a worker is started with: its limits, its user, its view of the board, and the calls that it may make."""

from __future__ import annotations

import base64
import json
import os
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.process.cgroup import Limiter
from edgekit.device.keeper.process.confinement.refused_calls import refusing_filter
from edgekit.device.keeper.process.confinement.users import Owner, Users
from edgekit.device.keeper.process.post import Post
from edgekit.device.keeper.update.releases import Release
from edgekit.schema.worker_status import Confinement

_ENTER = (pkgutil.get_data(__package__, "enter.py") or b"").decode() + "\nmain()\n"
"""Read and never imported here: a board's Python may lack what it needs. Read now, while the keeper's file is there."""
_SCRATCH_SHARE = 4
"""What lies in /tmp and /dev/shm is the application's memory: a quarter of it at most."""
_SOCKETS = ("/tmp/argus_socket", "/tmp/nvscsock")  # noqa: S108  Jetson's camera services listen there
_REALTIME_US = 1_000_000
"""How long a realtime thread may compute without waiting for anything: then SIGXCPU ends the worker, as nothing else
would get the CPU any more. Source: Linux, getrlimit(2), RLIMIT_RTTIME."""
MAX_NOTE_BYTES = 4096
_NO_USER = "a user of its own: this keeper is not the system's"
_NO_WORLD = "files, /tmp and /dev/shm of its own: the keeper is not root"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What of the board's files a worker sees."""

    release: str
    """For reading."""
    work: str
    """For writing."""
    hidden: tuple[str, ...]
    """The keeper's folders: empty for the worker, but for the two above. The first is for scratch."""
    programs: tuple[str, ...]
    """Folders that must be there: its Python."""
    sockets: tuple[str, ...]
    scratch_bytes: int
    """What /tmp and /dev/shm take together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEntry:
    """What `enter` does before it becomes the worker."""

    leaf: str
    """The cgroup to join, with its limits in place; empty where limits are advisory."""
    owner: tuple[int, ...]
    """User, group and further groups; empty stays the keeper's user."""
    adopt: str
    """A folder that becomes that user's; empty: it is."""
    note_fd: int
    """Where it says what could not be taken away."""
    oom_score: int
    """Of the kernel, for when memory runs out."""
    largest_file_bytes: int
    realtime_us: int
    """Its lanes may ask for realtime scheduling, and compute for so long without waiting; 0: they may not."""
    world: World | None
    """None: the board's own."""
    network: bool
    refused_calls: str
    """Base64 of the filter."""


def entry_argv(entry: WorkerEntry, argv: Sequence[str]) -> list[str]:
    """The command that confines itself, and then becomes another one."""
    return [sys.executable, "-I", "-S", "-c", _ENTER, json.dumps(asdict(entry)), *argv]


def confine(release: Release, post: Post, layout: Layout, *, leaf: Path | None, owner: Owner | None) -> WorkerEntry:
    """What a release's worker is started with; without the descriptor for the note."""
    limits, work = release.plan.limits, post.work
    there = work.lstat().st_uid
    network = limits.network != "none"
    return WorkerEntry(
        leaf=str(leaf or ""),
        owner=owner.numbers() if owner else (),
        adopt=str(work) if owner and there != owner.uid else "",
        note_fd=-1,
        oom_score=post.oom_score,
        largest_file_bytes=max(limits.work_max, limits.memory_max),
        realtime_us=_REALTIME_US if any(lane.realtime for lane in release.plan.lanes.values()) else 0,
        world=_world(release, work, layout) if os.geteuid() == 0 else None,
        network=network,
        refused_calls=base64.b64encode(refusing_filter(os.uname().machine, network=network)).decode(),
    )


def lacks_of(entry: WorkerEntry, *, shared: bool) -> list[str]:
    """What the keeper itself knows that it cannot take away."""
    found = []
    if not entry.owner or shared:
        found.append("a user of its own" if shared else _NO_USER)
    if entry.world is None:
        found.append(_NO_WORLD)
    return found


def confinement_here(limiter: Limiter, users: Users | None) -> Confinement:
    """What this keeper can take away from workers, as far as is known before one runs."""
    lacks = []
    if limiter.tree is None:
        lacks += [f"limits: {limiter.note}", "devices: no cgroup v2"]
    if users is None:
        lacks.append(_NO_USER)
    if os.geteuid() != 0:
        lacks.append(_NO_WORLD)
    return Confinement(lacks=tuple(lacks))


def read_note(raw: bytes) -> list[str]:
    """What `enter` has said; one that said nothing was ended before."""
    try:
        found = json.loads(raw or b"[]")
    except ValueError:
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _world(release: Release, work: Path, layout: Layout) -> World:
    python = Path(release.plan.python_path)
    return World(
        release=str(release.path),
        work=str(work),
        hidden=(str(layout.run_dir), str(layout.state_dir), str(layout.settings_dir.parent)),
        programs=(str(python.parents[1]),),
        sockets=_SOCKETS,
        scratch_bytes=max(1 << 20, release.plan.limits.memory_max // _SCRATCH_SHARE),
    )
