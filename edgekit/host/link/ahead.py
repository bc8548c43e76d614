"""Makes the next items of a stream while the one before is on its way: packing takes one core, sending another."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def made_ahead(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """The same items in the same order, up to `most` of them made on another thread before they are asked for.

    What making one raises is raised where that item would have come. Whoever stops early closes this iterator: then
    what is being made is waited for, and nothing further is.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming: deque[Future[tuple[T, ...]]] = deque(thread.submit(_next, items) for _ in range(most))
        try:
            while made := coming.popleft().result():
                coming.append(thread.submit(_next, items))
                yield made[0]
        finally:
            thread.shutdown(cancel_futures=True)


def _next(items: Iterator[T]) -> tuple[T, ...]:
    """The next item; empty at the end."""
    for item in items:
        return (item,)
    return ()
