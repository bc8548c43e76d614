"""Clips of events, on a virtual clock: they decode, begin before the event, and show it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from edgekit.device.runtime.figures import LaneFigures, SinkFigures
from edgekit.device.runtime.sinks import clip_file
from edgekit.device.runtime.sinks.clip_file import ClipFile, open_unbuffered
from edgekit.device.runtime.sinks.clip_folder import ClipFolder
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.packet_ring import PacketRing
from edgekit.device.runtime.sinks.recording import ClipDesk, Moment
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.sources.pace import Pace
from edgekit.device.runtime.sources.packets import PacketTap
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.result import ClipEvent
from edgekit.schema.sink import ClipSink
from edgekit.schema.units import Bytes
from edgekit.stage import Frame
from tests.fakes.clips import clip_source
from tests.fakes.clock import Clock
from tests.fakes.numbered_clip import number_in, numbers_in, write_numbered
from tests.fakes.plans import small_plan

PLAN = ClipSink(kind="clip", before_s=2.0, after_s=1.0, lane="l")
UTC_S = 1_795_689_591.0
"""26 November 2026, 10:39:51 UTC."""


def event(number: int, kind: Any = "crossed", place: str = "door") -> ClipEvent:
    """Its track is the picture's number."""
    return ClipEvent(
        kind=kind, place=place, label="person", track=number, direction="in", seconds=0, frame=number, at_s=0, clip_s=0
    )


@dataclass(kw_only=True)
class Studio:
    """One camera, one desk."""

    folder: Path
    plan: ClipSink = PLAN
    open_file: Callable[[Path], BinaryIO] = open_unbuffered
    free_bytes: Callable[[Path], int] = lambda _: 1 << 40
    clock: Clock = field(default_factory=Clock)
    figures: SinkFigures = field(default_factory=SinkFigures)

    def __post_init__(self) -> None:
        self.ring = PacketRing(self.plan.before_s + 5, self.plan.buffer)
        plan = small_plan(sinks={"clips": self.plan})
        context = SinkContext(
            name="clips", plan=plan, release=self.folder, work=self.folder / "work", figures=PipelineFigures()
        )
        self.desk = ClipDesk(
            plan=self.plan,
            context=context,
            figures=self.figures,
            rings={"gate": self.ring},
            clock=self.clock,
            open_file=self.open_file,
            free_bytes=self.free_bytes,
        )

    def play(self, file: Path, events: Mapping[int, ClipEvent], *, late: int = 0, loops: int = 1) -> None:
        """Play a clip; each event happens in the picture of its number, and is known `late` pictures later."""
        source = clip_source(file, matrix=None, loops=loops)
        pace = Pace("camera", self.clock, self.clock.advance)
        clip = ClipReader("gate", source, file.parent, pace=pace, tap=PacketTap("gate", [self.ring]))
        waiting: list[tuple[int, Moment]] = []
        for count, entry in enumerate(clip.entries(LaneFigures("l", self.clock))):
            if isinstance(entry, Frame):
                number = number_in(entry.image)
                if number in events and entry.sequence == number:
                    at_s = UTC_S + entry.captured_s - 1000
                    noted = replace(events[number], at_s=at_s)
                    waiting.append((count + late, Moment(stream="gate", event=noted, captured_s=entry.captured_s)))
            self.desk.step([moment for due, moment in waiting if due == count])
        clip.close()

    def end(self) -> None:
        """Let time pass until nothing is being made."""
        for _ in range(100):
            self.clock.advance(1.0)
            self.desk.step([])
        assert not self.desk.busy

    def clips(self) -> list[Path]:
        return sorted(file for file in (self.folder / "work/clips").iterdir() if file.suffix in (".mp4", ".mkv"))

    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(file.with_suffix(".json").read_text()) for file in self.clips()]


@pytest.mark.parametrize(
    ("codec", "suffix", "reorder", "container"),
    [
        ("h264", "mp4", 0, "mp4"),
        ("h264", "ts", 2, "mp4"),
        ("h264", "mkv", 2, "mkv"),
        ("hevc", "mp4", 0, "mp4"),
        ("mjpeg", "mkv", 0, "mp4"),
        ("mjpeg", "mkv", 0, "mkv"),
    ],
)
def test_a_clip_plays_and_shows_its_event(
    codec: str, suffix: str, reorder: int, container: Any, tmp_path: Path
) -> None:
    file = write_numbered(tmp_path / f"c.{suffix}", codec, 200, group=25, reorder=reorder)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, format=container))
    studio.play(file, {110: event(110)})
    studio.end()
    (clip,) = studio.clips()
    assert clip.name == f"20261126T103955-400Z_gate_crossed_door.{container}"
    seen = numbers_in(clip)
    first = 50 if codec != "mjpeg" else 60
    whole = seen[:-reorder] if reorder else seen  # the last ones are decoded after pictures behind the end
    assert whole == [*range(whole[0], whole[-1] + 1)], "none is missing, none comes twice"
    assert first - 2 <= seen[0] <= first + 1 and 134 <= seen[-1] <= 140, "the key picture before 2 s; 1 s after"
    (note,) = studio.notes()
    assert (note["file"], note["stream"], note["codec"], note["short"]) == (clip.name, "gate", codec, "")
    assert note["bytes"] == clip.stat().st_size
    assert note["seconds"] == pytest.approx(len(seen) / 25, abs=0.1)
    (shown,) = note["events"]
    assert (shown["kind"], shown["place"], shown["track"], shown["frame"]) == ("crossed", "door", 110, 110)
    assert shown["clip_s"] == pytest.approx((110 - seen[0]) / 25, abs=0.4 if reorder else 0.2)
    assert note["at_s"] == pytest.approx(UTC_S + 4.4, abs=0.01)
    assert (studio.figures.sent, studio.figures.dropped, studio.figures.trouble) == (1, 0, "")
    assert {left.suffix for left in clip.parent.iterdir()} == {f".{container}", ".json"}


def test_what_happens_meanwhile_makes_the_clip_longer_up_to_its_longest(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 400, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, longest_s=6.0))
    studio.play(file, {number: event(number) for number in (100, 120, 150, 200, 235, 300)})
    studio.end()
    first, second = [numbers_in(clip) for clip in studio.clips()]
    assert (first[0], second[0]) == (50, 250), "and the second begins before its own event"
    assert 250 <= first[-1] <= 252, "6 s after the first event"
    assert 324 <= second[-1] <= 326
    assert [[one["track"] for one in note["events"]] for note in studio.notes()] == [[100, 120, 150, 200, 235], [300]]


def test_an_event_that_is_known_late_is_in_its_clip(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 300, group=25)
    studio = Studio(folder=tmp_path)
    studio.play(file, {100: event(100), 124: event(124)}, late=24)
    studio.end()
    (clip,) = studio.clips()
    seen = numbers_in(clip)
    assert seen[0] == 50 and 148 <= seen[-1] <= 150


def test_a_clip_ends_where_the_stream_does(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 100, group=25)
    studio = Studio(folder=tmp_path)
    studio.play(file, {95: event(95)}, loops=2)
    studio.end()
    (clip,) = studio.clips()
    assert numbers_in(clip) == [*range(25, 100)]
    assert studio.notes()[0]["short"] == "the stream began anew"


def test_past_the_quota_the_oldest_go(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 1000, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, quota=Bytes(1 << 20), before_s=0.5, after_s=0.5))
    most = 0

    def measured(path: Path) -> BinaryIO:
        nonlocal most
        most = max(most, sum(one.stat().st_size for one in path.parent.iterdir()))
        return open_unbuffered(path)

    studio.desk.open_file = measured
    studio.play(file, {number: event(number) for number in range(50, 1000, 100)})
    studio.end()
    assert studio.figures.sent == 10
    kept = [note["events"][0]["track"] for note in studio.notes()]
    assert 1 <= len(kept) < 10 and kept == [*range(50, 1000, 100)][-len(kept) :]
    assert most <= 1 << 20
    size = sum(one.stat().st_size for one in (tmp_path / "work/clips").iterdir())
    assert 300_000 < size <= 1 << 20
    again = ClipFolder(tmp_path / "work/clips", 1 << 20)
    again.open()
    assert again.bytes == size


def test_a_clip_larger_than_the_quota_ends_there_and_plays(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 500, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, quota=Bytes(400_000), after_s=30.0))
    studio.play(file, {100: event(100)})
    studio.end()
    (note,) = studio.notes()
    assert note["short"].startswith("the quota of") and len(numbers_in(studio.clips()[0])) > 25


def test_a_quota_that_not_even_the_beginning_fits_into_is_told(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 200, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, quota=Bytes(20_000)))
    studio.play(file, {100: event(100)})
    studio.end()
    assert list((tmp_path / "work/clips").iterdir()) == []
    assert studio.figures.trouble.startswith("the quota of 19.5 KiB is not enough")


def test_after_a_power_cut_nothing_is_left_that_is_not_whole(tmp_path: Path) -> None:
    folder = tmp_path / "work/clips"
    folder.mkdir(parents=True)
    for name in ("a.mp4.part", "b.json.part", "c.json", "d.mp4", "d.json", "notes.txt"):
        (folder / name).write_text("x" * 10)
    made = ClipFolder(folder, 1 << 20)
    made.open()
    assert {file.name for file in folder.iterdir()} == {"d.mp4", "d.json", "notes.txt"}
    assert made.bytes == 20


class FullDisk:
    """A file on a disk that takes no more than so much."""

    def __init__(self, file: BinaryIO, room: list[int]) -> None:
        self._file, self._room = file, room
        self.seek, self.tell, self.fileno, self.close = file.seek, file.tell, file.fileno, file.close

    def write(self, data: bytes) -> int:
        if len(data) > self._room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room[0] -= len(data)
        return self._file.write(data)


def test_a_full_disk_costs_the_clip_and_is_told_until_one_is_written_again(tmp_path: Path) -> None:
    file, room = write_numbered(tmp_path / "c.mp4", "h264", 200, group=25), [100_000]
    studio = Studio(folder=tmp_path, open_file=lambda path: FullDisk(open_unbuffered(path), room))  # type: ignore[arg-type,return-value]
    studio.play(file, {60: event(60)})
    studio.end()
    assert studio.clips() == [] and list((tmp_path / "work/clips").iterdir()) == []
    assert (studio.figures.sent, studio.figures.dropped) == (0, 1)
    assert studio.figures.trouble == "clips cannot be written: No space left on device"
    room[0] = 1 << 30
    studio.play(file, {60: event(60)})
    studio.end()
    assert (studio.figures.sent, studio.figures.trouble) == (1, "")


def test_a_disk_that_others_fill_costs_old_clips_and_not_the_new_one(tmp_path: Path) -> None:
    file, room = write_numbered(tmp_path / "c.mp4", "h264", 200, group=25), [1 << 30]
    studio = Studio(folder=tmp_path, free_bytes=lambda _: room[0])
    studio.play(file, {60: event(60)})
    studio.end()
    (old,) = studio.clips()
    room[0] = 1000
    studio.play(file, {120: event(120)})
    studio.end()
    (new,) = studio.clips()
    assert new != old and 120 in numbers_in(new)
    assert (studio.figures.sent, studio.figures.dropped) == (2, 0)


def test_a_container_that_cannot_be_begun_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(clip_file._CONTAINERS, "mp4", "no such format")
    with pytest.raises(ValueError):
        ClipFile(tmp_path / "a.mp4.part", "mp4", "h264", open_unbuffered)
    assert not list(tmp_path.iterdir())


def test_an_event_that_is_known_too_late_is_told_and_not_where_the_ring_keeps_longer(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 600, group=25)
    studio = Studio(folder=tmp_path)
    studio.play(file, {60: event(60)}, late=450)
    assert studio.figures.trouble == "an event of stream gate was known 18 s after its picture: it had gone"
    assert studio.figures.dropped == 1
    studio.ring.keep(30.0)
    studio.play(file, {60: event(60)}, late=450)
    studio.end()
    (clip,) = studio.clips()
    assert 60 in numbers_in(clip)


def test_a_disk_that_is_too_slow_ends_the_clip_and_holds_no_more_memory(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 400, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, buffer=Bytes(300_000), after_s=10.0))
    clock, most = studio.clock, 0
    source = clip_source(file, matrix=None)
    pace = Pace("camera", clock, clock.advance)
    clip = ClipReader("gate", source, file.parent, pace=pace, tap=PacketTap("gate", [studio.ring]))
    for entry in clip.entries(LaneFigures("l", clock)):
        most = max(most, studio.ring.bytes)
        if isinstance(entry, Frame) and entry.sequence in (60, 70, 399):
            moments = [Moment(stream="gate", event=event(60), captured_s=entry.captured_s)]
            studio.desk.step(moments if entry.sequence == 60 else [])
    studio.end()
    assert most <= 300_000
    (note,) = studio.notes()
    assert note["short"] == "its packets came faster than the disk takes them"
    assert max(numbers_in(studio.clips()[0])) in range(68, 73)


def test_a_stream_without_packets_or_of_another_codec_is_told(tmp_path: Path) -> None:
    studio = Studio(folder=tmp_path)
    studio.desk.step([Moment(stream="gate", event=event(1), captured_s=1.0)])
    assert studio.figures.trouble == "stream gate gives no packets that a clip could be made of"
    studio.ring.begin("vp9")
    studio.desk.step([])
    assert "stream gate is vp9, of which no clips can be made" in studio.figures.trouble
    studio.ring.begin("h264")
    studio.desk.step([Moment(stream="gate", event=event(1), captured_s=studio.clock.now_s)])
    studio.end()
    assert studio.figures.trouble == "stream gate gave no key picture in time for a clip"
    assert studio.figures.dropped == 2


def test_key_pictures_too_far_apart_for_the_buffer_are_told_for_a_while(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 60, group=1000)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, buffer=Bytes(100_000)))
    studio.play(file, {})
    told = "stream gate sends more than the buffer of 97.7 KiB from one key picture to the next"
    assert studio.figures.trouble == told
    studio.end()
    assert studio.figures.trouble == ""


def test_a_folder_that_cannot_be_made_is_told_and_is_made_as_soon_as_it_can(tmp_path: Path) -> None:
    studio = Studio(folder=tmp_path)
    (tmp_path / "work").write_text("")
    studio.desk.step([])
    assert (studio.figures.trouble, studio.figures.dropped) == ("clips cannot be written: Not a directory", 0)
    (tmp_path / "work").unlink()
    studio.desk.step([])
    assert studio.figures.trouble == "" and (tmp_path / "work/clips").is_dir()


def test_names_of_any_kind_are_file_names(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path, 1 << 20)
    part = folder.part("gate", UTC_S, ("stayed", "../Töre & co./" + "x" * 100), "mp4")
    assert part == tmp_path / ("20261126T103951-000Z_gate_stayed_T-re-co-" + "x" * 31 + ".mp4.part")


def test_a_clip_ends_and_none_begins_while_memory_is_tight(tmp_path: Path) -> None:
    """What was written until then is a clip that says why it is short."""
    file = write_numbered(tmp_path / "gate.mp4", "h264", 100, group=25)
    studio = Studio(folder=tmp_path, plan=replace(PLAN, after_s=20.0, longest_s=60.0))
    studio.play(file, {60: event(60)})
    studio.ring.pause(paused=True)
    studio.desk.step([])
    assert not studio.desk.busy
    (note,) = studio.notes()
    assert note["short"] == "memory is tight: no video is kept for clips"
    studio.desk.step([Moment(stream="gate", event=event(70), captured_s=studio.clock())])
    assert not studio.desk.busy and studio.figures.dropped == 1
    assert studio.figures.trouble == "memory is tight: no video is kept for clips"
    studio.ring.pause(paused=False)
    studio.play(file, {60: event(60)})
    studio.end()
    assert len(studio.clips()) == 2 and studio.figures.trouble == ""
