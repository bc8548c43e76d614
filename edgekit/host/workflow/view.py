"""Looking at what an application on a device sees: which one, where its pictures are, and saving one."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, NothingSelected, Unreachable
from edgekit.host.link.preview import PreviewLink
from edgekit.host.link.viewing import LoopbackView
from edgekit.host.own_folder import temporary_folder
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.imaging.picture_size import HEAD_BYTES, picture_size
from edgekit.schema.control import ApplicationStatus, Status
from edgekit.schema.report import StreamReport

_LINES = """\
add to recipe.toml, build and deploy:

    [pipeline.sinks.preview]
    kind = "preview"
    lane = "viewers"

    [pipeline.lanes.viewers]
    drop = "drop_oldest"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewed:
    """An application that shows pictures."""

    device: str
    application: str
    streams: tuple[StreamReport, ...]
    link: PreviewLink


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPicture:
    """A picture that was saved."""

    device: str
    application: str
    stream: str
    state: str
    """Of the stream: a picture of one that is not live is not of now."""
    file: str
    bytes: int
    width_px: int
    height_px: int


@contextmanager
def open_preview(name: str, application: str, access: DeviceAccess) -> Iterator[Viewed]:
    """Find the application whose pictures a user wants to see; the way there stays open for as long as the block runs.

    Args:
        name: the device.
        application: which; empty: the only one that shows any.
        access: how devices are reached.

    Raises:
        NothingSelected: there is no such application, or several and none is named.
        InputError: it shows no pictures; or the keeper there is too old.
        Unreachable: the device does not answer, or no worker of it runs.
    """
    device = access.find(name)
    with access.keeper(name) as keeper:
        keeper.check_can("preview", "show pictures")
        found = _choose(name, application, keeper.status())
    _check(name, found)
    with access.executor(device) as executor:
        link = PreviewLink(device, executor, found.application)
        streams = found.report.streams if found.report else ()
        yield Viewed(device=name, application=found.application, streams=streams, link=link)


def save_picture(viewed: Viewed, stream: str, file: Path) -> SavedPicture:
    """Save one picture of a stream, with everything that is drawn into it.

    Args:
        viewed: whose.
        stream: which; empty: the only one.
        file: a name that ends in .jpg; what is there is replaced.

    Raises:
        NothingSelected: there is no such stream, or several and none is named.
        Unreachable: no picture came.
    """
    chosen = _choose_stream(viewed, stream)
    data = viewed.link.picture(chosen.name)
    width_px, height_px = picture_size(data[:HEAD_BYTES]) or (0, 0)
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return SavedPicture(
        device=viewed.device,
        application=viewed.application,
        stream=chosen.name,
        state=chosen.state,
        file=str(file),
        bytes=len(data),
        width_px=width_px,
        height_px=height_px,
    )


def check_name(file: Path) -> None:
    """Before anything is asked of a device. Raises InputError where the name does not say that it is a JPEG."""
    if file.suffix.lower() not in (".jpg", ".jpeg"):
        raise InputError(f"{file} does not end in .jpg, and pictures are JPEG", hint=f"--save {file.stem}.jpg")


@contextmanager
def served(viewed: Viewed, port: int) -> Iterator[LoopbackView]:
    """The preview on a port of this machine's loopback, for whoever has the token; `serve_forever` serves it."""
    with LoopbackView(viewed.link, port) as view:
        yield view


@contextmanager
def shown_in_browser(url: str) -> Iterator[bool]:
    """Open a browser; False where none is found.

    It is given a file that leads on: everybody on this machine may read the arguments of programs.
    """
    with temporary_folder("edgekit-view-") as folder:
        file = folder / "open.html"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">\n')
        yield webbrowser.open(file.as_uri())


def _choose(device: str, application: str, status: Status) -> ApplicationStatus:
    names = [found.application for found in status.applications]
    if not names:
        raise NothingSelected(f"{device} has no application", hint="edgekit deploy a release")
    if application:
        found = status.find(application)
        if found is None:
            message = f"there is no application {application[:80]!r} on {device}"
            raise NothingSelected(message, hint=f"it has: {', '.join(names)}")
        return found
    showing = [found for found in status.applications if found.worker.preview] or list(status.applications)
    if len(showing) > 1:
        listed = ", ".join(found.application for found in showing)
        raise NothingSelected(f"{device} has several applications: {listed}", hint="name one of them")
    return showing[0]


def _check(device: str, found: ApplicationStatus) -> None:
    name = found.application
    if not found.worker.pid:
        stopped = found.phase == "stopped"
        why = "it is stopped" if stopped else found.worker.last_exit or "it is being started"
        hint = f"edgekit {'start' if stopped else 'logs'} {device} {name}"
        raise Unreachable(f"no worker of {name} runs on {device}: {why}", hint=hint)
    if not found.worker.preview:
        raise InputError(f"{name} on {device} shows no pictures: its recipe has no preview", hint=_LINES)


def _choose_stream(viewed: Viewed, stream: str) -> StreamReport:
    names = ", ".join(one.name for one in viewed.streams)
    if not viewed.streams:
        message = f"{viewed.application} on {viewed.device} has no streams yet"
        raise NothingSelected(message, hint="try again once it runs")
    if not stream and len(viewed.streams) == 1:
        return viewed.streams[0]
    if not stream:
        raise NothingSelected(f"{viewed.application} has several streams: {names}", hint="choose one: --stream NAME")
    found = next((one for one in viewed.streams if one.name == stream), None)
    if found is None:
        raise NothingSelected(f"{viewed.application} has no stream {stream[:80]!r}", hint=f"it has: {names}")
    return found
