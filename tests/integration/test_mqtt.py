"""The mqtt sink against a real broker that goes away, refuses, and comes back: nothing is lost within the bound."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.schema.message import from_message
from edgekit.schema.plan import LanePlan
from edgekit.schema.report import Report
from edgekit.schema.settings import SettingPlace, TextSetting
from edgekit.schema.sink import MqttSink
from edgekit.schema.source import SyntheticSource
from tests.fakes.broker import PASSWORD, USER, Broker, Listener, listening, running_broker
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.publishing import SMALL_DISK, Publishing, skip_without_small_disks, stored
from tests.fakes.vitals import descriptors, rss_mib, threads

pytestmark = pytest.mark.integration
EVENTS, COUNTS, STATE, ONLINE = (
    f"edgekit/line/{topic}" for topic in ("gate/events", "gate/counts", "gate/state", "online")
)


class Publisher(Publishing):
    """`tests/fakes/publisher.py` with an mqtt sink, running."""

    def __init__(self, folder: Path, broker: Broker, *wrapper: str, **options: object) -> None:
        given = {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "user": USER, "password": PASSWORD}
        super().__init__(folder, {**given, "backoff_s": 1, "lane": "all", **options}, *wrapper)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    with running_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with listening(broker) as listener:
        yield listener


def tracks(listener: Listener) -> list[int]:
    """Of events, in order, each once: what was sent may come twice."""
    return list(dict.fromkeys(event["track"] for event in listener.of(EVENTS)))


def test_events_counts_and_states_arrive_and_the_broker_says_who_is_gone(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    publisher = Publisher(tmp_path / "work", broker, discovery="homeassistant")
    publisher.do("events 3 4")
    publisher.do("count person 2")
    publisher.do("lost cable")
    eventually(lambda: listener.of(EVENTS) and listener.of(COUNTS) and len(listener.of(STATE)) and listener.of(ONLINE))
    (event,) = listener.of(EVENTS)
    assert {key: event[key] for key in ("stream", "frame", "kind", "place", "label", "track", "direction")} == {
        "stream": "gate",
        "frame": 3,
        "kind": "crossed",
        "place": "door",
        "label": "person",
        "track": 3,
        "direction": "in",
    }
    assert event["at_s"] > 1.7e9 and len(event["id"]) == 32
    assert listener.of(COUNTS)[-1]["counts"] == {"person": 2}
    eventually(lambda: listener.of(STATE)[-1]["state"] == "down")
    assert listener.of(STATE)[-1]["reason"] == "cable"
    publisher.until(waiting=0, trouble="")
    assert listener.of(ONLINE) == [True]
    with listening(broker, "late") as late:  # what is retained is told to whoever comes later
        eventually(lambda: {COUNTS, STATE, ONLINE} <= late.heard.keys() and len(late.heard) == 6)
        assert late.of(COUNTS)[-1]["counts"] == {"person": 2} and EVENTS not in late.heard
        found = [late.of(topic)[0]["name"] for topic in late.heard if topic.startswith("homeassistant/")]
        assert sorted(found) == ["gate event", "gate person", "gate state"]
    publisher.kill()
    eventually(lambda: listener.of(ONLINE) == [True, False])
    again = Publisher(tmp_path / "work", broker)
    eventually(lambda: listener.of(ONLINE) == [True, False, True])
    again.do("close")
    assert again.process.wait(PATIENCE_S) == 0
    eventually(lambda: listener.of(ONLINE) == [True, False, True, False])


def test_while_the_broker_is_away_events_wait_and_only_the_newest_counts(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    publisher = Publisher(tmp_path / "work", broker)
    publisher.do("events 0 3")
    eventually(lambda: tracks(listener) == [0, 1, 2])
    publisher.until(waiting=0, trouble="")
    broker.stop()
    eventually(lambda: publisher.do("look")["trouble"])
    publisher.do("events 3 1000")
    for number in range(50):
        publisher.do(f"count person {number}")
    publisher.until(waiting=997, dropped=0)
    broker.start()
    eventually(lambda: tracks(listener) == [*range(1000)])
    publisher.until(waiting=0, trouble="", dropped=0)
    eventually(lambda: listener.of(COUNTS)[-1]["counts"] == {"person": 49})
    assert len(listener.of(COUNTS)) < 10
    eventually(lambda: any("sends to broker" in line for line in publisher.told()))
    assert sum("cannot be reached" in line for line in publisher.told()) <= 1, publisher.told()
    publisher.kill()


def vitals(pid: int) -> dict[str, object]:
    return {"threads": threads(pid), "descriptors": descriptors(pid)}


def test_a_broker_that_is_away_again_and_again_makes_nothing_grow(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    """`EDGEKIT_AWAY_S=60` makes it as long as a broker takes to be updated."""
    away_s, rounds, count = float(os.environ.get("EDGEKIT_AWAY_S", "1")), 3, 0
    publisher = Publisher(tmp_path / "work", broker)
    pid, before, mib = publisher.process.pid, {}, []
    for _ in range(rounds + 1):
        broker.stop()
        eventually(lambda: publisher.do("look")["trouble"])
        until_s, first = time.monotonic() + away_s, count
        while time.monotonic() < until_s or count < first + 300:
            publisher.do(f"events {count} {count + 10}")
            publisher.do(f"count person {count}")
            count += 10
            time.sleep(min(0.05, away_s / 60))
        publisher.until(waiting=count - first, dropped=0)
        eventually(lambda: "cannot be reached" in publisher.do("look")["trouble"])
        broker.start()
        publisher.until(waiting=0, trouble="", dropped=0)
        eventually(lambda: tracks(listener) == [*range(count)])  # noqa: B023
        before = before or vitals(pid)  # once there is everything that there is going to be
        mib.append(rss_mib(pid))
    assert vitals(pid) == before
    assert max(mib[1:]) < mib[0] + 8, "a message that was kept for each event would be more"
    publisher.kill()


def test_a_broker_that_hangs_is_told_and_gets_everything_when_it_goes_on(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    publisher = Publisher(tmp_path / "work", broker, keepalive_s=5)
    publisher.do("events 0 3")
    eventually(lambda: tracks(listener) == [0, 1, 2])
    publisher.until(waiting=0, trouble="")
    broker.pause()
    publisher.do("events 3 500")
    eventually(lambda: publisher.do("look")["trouble"])
    publisher.until(trouble="broker 127.0.0.1 takes connections, and does not answer", waiting=497, dropped=0)
    eventually(lambda: any("is gone" in line or "does not answer" in line for line in publisher.told()))
    broker.resume()
    eventually(lambda: tracks(listener) == [*range(500)])
    publisher.until(waiting=0, trouble="", dropped=0)
    publisher.kill()


def test_what_waits_outlives_a_killed_worker(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    broker.stop()
    publisher = Publisher(tmp_path / "work", broker)
    publisher.do("events 0 300")
    publisher.until(waiting=300)
    database = tmp_path / "work/mqtt.outbox"
    eventually(database.exists)
    eventually(lambda: stored(database) == 300)
    publisher.kill()
    again = Publisher(tmp_path / "work", broker)
    again.until(waiting=300)
    again.do("events 300 310")
    broker.start()
    eventually(lambda: tracks(listener) == [*range(310)])
    again.until(waiting=0)
    again.kill()


def test_a_wrong_password_is_told_and_nothing_is_lost(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    wrong = "wr0ng-8Ky-mqtt"
    publisher = Publisher(tmp_path / "work", broker, password=wrong)
    publisher.do("events 0 20")
    publisher.until(trouble="broker 127.0.0.1 refuses this user and password", waiting=20)
    eventually(lambda: any("refuses this user and password" in line for line in publisher.told()))
    publisher.do("close")
    assert wrong not in publisher.log.read_text()
    again = Publisher(tmp_path / "work", broker)
    eventually(lambda: tracks(listener) == [*range(20)])
    again.until(waiting=0, trouble="")
    again.kill()


def test_past_the_bound_the_oldest_go_and_are_counted(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    broker.stop()
    publisher = Publisher(tmp_path / "work", broker, buffer="100K")
    for end in range(100, 2001, 100):
        publisher.do(f"events {end - 100} {end}")
        eventually(lambda: sum(publisher.do("look")[key] for key in ("waiting", "dropped")) == end)  # noqa: B023
    eventually(lambda: "the oldest events are dropped" in publisher.do("look")["trouble"])
    eventually(lambda: 50_000 < publisher.do("look")["waiting_bytes"] <= 100 << 10)
    figures = publisher.do("look")
    assert sum(file.stat().st_size for file in (tmp_path / "work").iterdir()) < 1 << 20
    broker.start()
    publisher.until(waiting=0, trouble="", dropped=figures["dropped"])
    assert tracks(listener) == [*range(figures["dropped"], 2000)]
    publisher.kill()


def test_on_a_full_disk_events_wait_in_memory(tmp_path: Path, broker: Broker, listener: Listener) -> None:
    skip_without_small_disks(tmp_path)
    work = tmp_path / "work"
    publisher = Publisher(work, broker, *SMALL_DISK, str(work), buffer="4M")
    publisher.do("events 0 10")
    publisher.until(waiting=0, trouble="")
    publisher.do("fill")
    publisher.do("events 10 200")
    eventually(lambda: tracks(listener) == [*range(200)])  # a broker that is there gets them all the same
    publisher.until(waiting=0, dropped=0)
    broker.stop()
    publisher.do("events 200 500")
    eventually(lambda: "cannot be kept on disk" in publisher.do("look")["trouble"])
    publisher.until(waiting=300, dropped=0)
    publisher.do("events 500 10000")
    eventually(lambda: "more than 1.0 MiB wait: the oldest events are dropped" in publisher.do("look")["trouble"])
    figures: dict[str, Any] = {}

    def counted() -> bool:  # while the disk is tried, what it is tried with counts nowhere
        figures.update(publisher.do("look"))
        return figures["waiting"] + figures["dropped"] == 9800

    eventually(counted)
    assert 500_000 < figures["waiting_bytes"] <= 1 << 20
    broker.start()
    publisher.until(waiting=0, dropped=figures["dropped"])
    publisher.do("free")
    publisher.do("events 10000 10001")
    eventually(lambda: len(tracks(listener)) == 10_001 - figures["dropped"])
    publisher.until(waiting=0, dropped=figures["dropped"], trouble="")
    assert tracks(listener) == [*range(200), *range(200 + figures["dropped"], 10_001)]
    publisher.kill()


def test_tls_takes_the_broker_whose_certificate_the_authority_signed_and_no_other(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    shutil.copy(broker.folder / "ca.pem", work)
    options = {"port": broker.tls_port, "tls": True}
    stranger = Publisher(work, broker, **options)
    stranger.do("events 0 5")
    eventually(lambda: "nobody whom the board trusts has signed its certificate" in stranger.do("look")["trouble"])
    stranger.do("close")
    trusting = Publisher(work, broker, **options, ca_file="ca.pem")
    eventually(lambda: tracks(listener) == [*range(5)])
    trusting.do("close")


def test_a_worker_sends_for_its_streams_and_tells_no_password(
    tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    wrong = "wr0ng-8Ky-mqtt"
    lane = LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0)))[-1:], queue=2, drop="block")
    sink = MqttSink(kind="mqtt", host="127.0.0.1", port=broker.port, user=USER, password="secret", lane="all")
    plan = small_plan(
        sources={"drawn": SyntheticSource(kind="synthetic", lane="all", width_px=64, height_px=64, fps=20.0)},
        sinks={"mqtt": sink, "other": replace(sink, prefix="other")},
        lanes={"all": lane},
    )
    secret = TextSetting(kind="text", about="The broker's password.", secret=True)
    names = {"mqtt": "right", "other": "wrong"}
    places = tuple(SettingPlace(setting=names[name], keys=("sinks", name, "password")) for name in names)
    plan = replace(plan, settings={"right": secret, "wrong": secret}, places=places)
    worker = PlanWorker(tmp_path, plan, {"right": PASSWORD, "wrong": wrong})
    try:
        eventually(lambda: [one["state"] for one in listener.of("edgekit/line/drawn/state")] == ["live"])
        eventually(lambda: b"refuses this user and password" in worker.log.read_bytes())
        frames = worker.until(lambda streams: streams["drawn"].frames > 0)["drawn"].frames
        worker.until(lambda streams: streams["drawn"].frames > frames + 20)  # a sink that cannot send costs no frame
        worker.until(lambda _: b'edgekit_sink_up{sink=\\"other\\"} 0.0' in worker.said[-1])
        process = Path("/proc", str(worker.process.pid))
        mine = {
            (task / "comm").read_text().strip(): os.sched_getaffinity(int(task.name))
            for task in (process / "task").iterdir()
        }
        assert {mine[name] == set(lane.cpus) for name in ("mqtt", "mqtt/net", "other", "other/net")} == {True}
        shown = b"".join([*worker.said, worker.log.read_bytes(), (process / "cmdline").read_bytes()])
        shown += (process / "environ").read_bytes()
    finally:
        worker.close()
    assert b"sink other: broker 127.0.0.1 refuses" in shown
    sinks = {sink.name: sink for sink in from_message(Report, worker.said[-1], "worker").sinks}
    assert sinks["other"].message.endswith("refuses this user and password") and sinks["mqtt"].sent > 0
    assert PASSWORD.encode() not in shown and wrong.encode() not in shown
    eventually(lambda: listener.of(ONLINE) == [True, False])
