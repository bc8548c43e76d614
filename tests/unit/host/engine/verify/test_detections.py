"""Detections of two models, matched: what is lost, what is added, what only lies at the threshold."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.host.engine.verify.detections import compare_found, iou, match
from edgekit.schema.detection import Detection

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
