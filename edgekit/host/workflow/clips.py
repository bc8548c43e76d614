"""Clips of events that lie on a device: seeing which there are, and fetching them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.clips import list_clips, receive_clip
from edgekit.host.progress import Progress
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.clips import KeptClip
from edgekit.schema.message import from_message
from edgekit.schema.result import ClipNote

_PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardClip:
    """A clip on a device. What its note does not say is empty, or None."""

    sink: str
    file: str
    bytes: int
    stream: str = ""
    at_s: float | None = None
    """When its first event was, seconds since 1970, UTC."""
    seconds: float | None = None
    event: str = ""
    """Kind and place of its first event."""
    events: int = 0
    short: str = ""
    """Why it ends early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardClips:
    """Clips of an application on a device, the newest first."""

    device: str
    application: str
    clips: tuple[BoardClip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedClips:
    """Which clips a user means; all where nothing is said."""

    application: str = ""
    """Empty: the only one on the device."""
    stream: str = ""
    newest: int = 0
    """So many of the newest; 0: all."""
    files: tuple[str, ...] = ()
    """Their names."""


@dataclass(slots=True, kw_only=True)
class FetchedClips:
    """What came of fetching."""

    device: str
    application: str
    folder: str
    fetched: list[str] = field(default_factory=list)
    """Names below the folder."""
    already: list[str] = field(default_factory=list)
    """Those that were there, whole."""
    gone: list[str] = field(default_factory=list)
    """Those that the device removed meanwhile, to make room."""
    bytes: int = 0
    """Of what was fetched now."""


def see_clips(name: str, wanted: WantedClips, access: DeviceAccess) -> BoardClips:
    """Which clips there are.

    Args:
        name: the device.
        wanted: which of them.
        access: the way there.

    Raises:
        NothingSelected: there is no such device or application, or no clip of a name that was given.
        InputError: the keeper there is older.
    """
    with access.keeper(name) as keeper:
        application, found = _chosen(keeper, wanted)
    clips = tuple(_described(clip) for clip in found)
    return BoardClips(device=name, application=application, clips=clips)


def fetch_clips(name: str, wanted: WantedClips, folder: Path, access: DeviceAccess, progress: Progress) -> FetchedClips:
    """Bring clips and their notes into folders of their sinks' names. What is there whole is not fetched again.

    A clip that is under way ends in `.part`, which the next time goes on with.

    Args:
        name: the device.
        wanted: which clips.
        folder: where their folders are, or will be.
        access: the way there.
        progress: shows each transfer.

    Raises:
        NothingSelected: as `see_clips`.
        InputError: something else of that name lies there.
        Unreachable: the link broke; what has come stays.
    """
    with access.keeper(name) as keeper:
        application, found = _chosen(keeper, wanted)
        done = FetchedClips(device=name, application=application, folder=str(folder))
        for clip in found:
            _fetch(keeper, clip, folder / clip.sink, done, progress)
    return done


def _fetch(keeper: KeeperClient, clip: KeptClip, folder: Path, done: FetchedClips, progress: Progress) -> None:
    file, name = folder / clip.file, f"{clip.sink}/{clip.file}"
    if file.exists():
        if not file.is_file() or file.stat().st_size != clip.bytes:
            raise InputError(f"{file} is there, and is another clip", hint="fetch into another folder: --to FOLDER")
        done.already.append(name)
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}{_PART}")
    try:
        with progress.amount(name, clip.bytes) as advance:
            receive_clip(keeper, done.application, clip, part, advance)
    except NothingSelected:
        part.unlink(missing_ok=True)
        done.gone.append(name)
        return
    if clip.note:
        file.with_suffix(".json").write_text(clip.note, encoding="utf-8")
    part.replace(file)
    done.fetched.append(name)
    done.bytes += clip.bytes


def _chosen(keeper: KeeperClient, wanted: WantedClips) -> tuple[str, list[KeptClip]]:
    application, found = list_clips(keeper, wanted.application)
    found.sort(key=lambda clip: (clip.file, clip.sink), reverse=True)
    if wanted.stream:
        found = [clip for clip in found if _described(clip).stream == wanted.stream]
    if wanted.files:
        missing = set(wanted.files) - {clip.file for clip in found}
        if missing:
            message = f"{application} has no clip {sorted(missing)[0][:200]!r}"
            raise NothingSelected(message, hint="edgekit clips list shows which there are")
        found = [clip for clip in found if clip.file in wanted.files]
    return application, found[: wanted.newest or None]


def _described(clip: KeptClip) -> BoardClip:
    try:
        note = from_message(ClipNote, clip.note, "note") if clip.note else None
    except InputError:  # written by something newer, or by nobody who may
        note = None
    if note is None:
        return BoardClip(sink=clip.sink, file=clip.file, bytes=clip.bytes)
    return BoardClip(
        sink=clip.sink,
        file=clip.file,
        bytes=clip.bytes,
        stream=note.stream,
        at_s=note.at_s,
        seconds=note.seconds,
        event=_event(note),
        events=len(note.events),
        short=note.short,
    )


def _event(note: ClipNote) -> str:
    return f"{note.events[0].kind} {note.events[0].place}".strip() if note.events else ""
