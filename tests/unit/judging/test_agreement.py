"""What a build wrote of its engines' agreement is judged only where it can be read."""

from __future__ import annotations

import pytest

from edgekit.judging.releases import _least_cosine


@pytest.mark.parametrize(
    ("texts", "least"),
    [
        (["cosine 0.999, worst 0.1", "cosine 0.98, worst 0.2"], 0.98),
        ([], None),
        (["cosine nan, worst 0.1"], None),
        (["cosine 0.999, worst 0.1", "cosine nan, worst 0.1"], None),
        (["cosine 0.999, worst 0.1", "cosine inf"], None),
        (["cosine many"], None),
        (["boxes 3 of 3"], -1.0),
    ],
)
def test_the_least_counts_and_what_is_no_number_counts_as_nothing(texts: list[str], least: float | None) -> None:
    assert _least_cosine({f"agreement.{number}": text for number, text in enumerate(texts)}) == least
