"""Queues between lanes: bounded, and every drop has its cause."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.device.runtime.schedule.queues import LaneQueue
from edgekit.imaging.image import RgbImage
from edgekit.schema.recipe import DropPolicy

IMAGE = RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")
END = EndOfPass(loop=0, last=True)


def item(index: int) -> Item:
    return Item(source="s", index=index, loop=0, captured_s=0.0, image=IMAGE)


def drained(queue: LaneQueue) -> list[int]:
    """Indices up to the end of the pass; -1 for the end itself."""
    seen = []
    for entry in queue.take():
        seen.append(entry.index if isinstance(entry, Item) else -1)
        if seen[-1] == -1:
            break
    return seen


@pytest.mark.parametrize(
    ("policy", "left", "drops"),
    [("drop_oldest", [3, 4, -1], {"drop_oldest": 3}), ("drop_newest", [0, 1, -1], {"drop_newest": 3})],
)
def test_a_full_queue_drops_as_it_is_told_and_counts(
    policy: DropPolicy, left: list[int], drops: dict[str, int]
) -> None:
    queue = LaneQueue(2, policy)
    for index in range(5):
        queue.put(item(index))
    ending = threading.Thread(target=queue.put, args=(END,))
    ending.start()
    assert drained(queue) == left
    ending.join(5)
    assert queue.drops == drops


def test_block_waits_and_loses_nothing() -> None:
    queue = LaneQueue(1, "block")

    def produce() -> None:
        for index in range(50):
            queue.put(item(index))
        queue.put(END)

    thread = threading.Thread(target=produce)
    thread.start()
    assert drained(queue) == [*range(50), -1]
    thread.join(5)
    assert queue.drops == {}


@pytest.mark.parametrize("policy", ["block", "drop_oldest", "drop_newest"])
def test_the_end_of_a_pass_is_never_dropped(policy: DropPolicy) -> None:
    queue = LaneQueue(1, policy)
    queue.put(END)
    waiting = threading.Thread(target=queue.put, args=(EndOfPass(loop=1, last=True),))
    waiting.start()
    queue.put(item(1)) if policy == "drop_newest" else None
    assert drained(queue) == [-1]
    waiting.join(5)
    assert len(queue) == 1


def test_closing_frees_both_sides() -> None:
    queue = LaneQueue(1, "block")
    queue.put(item(0))
    putting = threading.Thread(target=queue.put, args=(item(1),))
    putting.start()
    queue.close()
    putting.join(5)
    assert not putting.is_alive()
    assert list(queue.take()) == []
