"""Settings in a plan: values go to their places, and what a board must not give is told by the setting's name."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from edgekit.errors import InputError
from edgekit.schema.filling import check_options, fill_plan
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import StagePlan, WorkerPlan
from edgekit.schema.settings import IntegerSetting, NumberSetting, Setting, SettingPlace, TextSetting, faults_in
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import FileSource
from edgekit.schema.units import Bytes
from tests.fakes.plans import small_plan

DECLARED: dict[str, Setting] = {
    "rounds": IntegerSetting(kind="integer", about="How often the clip is played.", default=1),
    "least": NumberSetting(kind="number", about="Below it a box is dropped.", example=0.5),
    "log": TextSetting(kind="text", about="Where results go.", default="results.jsonl"),
    "key": TextSetting(kind="text", about="The broker's password.", secret=True),
}
PLACES = {
    "rounds": ("sources", "gate", "loops"),
    "least": ("stages", "find", "options", "threshold"),
    "log": ("sinks", "lines", "path"),
    "key": ("stages", "own", "options", "login", "password"),
}


def plan() -> WorkerPlan:
    find = StagePlan(
        name="find", kind="yolo", lane="all", engine="m", entry="", options={"labels": ["a"], "threshold": 0.5}
    )
    own = StagePlan(name="own", kind="python", lane="all", engine="", entry="a:B", options={"login": {"password": ""}})
    return dataclasses.replace(
        small_plan(
            find,
            own,
            sources={"gate": FileSource(kind="file", path="recipe/clip.mp4", lane="all")},
            sinks={"lines": JsonlSink(kind="jsonl", path="results.jsonl", max_bytes=Bytes(1 << 20), lane="all")},
        ),
        settings=DECLARED,
        places=tuple(SettingPlace(setting=name, keys=keys) for name, keys in PLACES.items()),
    )


def filled(**given: object) -> WorkerPlan:
    return fill_plan(plan(), {"least": 0.5, "key": "s3cret", **given}, "settings of gate-7")


def refused(**given: object) -> str:
    with pytest.raises(InputError) as caught:
        check_options(filled(**given), "settings of gate-7")
    return caught.value.message


def test_each_value_goes_to_its_place() -> None:
    found = filled(rounds=3, least=0.25, log="other.jsonl", key="s3cret")
    assert found.sources["gate"].loops == 3
    assert found.stages[0].options["threshold"] == 0.25
    assert found.sinks["lines"].path == "other.jsonl"
    assert found.stages[1].options == {"login": {"password": "s3cret"}}


def test_what_is_left_out_has_its_default() -> None:
    found = filled()
    assert (found.sources["gate"].loops, found.sinks["lines"].path) == (1, "results.jsonl")


def test_the_rest_of_the_plan_stays_as_it_is() -> None:
    found = filled(rounds=0, least=0.5, key="")
    assert dataclasses.replace(found, stages=()) == dataclasses.replace(
        plan(), sources={"gate": FileSource(kind="file", path="recipe/clip.mp4", lane="all", loops=0)}, stages=()
    )


def test_whole_numbers_and_numbers_pass_for_each_other_where_they_are_the_same() -> None:
    assert filled(rounds=2.0).sources["gate"].loops == 2
    assert filled(least=1).stages[0].options["threshold"] == 1.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"round": 2}, "settings of gate-7: round: the application has no such setting"),
        ({"round": 2}, "did you mean rounds?"),
        ({"rounds": "2"}, 'rounds: expected a whole number, found "2"'),
        ({"rounds": True}, "rounds: expected a whole number, found true"),
        ({"rounds": 2.5}, "rounds: expected a whole number, found 2.5"),
        ({"rounds": None}, "rounds: expected a whole number, found null"),
        ({"rounds": -1}, "rounds: expected 0 to 1000000, found -1"),
        ({"rounds": [1]}, "rounds: expected a whole number, found [1]"),
        ({"least": 1.5}, "least: expected more than 0, at most 1, found 1.5"),
        ({"least": float("nan")}, "least: expected a number, found NaN"),
        ({"least": 10**400}, "least: expected a number, found 1000"),
        ({"log": "../other"}, "log: expected a path inside the worker's folder"),
        ({"log": "two\nlines"}, "log: expected a text on one line, found"),
    ],
)
def test_a_wrong_value_is_told_by_its_setting(given: dict[str, Any], message: str) -> None:
    assert message in refused(**given)


def test_a_missing_value_says_what_it_is_for() -> None:
    with pytest.raises(InputError) as caught:
        fill_plan(plan(), {}, "settings of gate-7")
    assert "least: missing; it is for: Below it a box is dropped., such as 0.5" in caught.value.message
    assert "key: missing; it is for: The broker's password." in caught.value.message


@pytest.mark.parametrize("value", [17_001_700, "hunter2\n", ["hunter2"], "hunter2" * 1000])
def test_a_wrong_secret_is_not_told(value: object) -> None:
    message = refused(key=value)
    assert "key: expected a text on one line, found something else" in message
    assert "hunter2" not in message and "17001700" not in message


def test_a_secret_that_its_place_refuses_is_not_told() -> None:
    declared = {**DECLARED, "log": TextSetting(kind="text", about="Where results go.", secret=True)}
    with pytest.raises(InputError) as caught:
        fill_plan(dataclasses.replace(plan(), settings=declared), {"least": 0.5, "key": "", "log": "/hunter2"}, "here")
    assert "log: expected a path inside the worker's folder" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_plan_takes_its_settings_along_and_an_older_reader_refuses_it() -> None:
    text = to_message(plan())
    assert from_message(WorkerPlan, text, "plan.json") == plan()
    assert b'"must_understand": [\n    "places",\n    "settings"\n  ]' in text


def test_a_kind_of_a_newer_release_is_no_fault_of_its_settings() -> None:
    """A keeper may be older than the worker that the release brings."""
    newer = StagePlan(name="find", kind="yolo", lane="all", engine="m", entry="", options={"later": 1, "threshold": 0})
    found = fill_plan(dataclasses.replace(plan(), stages=(newer, plan().stages[1])), {"least": 7, "key": ""}, "here")
    assert found.stages[0].options == {"later": 1, "threshold": 7.0}


def test_a_password_in_an_address_takes_a_secret_setting() -> None:
    """Others are shown, and stand in the board's settings as they are."""
    address = "rtsp://admin:hunter2@10.0.0.5/stream1"
    message = refused(log=address)
    assert "log: expected no password in it" in message and "hunter2" not in message
    filled(key=address)
    for fine in ("cameras/gate:a@b", "admin@10.0.0.5"):
        filled(log=fine)
    stream = TextSetting(kind="text", about="The camera.", example="rtsp://192.0.2.1/")
    for fine in ("rtsp://10.0.0.5:554/a@b", "rtsp://admin@10.0.0.5/"):
        assert not list(faults_in({"url": stream}, {"url": fine}, "settings of gate-7"))
