"""A device's scheduling: recorded into a trace that Perfetto opens, and decided anew from such a trace."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, InputError
from edgekit.executor import Executor
from edgekit.host.link.records import receive_record
from edgekit.host.own_folder import temporary_folder
from edgekit.host.progress import Progress
from edgekit.host.tracing import StreamSummary, record_in, summarise, to_chrome
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.out_file import check_out_file
from edgekit.schema.message import from_message
from edgekit.schema.trace import ReplayReply, unpack_record

_CHILD = "edgekit.device.runtime.schedule.replay"
_REPLAY_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTrace:
    """What a user wants to be recorded."""

    application: str = ""
    """Empty: the only one on the device."""
    seconds: float = 20.0
    out: Path | None = None
    """The file to write; None: one named after device and application, in this folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTrace:
    """A trace that was written."""

    device: str
    application: str
    file: str
    bytes: int
    seconds: float
    """How long the record is."""
    full: bool
    """Whether it ended early, as the worker keeps no more."""
    streams: tuple[StreamSummary, ...]


def record_trace(name: str, wanted: WantedTrace, access: DeviceAccess, progress: Progress) -> WrittenTrace:
    """Record an application on a device, and write a trace.

    Args:
        name: the device.
        wanted: of which application, for how long, and where to.
        access: the way there.
        progress: is told what goes on.

    Raises:
        NothingSelected: there is no such device or application, or it does not run.
        LockHeld: somebody records it already.
        InputError: the keeper there is older.
        Unreachable: the worker does not answer.
    """
    if wanted.out is not None:
        check_out_file(wanted.out, "--out")
    with access.keeper(name) as keeper:
        application, raw = receive_record(keeper, wanted.application, wanted.seconds, progress.note)
    record = unpack_record(raw)
    streams = summarise(record)
    content = to_chrome(record, raw, name)
    file = wanted.out or Path(f"{_plain(f'{name}-{application}')}.trace.json")
    file.write_bytes(content)
    return WrittenTrace(
        device=name,
        application=application,
        file=str(file),
        bytes=len(content),
        seconds=round(record.header.seconds, 3),
        full=record.header.full,
        streams=streams,
    )


def replay_trace(file: Path, executor: Executor) -> ReplayReply:
    """Have the scheduler decide anew what it decided when a trace was recorded.

    In a child of its own: the scheduler is a part of what runs on boards.

    Raises:
        InputError: the file is no trace, or its record is damaged.
    """
    raw = record_in(file.read_bytes())
    with temporary_folder("edgekit-replay-") as folder:
        (folder / "record").write_bytes(raw)
        done = executor.run([sys.executable, "-I", "-m", _CHILD, str(folder / "record")], timeout_s=_REPLAY_S)
    if done.returncode:
        raise EdgekitError("the replay ended early", hint="report it with the trace", details=done.output)
    reply = from_message(ReplayReply, done.stdout, "the replay's answer")
    if reply.failure:
        raise InputError(f"{file}: {reply.failure}", hint="record it again: edgekit trace DEVICE")
    return reply


def _plain(name: str) -> str:
    """What to call a file: a device may be USER@HOST:PORT, and what it calls its application may be a path."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lstrip(".-") or "device"
