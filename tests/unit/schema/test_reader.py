"""Reading: strict keys and types, every mistake at once, and no input that ends in a traceback."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.schema.control import Event, Request
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import Manifest
from edgekit.schema.message import Message, from_message_data, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.reader import from_json, from_raw, from_toml, to_json, to_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import TargetFile
from edgekit.schema.units import Bytes, CpuList, Cpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    size: int
    colour: Literal["red", "blue", 3] = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    name: str
    speed: float = 1.0
    memory_max: Bytes = Bytes(0)
    cpus: int | CpuList = 1
    wheels: tuple[Wheel, ...] = ()
    spare: Wheel | None = None
    parts: dict[str, Wheel] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    loud: bool = False


def mistakes(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_toml(Cart, text, "cart.toml")
    assert caught.value.exit_code == 2
    lines = caught.value.message.splitlines()
    return lines if len(lines) == 1 else lines[1:]


def test_everything_is_read() -> None:
    text = """
        name = "a"
        speed = 2
        memory_max = "4K"
        cpus = "4-6"
        wheels = [{size = 1}, {size = 2, colour = 3}]
        spare = {size = 3}
        parts = {left = {size = 4}}
        options = {a = [1, {b = "c"}], d = 1.5}
        loud = true
    """
    assert from_toml(Cart, text, "cart.toml") == Cart(
        name="a",
        speed=2.0,
        memory_max=Bytes(4096),
        cpus=Cpus((4, 5, 6)),
        wheels=(Wheel(size=1), Wheel(size=2, colour=3)),
        spare=Wheel(size=3),
        parts={"left": Wheel(size=4)},
        options={"a": [1, {"b": "c"}], "d": 1.5},
        loud=True,
    )


def test_every_mistake_is_named_at_once_and_in_the_files_order() -> None:
    text = """
        nam = "a"
        zebra = 1
        speed = "fast"
        memory_max = "much"
        cpus = true
        wheels = [{size = 1.5}, {colour = "read", size = 1}]
        spare = 5
        parts = {"odd key" = {}}
    """
    assert mistakes(text) == [
        "cart.toml: nam: unknown key; did you mean name?",
        "cart.toml: zebra: unknown key; known here: name, speed, memory_max, cpus, wheels, spare, parts, options, loud",
        'cart.toml: speed: expected a number, found "fast"',
        'cart.toml: memory_max: expected a size such as "400MiB", found "much"',
        'cart.toml: cpus: expected a whole number or CPU numbers such as "0-3,6" or clusters such as "big", found true',
        "cart.toml: wheels[0].size: expected a whole number, found 1.5",
        'cart.toml: wheels[1].colour: expected one of "red", "blue", 3, found "read"; did you mean red?',
        "cart.toml: spare: expected a table, found 5",
        'cart.toml: parts."odd key".size: missing; expected a whole number',
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name = 5", "name: expected text, found 5"),
        ("speed = true", "speed: expected a number, found true"),
        ("speed = inf", "speed: expected a number, found Infinity"),
        ("speed = nan", "speed: expected a number, found NaN"),
        (f"speed = {10**400}", "speed: expected a number, found 1000"),
        ("loud = 1", "loud: expected true or false, found 1"),
        ("wheels = {}", "wheels: expected a list, each entry a table, found a table"),
        ("parts = []", "parts: expected a table, found []"),
        ("wheels = [{size = 1, colour = true}]", 'wheels[0].colour: expected one of "red", "blue", 3, found true'),
        ("options = {at = 2026-01-01}", "options.at: expected a text, number, true, false, list or table"),
        ("options = {a = [inf]}", "options.a[0]: expected a text, number, true, false, list or table, found Infinity"),
    ],
)
def test_wrong_types(line: str, said: str) -> None:
    text = line if line.startswith("name") else f'name = "a"\n{line}'
    (found,) = mistakes(text)
    assert found.startswith(f"cart.toml: {said}")


@pytest.mark.parametrize("text", ["name = ", "[a\n", "a = " + "[" * 3000, "a = " + "1" * 5000])
def test_no_toml(text: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith("cart.toml: not TOML")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name": ' + b"1" * 5000 + b"}"])
def test_no_json(text: bytes) -> None:
    with pytest.raises(InputError, match=r"cart: (not JSON|nested too deep)"):
        from_json(Cart, text, "cart")


@pytest.mark.parametrize("depth", [100, 200, 900, 100_000])
def test_json_that_is_nested_deeply_is_refused_by_every_python(depth: int) -> None:
    deep = b'{"name": "a", "options": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
    with pytest.raises(InputError, match=r"not JSON|nested too deep"):
        from_json(Cart, deep, "cart")


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_what_is_no_table_is_refused(raw: object) -> None:
    with pytest.raises(InputError, match="cart: expected a table"):
        from_raw(Cart, raw, "cart")


@pytest.mark.parametrize(
    "raw",
    [
        {"name": "\ud800"},
        {"name": "a", "options": {"\udfff": 1}},
        {"name": "a", "options": {"a": ["\ud800"]}},
        {"name": "a", "spare": ["\ud800"]},
        {"name": "a", "\ud800": 1},
    ],
)
def test_halves_of_letters_are_refused_in_words_that_can_be_printed(raw: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        from_raw(Cart, raw, "cart")
    caught.value.message.encode()


def test_hint_for_what_programs_write_is_not_to_edit_it() -> None:
    with pytest.raises(InputError) as caught:
        from_json(Cart, b"{}", "status of board")
    assert "edit" not in caught.value.hint


def test_json_is_the_same_for_the_same_value() -> None:
    cart = Cart(name="ä", options={"b": 1, "a": 2}, wheels=(Wheel(size=1),))
    again = Cart(name="ä", options={"a": 2, "b": 1}, wheels=(Wheel(size=1),))
    assert to_json(cart) == to_json(again)
    assert to_json(cart).endswith(b"\n")
    assert from_json(Cart, to_json(cart), "cart") == cart


def test_raw_is_plain_data() -> None:
    raw = to_raw(Cart(name="a", spare=Wheel(size=1), cpus=Cpus((1, 2))))
    assert raw["spare"] == {"size": 1, "colour": "red"}
    assert raw["cpus"] == [1, 2]
    assert json.loads(json.dumps(raw)) == raw


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
DATA = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TYPES = (Recipe, TargetFile, Manifest, WorkerPlan, Request, Event, DeviceFacts, Cart)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_data_is_read_or_refused(data: st.DataObject) -> None:
    """Keys are the type's own, values are anything: there is an object that can be written, or an InputError."""
    cls: type = data.draw(st.sampled_from(TYPES))
    keys = st.sampled_from(sorted(cls.__dataclass_fields__))
    raw = data.draw(st.dictionaries(keys, DATA, max_size=6))
    try:
        if issubclass(cls, Message):
            to_message(from_message_data(cls, raw, "file"))
        else:
            to_json(from_raw(cls, raw, "file"))
    except InputError as error:
        error.message.encode()
