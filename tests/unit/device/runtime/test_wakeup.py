"""One thread wakes another, now or the next time."""

from __future__ import annotations

import threading

from edgekit.device.runtime.wakeup import WakeUp
from tests.fakes.eventually import PATIENCE_S


def test_a_signal_that_nobody_waits_for_is_there_for_the_next() -> None:
    signal, woken = WakeUp(), []
    signal.wake()
    signal.wake()
    signal.sleep()
    thread = threading.Thread(target=lambda: woken.append(signal.sleep()))
    thread.start()
    thread.join(0.05)
    assert woken == [], "two signals are one"
    signal.wake()
    thread.join(PATIENCE_S)
    assert woken == [True]


def test_a_sleep_may_have_an_end() -> None:
    signal = WakeUp()
    assert not signal.sleep(timeout=0.01)
    signal.wake()
    assert signal.sleep(timeout=PATIENCE_S)
