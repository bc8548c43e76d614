"""Detections of two models, matched: what is lost, what is added, what only lies at the threshold."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.host.engine.verify.detections import Found, LeastScores, iou, match
from edgekit.host.engine.verify.detections import compare_found as compare
from edgekit.host.engine.verify.further import edit_distance, mask_iou
from edgekit.schema.detection import Attribute, Detection, Keypoint


def compare_found(names: list[str], expected: Found, found: Found, least: float):
    return compare(names, expected, found, LeastScores(usual=least))


BOX = Detection(label="car", x_px=100, y_px=100, width_px=40, height_px=20, score=0.9)


def at(x_px: float, **changes: object) -> Detection:
    return dataclasses.replace(BOX, x_px=x_px, **changes)  # type: ignore[arg-type]


def test_iou_by_hand():
    assert iou(BOX, BOX) == 1
    assert iou(BOX, at(120)) == pytest.approx(20 / 60)
    assert iou(BOX, at(140)) == 0
    assert iou(BOX, dataclasses.replace(BOX, width_px=0)) == 0


def test_the_likeliest_pairs_come_first_and_each_once():
    wanted, there = [at(100), at(112)], [at(110), at(100)]
    assert match(wanted, there) == [(wanted[0], there[1]), (wanted[1], there[0])]
    assert not match([BOX], [dataclasses.replace(BOX, label="dog")])


def test_figures_of_what_is_matched():
    found = compare_found(["a"], [[at(100), at(300)]], [[at(101, score=0.86), at(300)]], 0.3)
    assert (found.expected, found.matched, found.lost) == (2, 2, ())
    assert found.least_iou == pytest.approx(39 / 41)
    assert (found.largest_shift_px, found.largest_score_error) == (1, pytest.approx(0.04))
    assert "2 of the float model's 2 matched, 0 lost, 0 added" in str(found)


def test_a_detection_that_is_gone_or_new_is_told_with_its_picture():
    gone = compare_found(["a.png", "night.png"], [[], [BOX]], [[], []], 0.3)
    assert [str(one) for one in gone.lost] == ["night.png: car at 100,100 (score 0.90) is lost in the engine"]
    new = compare_found(["a.png"], [[]], [[BOX]], 0.3)
    assert [str(one) for one in new.lost] == ["a.png: car at 100,100 (score 0.90) is found by the engine alone"]


def test_another_label_is_both():
    found = compare_found(["a"], [[BOX]], [[dataclasses.replace(BOX, label="dog")]], 0.3)
    assert sorted(one.extra for one in found.lost) == [False, True]


def test_a_score_at_the_threshold_may_come_and_go():
    assert not compare_found(["a"], [[at(100, score=0.3)]], [[]], 0.3).lost
    assert compare_found(["a"], [[at(100, score=0.31)]], [[]], 0.3).lost


def test_a_second_view_of_a_matched_box_may_come_and_go():
    assert not compare_found(["a"], [[at(100), at(118)]], [[at(100)]], 0.3).lost
    assert not compare_found(["a"], [[at(100)]], [[at(100), at(118)]], 0.3).lost


def test_a_box_that_has_moved_too_far_is_lost_and_found_anew():
    assert [one.extra for one in compare_found(["a"], [[BOX]], [[at(118)]], 0.3).lost] == [False, True]


def test_points_are_matched_by_distance():
    point = dataclasses.replace(BOX, width_px=0.0, height_px=0.0)
    near, far = (dataclasses.replace(point, x_px=x_px) for x_px in (107.0, 110.0))
    assert not compare_found(["a"], [[point]], [[near]], 0.3).lost
    assert len(compare_found(["a"], [[point]], [[far]], 0.3).lost) == 2


SQUARE = dataclasses.replace(BOX, outline=((80.0, 90.0, 120.0, 90.0, 120.0, 110.0, 80.0, 110.0),), area_px=800.0)
HALF = dataclasses.replace(SQUARE, outline=((80.0, 90.0, 100.0, 90.0, 100.0, 110.0, 80.0, 110.0),))
LITTLE = dataclasses.replace(SQUARE, outline=((80.0, 90.0, 88.0, 90.0, 88.0, 110.0, 80.0, 110.0),))


def test_masks_are_matched_by_their_overlap():
    found = compare_found(["a"], [[SQUARE]], [[HALF]], 0.3)
    assert not found.lost
    assert found.further.masks == (pytest.approx(0.5, abs=0.05),)
    assert "; 1 mask with IoU 0.5" in str(found)
    assert len(compare_found(["a"], [[SQUARE]], [[LITTLE]], 0.3).lost) == 2, "its box is the same"
    assert compare_found(["a"], [[SQUARE]], [[BOX]], 0.3).further.masks == (0.0,)
    large = dataclasses.replace(SQUARE, outline=((0.0, 0.0, 9e6, 0.0, 9e6, 9e6, 0.0, 9e6),))
    assert mask_iou(large, large) == 1.0


def posed(*points: tuple[str, float, float, float]) -> Detection:
    made = (Keypoint(name=name, x_px=x, y_px=y, score=score) for name, x, y, score in points)
    return dataclasses.replace(BOX, keypoints=tuple(made))


def test_points_are_held_against_the_size_of_their_thing():
    wanted = posed(("nose", 100, 100, 0.9), ("tail", 110, 100, 0.2))
    near = compare_found(["a"], [[wanted]], [[posed(("nose", 103, 104, 0.9), ("tail", 0, 0, 0.2))]], 0.3)
    assert (near.lost, near.further.points_px) == ((), (5.0,))
    (far,) = compare_found(["a"], [[wanted]], [[posed(("nose", 109, 100, 0.9))]], 0.3).lost
    assert str(far) == "a: car at 100,100 (score 0.90): its nose is off by 9 px"
    (gone,) = compare_found(["a"], [[wanted]], [[BOX]], 0.3).lost
    assert gone.changed == "its nose is gone"


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_edit_distance(one, other, distance):
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_texts_and_attributes():
    wanted = dataclasses.replace(BOX, text="AB1234", attributes=(Attribute(name="type", value="van", score=0.9),))
    wanted = dataclasses.replace(wanted, attributes=())
    other = dataclasses.replace(wanted, text="AB1284")
    found = compare_found(["a"], [[wanted, at(300, text="XY")]], [[other, at(300, text="XY")]], 0.3)
    assert (found.lost, found.further.texts) == ((), (1, 0))
    assert "; 1 of 2 texts alike, edit distance 1 at most" in str(found)
    (lost,) = compare_found(["a"], [[wanted]], [[dataclasses.replace(wanted, text="8B")]], 0.3).lost
    assert lost.changed == "it reads '8B', not 'AB1234'"
    van, car = (at(100, attributes=(Attribute(name="type", value=value, score=0.9),)) for value in ("van", "car"))
    found = compare_found(["a"], [[van]], [[car]], 0.3)
    assert [one.changed for one in found.lost] == ["its type is car, not van"]
    assert str(found).endswith("; 0 of 1 attribute alike")
    assert not compare_found(["a"], [[van]], [[car]], 0.95).lost, "the float model is not sure of it either"


def test_labels_have_limits_of_their_own():
    least = LeastScores(usual=0.3, by_label={"dog": 0.8})
    dog = dataclasses.replace(BOX, label="dog", score=0.7)
    assert not compare(["a"], [[dog]], [[]], least).lost
    assert compare(["a"], [[at(100, score=0.7)]], [[]], least).lost
