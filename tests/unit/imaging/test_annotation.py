"""Labels: each where it can be read, and none upon another."""

from __future__ import annotations

import numpy as np

from edgekit.imaging.annotation import Canvas, Placement, label_of, paint_of
from edgekit.schema.detection import Detection


def found(x_px: float, y_px: float, label: str = "person", **more: object) -> Detection:
    given = {"x_px": x_px, "y_px": y_px, "width_px": 40, "height_px": 40, "score": 0.9, **more}
    return Detection(label=label, **given)  # type: ignore[arg-type]


def canvas(width_px: int = 640, height_px: int = 360) -> Canvas:
    return Canvas(np.zeros((height_px, width_px, 3), np.uint8), Placement())


def overlaps(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_labels_do_not_lie_upon_each_other_where_there_is_room() -> None:
    made = canvas()
    made.boxes([found(300, 200), found(310, 205), found(330, 215)])
    assert len(made._taken) == 3
    assert not any(overlaps(one, other) for one in made._taken for other in made._taken if one is not other)


def test_labels_lie_inside_the_picture() -> None:
    made = canvas()
    made.boxes([found(0, 0), found(640, 0), found(0, 360), found(640, 360)])
    for left, top, right, bottom in made._taken:
        assert 0 <= left < right <= 640 and 0 <= top < bottom <= 360


def test_what_a_label_says() -> None:
    assert label_of(found(1, 1, "disc", colour="red", track=7)) == "#7 red disc 0.90"
    assert label_of(found(1, 1, "a\nb\x1b[31m", score=0.5)) == "a b [31m 0.50"


def test_a_name_has_one_paint_and_dark_words_can_be_read_on_it() -> None:
    names = ["person", "car", "bicycle", "truck", "dog", "bus", "cat", "red disc"]
    assert all(paint_of(name) == paint_of(name) for name in names)
    assert len({paint_of(name) for name in names}) >= 6
    for name in names:
        blue, green, red = paint_of(name)
        assert 0.0722 * blue + 0.7152 * green + 0.2126 * red > 160


def test_a_zone_that_is_the_whole_picture_changes_no_colour() -> None:
    made = canvas()
    made.area("picture", [(0, 0), (16_384, 0), (16_384, 16_384), (0, 16_384)])
    assert not made.pixels.any()
    made.area("yard", [(0, 0), (638, 0), (638, 359), (0, 359)])
    assert made.pixels[200, 300].any()


def test_many_findings_cost_a_bounded_time() -> None:
    made = canvas()
    made.boxes([found(number % 600, number % 300) for number in range(20_000)])
    assert len(made._taken) == 100


def test_the_arrow_of_a_line_shows_where_in_is() -> None:
    made = canvas()
    made.line("gate", (100, 100), (500, 100))  # from left to right: its right lies below
    below, above = made.pixels[104:130, 290:310], made.pixels[70:96, 290:310]
    assert below.max() > 100 and above.max() == 0
