"""A rate that is kept on any clock, and nothing saved up for a burst."""

from __future__ import annotations

from edgekit.host.link.sending_rate import SendingRate


def test_bytes_take_their_time_and_silence_is_not_saved_up() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = SendingRate(1000, clock=lambda: now[0], sleep=sleep)
    for _ in range(5):
        pace.take(500)
    assert now[0] == 2.0, "the last slice goes as soon as those before it are through"
    now[0] += 60
    for _ in range(3):
        pace.take(500)
    assert now[0] == 63.0
