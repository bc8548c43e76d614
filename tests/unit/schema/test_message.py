"""What machines exchange: a newer side's keys are ignored, what must be understood is not, defaults do not travel."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgekit.schema
from edgekit.device.keeper.update.activation import State
from edgekit.device.runtime.sources.gstreamer import ChildWord
from edgekit.errors import InputError
from edgekit.schema.control import Event, Request
from edgekit.schema.field_types import fields_of, hints
from edgekit.schema.message import (
    MUST_UNDERSTAND,
    Message,
    NewerWord,
    from_message,
    from_message_data,
    to_line,
    to_message,
    to_message_data,
)
from edgekit.schema.plan import EnginePlan, WorkerPlan
from edgekit.schema.reader import from_json, from_raw, problems_in, to_json, to_raw
from edgekit.schema.report import Report
from tests.fakes.messages import DATA, TEXT, values_of, with_more

for _module in pkgutil.iter_modules(edgekit.schema.__path__, "edgekit.schema."):
    importlib.import_module(_module.name)


def all_types() -> tuple[type[Message], ...]:
    """Every message of edgekit's own that is imported by now; `slots=True` leaves a twin of each that no module has."""
    ours = [cls for cls in Message.__subclasses__() if cls.__module__.startswith("edgekit.")]
    named = [cls for cls in ours if getattr(sys.modules[cls.__module__], cls.__name__) is cls]
    return tuple(sorted(named, key=lambda cls: cls.__name__))


assert State and ChildWord, "the only ones that are not in schema/"
TYPES = all_types()


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    kind: Literal["camera"] = "camera"
    address: str = ""
    key: str = field(default="", metadata=MUST_UNDERSTAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    kind: Literal["clip"] = "clip"
    loops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted(Message):
    name: str
    mode: Literal["fast", "slow"] = "fast"
    shown: Literal["well", "ill"] | NewerWord = "well"
    source: Camera | Clip = field(default_factory=Clip)
    cameras: tuple[Camera, ...] = ()
    by_name: dict[str, Camera] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    batch: int = field(default=1, metadata=MUST_UNDERSTAND)


def refused(cls: type[Message], raw: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_message_data(cls, raw, "plan.json")
    assert "provision" in caught.value.hint
    lines = caught.value.message.splitlines()
    return lines if len(lines) == 1 else lines[1:]


def test_a_newer_sides_keys_are_ignored_at_any_depth() -> None:
    raw = {
        "name": "a",
        "new": 1,
        "cameras": [{"kind": "camera", "new": {"deep": []}}],
        "by_name": {"x": {"kind": "camera", "n": 1}},
    }
    assert from_message_data(Wanted, raw, "plan.json") == Wanted(name="a", cameras=(Camera(),), by_name={"x": Camera()})


def test_types_and_bounds_are_checked_as_ever() -> None:
    assert refused(Wanted, {"name": 5, "cameras": {}}) == [
        "plan.json: name: expected text, found 5",
        "plan.json: cameras: expected a list, each entry a table, found a table",
    ]
    assert refused(Wanted, {"new": 1}) == ["plan.json: name: missing; expected text"]


def test_only_what_differs_from_its_default_is_written() -> None:
    assert to_message_data(Wanted(name="")) == {"name": ""}
    assert to_message_data(Wanted(name="a", source=Clip(loops=2))) == {
        "name": "a",
        "source": {"kind": "clip", "loops": 2},
    }
    assert to_line(Request(verb="hello")) == b'{"verb":"hello"}\n'


def test_a_tag_is_written_though_it_is_the_default() -> None:
    raw = to_message_data(Wanted(name="a", source=Camera()))
    assert raw == {"name": "a", "source": {"kind": "camera"}}
    assert from_message_data(Wanted, raw, "x") == Wanted(name="a", source=Camera())


def test_what_must_be_understood_is_listed_with_the_way_to_it() -> None:
    assert "must_understand" not in to_message_data(Wanted(name="a", batch=1))
    assert to_message_data(Wanted(name="a", batch=4))["must_understand"] == ["batch"]
    key = Camera(key="k")
    for whole in ({"source": key}, {"cameras": (Camera(), key)}, {"by_name": {"x": key}}):
        raw = to_message_data(Wanted(name="a", batch=2, **whole))  # type: ignore[arg-type]
        assert raw["must_understand"] == sorted(["batch", *whole])
        assert json.dumps(raw).count('"must_understand": ["key"]') == 1
        assert from_message_data(Wanted, raw, "x") == Wanted(name="a", batch=2, **whole)  # type: ignore[arg-type]


def test_what_must_be_understood_and_is_not_is_refused_by_name() -> None:
    newer = {"name": "a", "zoom": 2, "must_understand": ["zoom", "batch"]}
    assert refused(Wanted, newer) == ["plan.json: zoom: must be understood, and this edgekit does not know it"]
    newer = {"name": "a", "cameras": [{"kind": "camera"}, {"kind": "camera", "must_understand": ["lens"]}]}
    assert refused(Wanted, newer) == [
        "plan.json: cameras[1].lens: must be understood, and this edgekit does not know it"
    ]


@pytest.mark.parametrize("names", ["batch", {"batch": 1}, None, [1], [["batch"]], [None]])
def test_a_list_of_keys_that_is_none_is_refused(names: object) -> None:
    assert refused(Wanted, {"name": "a", "must_understand": names})


def test_a_free_table_may_have_a_key_of_that_name() -> None:
    value = Wanted(name="a", options={"must_understand": ["x"]}, by_name={"must_understand": Camera()})
    assert from_message(Wanted, to_message(value), "x") == value


def test_an_unknown_choice_or_kind_is_refused_by_name() -> None:
    (mode,) = refused(Wanted, {"name": "a", "mode": "turbo"})
    assert mode.startswith('plan.json: mode: expected one of "fast", "slow", found "turbo"')
    (kind,) = refused(Wanted, {"name": "a", "source": {"kind": "lidar", "beams": 3}})
    assert kind.startswith('plan.json: source.kind: expected one of "camera", "clip", found "lidar"')


def test_a_choice_that_is_only_shown_takes_a_newer_word_and_nothing_else() -> None:
    assert from_message_data(Wanted, {"name": "a", "shown": "ill"}, "x").shown == "ill"
    assert from_message_data(Wanted, {"name": "a", "shown": "half_well"}, "x").shown == "half_well"
    for harm in ("\x1b[2J", "", "a" * 41, 5, None, ["ill"]):
        assert refused(Wanted, {"name": "a", "shown": harm})


def test_a_peer_cannot_make_us_gather_mistakes() -> None:
    assert len(refused(Wanted, {"name": "a", "cameras": [5] * 100_000})) == 20
    assert len(refused(Wanted, {"name": "a", "must_understand": ["k" * 1000] * 100_000})[0]) < 400


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name": ' + b"1" * 5000 + b"}"])
def test_no_json(text: bytes) -> None:
    with pytest.raises(InputError, match=r"answer: (not JSON|nested too deep)"):
        from_message(Wanted, text, "answer")


def test_a_message_is_not_read_or_written_as_a_file() -> None:
    for wrong in (
        lambda: from_raw(Wanted, {"name": "a"}, "x"),
        lambda: from_json(Wanted, b'{"name": "a"}', "x"),
        lambda: problems_in(Wanted, {"name": "a"}, "x"),
        lambda: to_json(Wanted(name="a")),
    ):
        with pytest.raises(TypeError, match=r"edgekit\.schema\.message"):
            wrong()


def test_what_people_are_shown_is_whole() -> None:
    assert set(to_raw(Wanted(name="a"))) == set(fields_of(Wanted))


def tables(cls: Any) -> Iterator[Any]:
    """Every dataclass in a type."""
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        yield cls
        for kind in hints(cls).values():
            yield from tables(kind)
    for part in get_args(cls):
        yield from tables(part)


def test_every_message_is_among_those_that_are_tried() -> None:
    """A test that was imported later brings no other."""
    assert all_types() == TYPES
    assert len(TYPES) > 25


def test_no_field_takes_the_lists_name_and_state_files_need_not_be_understood() -> None:
    assert not [cls for message in TYPES for cls in tables(message) if "must_understand" in fields_of(cls)]
    assert not [cls for cls in tables(State) if any(one.metadata for one in fields_of(cls).values())]
    assert EnginePlan in tables(WorkerPlan)


EXTRA = st.dictionaries(TEXT.map(lambda text: f"newer_{text}"), DATA, min_size=1, max_size=2)


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_message_comes_back_and_newer_keys_change_nothing(cls: type[Message], data: st.DataObject) -> None:
    value = data.draw(values_of(cls))
    raw = to_message_data(value)
    assert from_message(cls, to_message(value), "x") == value
    assert from_message(cls, to_line(value), "x") == value
    newer = with_more(value, raw, data.draw(EXTRA))
    assert newer != raw
    assert from_message_data(cls, newer, "x") == value
    assert from_message_data(cls, to_raw(value), "x") == value


def test_a_status_of_a_newer_keeper_is_shown() -> None:
    assert from_message(Report, b'{"phase": "warming_up"}', "x").phase == "warming_up"
    assert from_message(Event, b'{"kind": "advice"}', "x").kind == "advice"
