"""Sizes on the command line: what is given and is none is refused, as a script's empty variable is."""

from __future__ import annotations

import pytest
import typer

from edgekit.cli.deploy import _size
from edgekit.cli.profile import parse_size
from edgekit.errors import InputError


@pytest.mark.parametrize("text", ["", " ", "5 apples", "-1", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no size"):
        _size("--max-bytes", text)


def test_a_limit_counts_only_where_it_is_given() -> None:
    assert (_size("--max-bytes", None), _size("--max-bytes", "4kB")) == (None, 4000)


@pytest.mark.parametrize(("text", "message"), [("1280", "no size"), ("99999x99999", "too large"), ("640x16385", "too")])
def test_sizes_of_pictures_that_no_camera_has_are_refused_before_they_are_made(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_size(text)
    assert parse_size("16384x10") == (16384, 10)
