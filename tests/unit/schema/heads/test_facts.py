"""Names of classes out of a model's metadata, as exporters write them and as a stranger may."""

from __future__ import annotations

import pytest

from edgekit.schema.heads.facts import keypoint_shape_in, names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'person', 1: 'bicycle'}", ("person", "bicycle")),
        ("{1: 'bicycle', 0: 'person'}", ("person", "bicycle")),
        ('{"0": "person", "1": "bicycle"}', ("person", "bicycle")),
        ('["person", "traffic  light"]', ("person", "traffic light")),
        ('{0: "driver\'s cab"}', ("driver's cab",)),
        ("{0: 'person', 2: 'bicycle'}", ()),
        ("{0: 1}", ()),
        ("[[['a']]]", ()),
        ("(" * 500, ()),
        ("__import__('os').system('true')", ()),
        ("{0: 'a'" * 1000, ()),
        ("", ()),
        ("[]", ()),
    ],
)
def test_names(text, names):
    assert names_in({"names": text}) == names


def test_signs_of_a_model_that_reads_stand_a_line_each():
    assert names_in({"character": "'\n\u7597\n0\n \n/"}) == ("'", "\u7597", "0", " ", "/")
    for text in ("", "a", "a\nbc", "a\n\nb", "a\n\x00"):
        assert names_in({"character": text}) == ()


def test_points_as_ultralytics_writes_them():
    assert keypoint_shape_in({"kpt_shape": "[17, 3]"}) == (17, 3)
    for text in ("", "[17]", "[17, 4]", "[0, 3]", "['a', 3]", "[1e9, 3]"):
        assert keypoint_shape_in({"kpt_shape": text}) is None
