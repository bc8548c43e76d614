"""What `edgekit plan` prints of how many cameras keep up."""

from __future__ import annotations

import pytest

from edgekit.cli.plan import most_text


@pytest.mark.parametrize(
    ("cameras", "text"),
    [
        (0, "not one keeps up"),
        (1, "1 such camera keeps up, and not one more"),
        (35, "35 such cameras keep up, and not one more"),
        (64, "64 such cameras keep up; whether more do was not tried"),
    ],
)
def test_of_more_cameras_than_were_tried_nothing_is_said(cameras: int, text: str) -> None:
    assert most_text(cameras) == text
