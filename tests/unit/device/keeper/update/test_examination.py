"""Reading releases whole, beside all else that the board has to do."""

from __future__ import annotations

import os
import threading

from edgekit.device.keeper.update.examination import Examination


def test_it_comes_after_all_who_want_the_processor() -> None:
    found: list[int] = []

    def look(_digest: str) -> tuple[str, ...]:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return ()

    before = os.getpriority(os.PRIO_PROCESS, 0)
    examination = Examination(["a"], look)
    examination._thread.join(60)
    assert found == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_what_could_not_be_seen_is_not_known() -> None:
    def look(digest: str) -> tuple[str, ...]:
        if digest == "second":
            raise OSError(24, "Too many open files")
        return ("a file is damaged",)

    examination = Examination(["first", "second", "third"], look)
    examination._thread.join(60)
    assert examination.over
    assert examination.wrong_with("first") == ("a file is damaged",)
    assert examination.wrong_with("second") is None and examination.wrong_with("third") is None
