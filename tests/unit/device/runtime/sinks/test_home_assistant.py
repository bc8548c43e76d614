"""What Home Assistant is told of a stream: once of each thing, and only of so many."""

from __future__ import annotations

import re

from edgekit.device.runtime.sinks.home_assistant import Discovery
from tests.fakes.plans import small_plan


def discovery() -> Discovery:
    return Discovery("homeassistant", "site/north/line", small_plan())


def test_a_stream_is_a_state_and_events_and_each_count_a_sensor() -> None:
    ours = discovery()
    found = [*ours.new("gate", ["red disc", "it's"]), *ours.new("gate", ["red disc"]), *ours.new("yard", [])]
    assert [(config["name"], config["state_topic"]) for _, config in found] == [
        ("gate state", "site/north/line/gate/state"),
        ("gate event", "site/north/line/gate/events"),
        ("gate red disc", "site/north/line/gate/counts"),
        ("gate it's", "site/north/line/gate/counts"),
        ("yard state", "site/north/line/yard/state"),
        ("yard event", "site/north/line/yard/events"),
    ]
    assert len({config["unique_id"] for _, config in found}) == len({topic for topic, _ in found}) == 6
    assert all(re.fullmatch(r"homeassistant/(sensor|event)/\w+/\w+/config", topic) for topic, _ in found)
    assert found[2][1]["value_template"] == "{{ value_json.counts.get('red disc', 0) }}"
    assert found[3][1]["value_template"] == '{{ value_json.counts.get("it\'s", 0) }}'
    assert {config["availability_topic"] for _, config in found} == {"site/north/line/online"}


def test_the_same_things_have_the_same_names_after_a_restart() -> None:
    assert [*discovery().new("gate", ["red"])] == [*discovery().new("gate", ["red"])]


def test_counts_without_end_do_not_grow_without_end() -> None:
    ours = discovery()
    found = [config for number in range(1000) for config in ours.new("gate", [f"number {number}"])]
    assert len(found) < 300
