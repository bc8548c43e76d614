"""The right to use a decoder's memory: counted, owned, and over with the frame, unless an array of it is kept."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from edgekit.device.runtime.frames.leases import (
    LeaseBroken,
    StreamLeases,
    adopt,
    let_go,
    note_done,
    note_step,
    pass_on,
)
from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.errors import FrameReleased
from edgekit.imaging.image import RgbImage
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import SPEC, frame


def leases(most: int = 2, clock: Clock | None = None) -> StreamLeases:
    return StreamLeases("gate", most, PicturePool(1 << 20), clock or Clock())


def lent(book: StreamLeases, sequence: int = 0, lane: str = "feed") -> Frame:
    made = frame(sequence, "gate")
    assert book.lend(made, lane)
    return made


def pixels(frame: Frame) -> Any:
    assert isinstance(frame.image, RgbImage)
    return frame.image.pixels


def test_there_are_so_many_and_no_more() -> None:
    book = leases(2)
    one, _other = lent(book, 0), lent(book, 1)
    assert not book.lend(frame(2), "feed") and book.held == 2
    let_go(one, "feed")
    assert book.held == 1 and book.lend(frame(3), "feed")


def test_a_frame_that_has_ended_has_no_picture_and_says_so() -> None:
    book = leases()
    made = lent(book, 7)
    assert pixels(made).shape == (1, 1, 3)
    let_go(made, "feed")
    with pytest.raises(FrameReleased, match="frame 7 of stream gate has ended") as caught:
        _ = made.image
    assert "frame.keep()" in caught.value.hint
    with pytest.raises(FrameReleased):
        made.keep()
    assert made.detections == () and "sequence=7" in repr(made), "all else is there"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = made.nonsense  # type: ignore[attr-defined]


def test_what_is_kept_in_time_outlives_the_frame() -> None:
    """As the hint of the error says."""
    book = leases()
    made = lent(book, 7)
    pixels(made)[:] = 9
    kept = made.keep()
    let_go(made, "feed")
    assert isinstance(kept.image, RgbImage) and int(kept.image.pixels.max()) == 9 and book.held == 0
    assert (kept.stream, kept.sequence, book.pool.lent) == ("gate", 7, 1)
    with kept:
        assert not kept.image.pixels.flags.writeable
    assert book.pool.lent == 0
    with pytest.raises(FrameReleased, match="kept picture of frame 7"):
        _ = kept.image


def test_a_frame_outside_of_a_pipeline_can_be_kept_too() -> None:
    made = frame(3)
    kept = made.keep()
    assert np.array_equal(kept.image.pixels, pixels(made))  # type: ignore[union-attr]


def test_the_last_of_several_lanes_ends_it() -> None:
    book = leases()
    made = lent(book)
    pass_on(made, "feed", ["disk", "net"])
    let_go(made, "net")
    assert pixels(made) is not None and [one.lane for one in book.holders()] == ["disk"]
    let_go(made, "disk")
    assert book.held == 0 and not hasattr_image(made)


def hasattr_image(frame: Frame) -> bool:
    try:
        return frame.image is not None
    except FrameReleased:
        return False


@pytest.mark.parametrize("act", [lambda made: let_go(made, "feed"), lambda made: pass_on(made, "feed", ["disk"])])
def test_nobody_lets_go_of_what_is_not_his(act: Any) -> None:
    book = leases(1)
    made = lent(book)
    with pytest.raises(LeaseBroken, match="lane other has no lease for frame 0 of stream gate"):
        let_go(made, "other")
    let_go(made, "feed")
    with pytest.raises(LeaseBroken):
        act(made)
    lent(book, 1)
    with pytest.raises(LeaseBroken):
        act(made)
    assert book.held == 1, "the next frame's lease is not touched by the one before"


def test_who_has_it_and_since_when() -> None:
    clock = Clock()
    book = leases(2, clock)
    one = lent(book, 0)
    clock.advance(2)
    other = lent(book, 1)
    note_step(one, "feed", "find")
    pass_on(other, "feed", ["follow"])
    first, second = book.holders()
    assert (first.sequence, first.lane, first.place, clock() - first.since_s) == (0, "feed", "find", 2)
    assert (second.sequence, second.lane, second.place, second.outlives) == (1, "follow", "waiting", False)
    let_go(one, "feed")
    third = lent(book, 2)
    assert (third.generation, one.generation) == (2, 1), "the same lease"


def test_an_array_that_is_kept_keeps_its_memory_and_its_lease() -> None:
    clock = Clock()
    book = leases(1, clock)
    made = lent(book, 3)
    note_step(made, "feed", "first")
    one = pixels(made)[0]
    note_done(made, "feed", "first")
    let_go(made, "feed")
    assert [(held.place, held.lane) for held in book.holders()] == [("", "feed")], "nobody was watched yet"
    del one
    made = lent(book, 4)
    note_step(made, "feed", "modest")
    note_done(made, "feed", "modest")
    note_step(made, "feed", "greedy")
    kept = [pixels(made)[:, :, 1:], pixels(made)[0]]
    note_done(made, "feed", "greedy")
    note_step(made, "feed", "late")
    note_done(made, "feed", "late")
    let_go(made, "feed")
    clock.advance(5)
    (held,) = book.holders()
    assert (held.outlives, held.sequence, held.place, held.lane) == (True, 4, "greedy", "feed")
    assert clock() - held.since_s == 5 and book.held == 1 and not book.lend(frame(5), "feed")
    kept.pop()
    assert book.held == 1, "the other array is still there"
    kept.clear()
    assert book.held == 0 and book.holders() == []
    lent(book, 5)


def test_a_lease_that_came_back_and_was_lent_again_is_not_free_when_late_news_come() -> None:
    """The ends of two arrays are told one by one; the first look may see both."""
    book = leases(1)
    image = RgbImage(pixels=np.zeros((2, 2, 3), np.uint8), order="RGB")
    made = Frame(stream="gate", sequence=0, captured_s=0.0, image=image)
    assert book.lend(made, "feed")
    lease, kept = made.lease, image.pixels
    del image
    let_go(made, "feed")
    del kept
    assert book.held == 0
    again = lent(book, 1)
    book._note_end(lease, 1, None)  # type: ignore[arg-type]
    assert book.held == 1 and not book.lend(frame(2), "feed")
    let_go(again, "feed")
    assert book.held == 0


def test_another_frame_that_a_stage_returns_has_the_lease() -> None:
    book = leases()
    made, new = lent(book), frame(0, "gate")
    assert adopt(made, new) is new and not hasattr_image(made)
    let_go(new, "feed")
    assert book.held == 0
    old = lent(book, 1)
    let_go(old, "feed")
    current = lent(book, 2)
    with pytest.raises(FrameReleased, match="frame 1 of stream gate has ended"):
        adopt(current, old)
    let_go(current, "feed")


def test_a_recording_waits_until_one_is_free_or_all_is_over() -> None:
    book, came = leases(1), list[bool]()
    made = lent(book)
    waiting = threading.Thread(target=lambda: came.append(book.wait()))
    waiting.start()
    waiting.join(0.05)
    assert came == []
    let_go(made, "feed")
    waiting.join(PATIENCE_S)
    assert came == [True]
    kept = pixels(made := lent(book))
    let_go(made, "feed")
    waiting = threading.Thread(target=lambda: came.append(book.wait()))
    waiting.start()
    waiting.join(0.05)
    assert came == [True]
    del kept
    waiting.join(PATIENCE_S)
    assert came == [True, True], "the end of an array is heard of too"
    lent(book)
    waiting = threading.Thread(target=lambda: came.append(book.wait()))
    waiting.start()
    book.close()
    waiting.join(PATIENCE_S)
    assert came[2:] == [False]


def test_all_come_back_in_time_or_not() -> None:
    book = leases()
    assert book.wait_for_all(5)
    made = lent(book)
    assert not book.wait_for_all(0.02)
    thread = threading.Thread(target=lambda: (eventually(lambda: True), let_go(made, "feed")))
    thread.start()
    assert book.wait_for_all(20)
    thread.join(PATIENCE_S)


def test_the_end_of_a_picture_holds_no_array_of_it_itself() -> None:
    """Else every frame would seem to be kept by somebody for a moment."""
    book = leases()
    image = PicturePool().picture(SPEC, "a")
    made = Frame(stream="gate", sequence=0, captured_s=0.0, image=image)
    del image
    assert book.lend(made, "feed")
    let_go(made, "feed")
    assert book.watched == 0 and book.held == 0
