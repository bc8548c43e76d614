"""Sizes on the command line: what is given and is none is refused, as a script's empty variable is."""

from __future__ import annotations

import pytest
import typer

from edgekit.cli.deploy import _size


@pytest.mark.parametrize("text", ["", " ", "5 apples", "-1", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no size"):
        _size("--max-bytes", text)


def test_a_limit_counts_only_where_it_is_given() -> None:
    assert (_size("--max-bytes", None), _size("--max-bytes", "4kB")) == (None, 4000)
