"""Clips come whole and checked, a cut transfer goes on, and no name that a board tells leaves the user's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from edgekit.device.keeper.clips import ClipShelf
from edgekit.errors import InputError, NothingSelected, Unreachable
from edgekit.host.link.inventory import Inventory
from edgekit.host.progress import Silent
from edgekit.host.workflow.clips import FetchedClips, WantedClips, fetch_clips, see_clips
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.clips import MAX_PIECE_BYTES
from edgekit.schema.control import Event
from edgekit.schema.fleet import Device
from edgekit.schema.result import ClipEvent, ClipNote
from tests.fakes.keeper_link import FakeLink

FILM = os.urandom(MAX_PIECE_BYTES * 2 + 100)
ALL = WantedClips()


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A board's folder with two clips."""
    folder = tmp_path / "work/clips"
    folder.mkdir(parents=True)
    put(folder, "1_gate_crossed_door", "gate", FILM, at_s=1_000_000.0)
    put(folder, "2_yard_entered_yard", "yard", b"short film", at_s=2_000_000.0)
    return folder


@pytest.fixture
def link(board: Path) -> FakeLink:
    return FakeLink(shelf=ClipShelf(board.parent, ("clips",)))


def put(folder: Path, name: str, stream: str, film: bytes, at_s: float) -> None:
    event = ClipEvent(
        kind="crossed",
        place="door",
        label="person",
        track=1,
        direction="in",
        seconds=0.0,
        frame=5,
        at_s=at_s,
        clip_s=1.0,
    )
    note = ClipNote(
        file=f"{name}.mp4",
        application="sorter",
        version="1.0.0",
        stream=stream,
        at_s=at_s,
        seconds=7.5,
        codec="h264",
        bytes=len(film),
        events=(event, event),
    )
    (folder / f"{name}.mp4").write_bytes(film)
    (folder / f"{name}.json").write_text(json.dumps({**asdict(note), "newer": "field"}))


def access(link: FakeLink) -> DeviceAccess:
    inventory = Inventory(devices={"gate-7": Device(name="gate-7", address="root@10.0.0.7")}, allowed_signers=None)
    return DeviceAccess(inventory=inventory, connect=lambda _: link)


class Progress(Silent):
    """Counts what is shown."""

    def __init__(self) -> None:
        self.shown: dict[str, tuple[int, int]] = {}

    @contextmanager
    def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        self.shown[text] = total, 0

        def advance(count: int) -> None:
            self.shown[text] = total, self.shown[text][1] + count

        yield advance


def fetch(link: FakeLink, folder: Path, wanted: WantedClips = ALL, progress: Progress | None = None) -> FetchedClips:
    return fetch_clips("gate-7", wanted, folder, access(link), progress or Progress())


def test_a_list_says_what_the_notes_say(link: FakeLink, board: Path) -> None:
    (board / "0_no_note.mp4").write_bytes(b"film")
    (board / "00_bad_note.mp4").write_bytes(b"film")
    (board / "00_bad_note.json").write_text('{"at_s": 1e300}')
    found = see_clips("gate-7", ALL, access(link))
    newest, older, *unknown = found.clips
    assert (found.application, newest.file, newest.stream) == ("sorter", "2_yard_entered_yard.mp4", "yard")
    assert (older.at_s, older.seconds, older.event, older.events, older.bytes) == (
        1_000_000.0,
        7.5,
        "crossed door",
        2,
        len(FILM),
    )
    assert [(one.stream, one.seconds) for one in unknown] == [("", None), ("", None)]


def test_whole_clips_come_with_their_notes_and_only_once(link: FakeLink, board: Path, tmp_path: Path) -> None:
    progress = Progress()
    done = fetch(link, tmp_path / "here", progress=progress)
    for file in sorted(board.iterdir()):
        assert (tmp_path / "here/clips" / file.name).read_bytes() == file.read_bytes()
    assert done.bytes == len(FILM) + 10
    assert progress.shown == {
        "clips/1_gate_crossed_door.mp4": (len(FILM), len(FILM)),
        "clips/2_yard_entered_yard.mp4": (10, 10),
    }
    again = fetch(link, tmp_path / "here")
    assert (again.fetched, len(again.already), again.bytes) == ([], 2, 0)
    (tmp_path / "here/clips/2_yard_entered_yard.mp4").write_bytes(b"another")
    with pytest.raises(InputError, match="is another clip"):
        fetch(link, tmp_path / "here")


def test_a_cut_transfer_goes_on_where_it_was_cut(link: FakeLink, tmp_path: Path) -> None:
    link.breaks = [("clip", 2)]
    wanted = WantedClips(stream="gate")
    with pytest.raises(Unreachable):
        fetch(link, tmp_path, wanted)
    assert [file.name for file in (tmp_path / "clips").iterdir()] == ["1_gate_crossed_door.mp4.part"]
    link.asked.clear()
    assert fetch(link, tmp_path, wanted).fetched == ["clips/1_gate_crossed_door.mp4"]
    offsets = [request.offset for request in link.asked if request.verb == "clip"]
    assert offsets == [MAX_PIECE_BYTES, 2 * MAX_PIECE_BYTES], "the first piece did not come again"
    assert (tmp_path / "clips/1_gate_crossed_door.mp4").read_bytes() == FILM


@pytest.mark.parametrize("left", [b"of another clip", FILM + b"more"], ids=["another", "longer"])
def test_a_beginning_that_is_another_clips_is_thrown_away(link: FakeLink, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "clips").mkdir()
    part = tmp_path / "clips/1_gate_crossed_door.mp4.part"
    part.write_bytes(left)
    if len(left) < len(FILM):
        with pytest.raises(Unreachable, match="damaged"):
            fetch(link, tmp_path)
        assert not part.exists()
    fetch(link, tmp_path)
    assert (tmp_path / "clips/1_gate_crossed_door.mp4").read_bytes() == FILM


def test_a_clip_that_goes_meanwhile_costs_the_others_nothing(link: FakeLink, board: Path, tmp_path: Path) -> None:
    class Removes(Progress):
        @contextmanager
        def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
            (board / "2_yard_entered_yard.mp4").unlink(missing_ok=True)
            with super().amount(text, total) as advance:
                yield advance

    done = fetch(link, tmp_path, progress=Removes())
    assert (done.gone, done.fetched) == (["clips/2_yard_entered_yard.mp4"], ["clips/1_gate_crossed_door.mp4"])
    assert not list(tmp_path.glob("clips/*.part"))


def test_clips_are_chosen_by_name_and_number(link: FakeLink, tmp_path: Path) -> None:
    assert fetch(link, tmp_path, WantedClips(newest=1)).fetched == ["clips/2_yard_entered_yard.mp4"]
    named = WantedClips(files=("1_gate_crossed_door.mp4",))
    assert fetch(link, tmp_path, named).fetched == ["clips/1_gate_crossed_door.mp4"]
    with pytest.raises(NothingSelected, match=r"no clip 'none\.mp4'"):
        fetch(link, tmp_path, WantedClips(files=("none.mp4",)))


@pytest.mark.parametrize("file", ["../../.bashrc.mp4", "/etc/passwd.mp4", ".mp4", "a.txt", "a/b.mp4"])
def test_a_name_that_is_a_path_is_refused(link: FakeLink, tmp_path: Path, file: str) -> None:
    link.refuse["clips"] = Event(kind="progress", data={"sink": "clips", "file": file, "bytes": 3})
    with pytest.raises(InputError):
        fetch(link, tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_piece_that_is_none_is_refused(link: FakeLink, tmp_path: Path) -> None:
    for data, words in (
        ({"bytes": len(FILM), "data": "%%"}, "no piece"),
        ({"bytes": len(FILM)}, "another"),
        ({"bytes": 5, "data": "aaaa"}, "another"),
        ({"bytes": 10, "data": "a" * 20}, "another"),
    ):
        link.refuse["clip"] = Event(kind="done", data=data)  # type: ignore[arg-type]
        with pytest.raises(Unreachable, match=words):
            fetch(link, tmp_path)


def test_an_older_keeper_is_named(link: FakeLink, tmp_path: Path) -> None:
    link.features = ()
    with pytest.raises(InputError, match="cannot hand out clips"):
        fetch(link, tmp_path)
