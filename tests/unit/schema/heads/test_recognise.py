"""Layouts that exporters write are recognised by their shapes; what may be several is refused, with a cure."""

from __future__ import annotations

import re

import pytest

from edgekit.errors import InputError
from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.heads.grids import strides_for
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.heads.recognise import choose_layout, layouts_of


def facts(*shapes: str, classes: int | None = 80, size: int = 640, **more: object) -> HeadFacts:
    """`name 1x84x8400`, and perhaps the operator that makes it."""
    outputs = []
    for text in shapes:
        name, sizes, *made_by = text.split()
        shape = tuple(map(int, sizes.split("x")))
        outputs.append(OutputFacts(name=name, shape=shape, made_by=made_by[0] if made_by else ""))
    return HeadFacts(outputs=tuple(outputs), width_px=size, height_px=more.pop("height", size), classes=classes, **more)


def choose(known: HeadFacts, kind: str = "detect", **given: object) -> HeadLayout:
    return choose_layout(known, kind, given, "stages.find")


def zoo(*channels: int, sides: tuple[int, ...] = (80, 40, 20), made_by: str = "Sigmoid") -> list[str]:
    """Maps of the RKNN model zoo: for each grid one of each number of channels."""
    return [
        f"m{side}_{place} 1x{count}x{side}x{side} {made_by}" for side in sides for place, count in enumerate(channels)
    ]


@pytest.mark.parametrize(
    ("known", "head", "more"),
    [
        (facts("output0 1x84x8400"), "yolov8", {}),
        (facts("output0 1x84x8400", classes=None), "yolov8", {"classes": 80}),
        (facts("output0 1x5x2100", classes=1, size=320), "yolov8", {}),
        (facts("output0 1x8400x84"), "yolov8", {}),
        (facts("output0 1x84x6300", height=480), "yolov8", {}),
        (facts("output0 1x84x33600", size=1280), "yolov8", {}),
        (facts("output0 1x116x8400", "output1 1x32x160x160"), "yolov8", {"masks": 32}),
        (facts("output0 1x116x8400", "output1 1x32x160x160", classes=None), "yolov8", {"masks": 32, "classes": 80}),
        (facts("output0 1x56x8400", classes=1, keypoints=17), "yolov8", {"keypoints": 17}),
        (facts("output0 1x39x8400", classes=1, keypoints=17), "yolov8", {"keypoints": 17}),
        (facts("output0 1x56x8400", classes=None, keypoints=17, keypoint_values=(3,)), "yolov8", {"classes": 1}),
        (facts("output 1x25200x85"), "yolov5", {}),
        (facts("output 1x25200x85", "a 1x3x80x80x85", "b 1x3x40x40x85", "c 1x3x20x20x85"), "yolov5", {}),
        (facts("output 1x25200x117", "protos 1x32x160x160"), "yolov5", {"masks": 32}),
        (facts("output0 1x300x6"), "end2end", {}),
        (facts("output0 1x300x38", "output1 1x32x160x160"), "end2end", {"masks": 32}),
        (facts("output0 1x300x84"), "rtdetr", {"unit": "fraction"}),
        (facts("output 1x3598x112", size=416), "nanodet", {}),
        (facts("logits 1x300x80", "pred_boxes 1x300x4"), "detr", {"activation": "sigmoid", "background": "none"}),
        (facts("logits 1x100x81", "pred_boxes 1x100x4"), "detr", {"activation": "softmax", "background": "last"}),
        (facts("labels 1x300", "boxes 1x300x4", "scores 1x300"), "listed", {"outputs": ("boxes", "scores", "labels")}),
        (
            facts(
                "num_detections:0 1",
                "detection_boxes:0 1x100x4",
                "detection_scores:0 1x100",
                "detection_classes:0 1x100",
            ),
            "listed",
            {"unit": "fraction", "corners": "top_left_bottom_right", "background": "first"},
        ),
        (facts("num_dets 1x1", "det_boxes 1x100x4", "det_scores 1x100", "det_classes 1x100"), "listed", {}),
        (facts("scores 1x8400x80", "boxes 1x8400x4"), "boxes_scores", {"outputs": ("boxes", "scores")}),
        (facts("b 1x8400x4", "s 1x80x8400"), "boxes_scores", {"unit": "pixels"}),
        (facts(*zoo(255)), "yolov5_maps", {"activation": "none"}),
        (facts(*zoo(255, made_by="Conv")), "yolov5_maps", {"activation": "sigmoid"}),
        (facts("a 1x3x80x80x85 Conv", "b 1x3x40x40x85 Conv", "c 1x3x20x20x85 Conv"), "yolov5_maps", {}),
        (facts(*zoo(85)), "yolox_maps", {}),
        (facts(*zoo(64, 80, 1)), "split_maps", {"outputs": ("m80_0", "m80_1", "m40_0", "m40_1", "m20_0", "m20_1")}),
        (facts(*zoo(64, 80)), "split_maps", {}),
        (facts(*zoo(4, 80, 1)), "split_maps", {}),
        (facts(*zoo(64, 1, 1), classes=1), "split_maps", {"classes": 1}),
        (facts(*zoo(64, 80, 1), classes=None), "split_maps", {"classes": 80}),
        (facts(*zoo(64, 80, 1, 32), "p 1x32x160x160"), "split_maps", {"masks": 32}),
    ],
)
def test_layouts_that_exporters_write(known: HeadFacts, head: str, more: dict[str, object]) -> None:
    layout = choose(known)
    assert layout.head == head
    assert layout.classes == (known.classes or more.get("classes", layout.classes))
    for name, value in more.items():
        assert getattr(layout, name) == value
    assert str(known.outputs[0]) in layout.words or known.described in layout.words
    assert choose(known, head=head) == layout, "named, it is the same"


@pytest.mark.parametrize(
    ("known", "kind", "more"),
    [
        (facts("probs 1x1000 Softmax", classes=1000, size=224), "classify", {"activation": "none"}),
        (facts("logits 1x1000x1x1 Gemm", classes=None, size=224), "classify", {"activation": "softmax"}),
        (facts("out 1x19x512x512", classes=19, size=512), "segment", {"classes": 19}),
        (facts("out 1x21x65x65", classes=None, size=513), "segment", {"classes": 21}),
        (facts("softmax 1x40x6625 Softmax", classes=None, size=320, height=48), "read", {"activation": "none"}),
        (facts("out 25x1x37", classes=36, size=100, height=32), "read", {"activation": "softmax"}),
        (facts("387 20x1x8210", classes=None, size=160, height=64), "read", {"activation": "softmax"}),
        (facts("p 1x1 Sigmoid", classes=None, size=224), "classify", {"classes": 1, "activation": "none"}),
        (facts("p 1x1 Gemm", classes=1, size=224), "classify", {"classes": 1, "activation": "sigmoid"}),
        (facts("map 1x1x640x640 Sigmoid", classes=1, size=640), "segment", {"classes": 1, "activation": "none"}),
        (facts("map 1x1x160x160 Conv", classes=None, size=640), "segment", {"classes": 1, "activation": "sigmoid"}),
    ],
)
def test_layouts_of_whole_pictures(known: HeadFacts, kind: str, more: dict[str, object]) -> None:
    layout = choose(known, kind)
    assert layout.kind == kind
    for name, value in more.items():
        assert getattr(layout, name) == value


@pytest.mark.parametrize(
    ("known", "choices"),
    [
        (facts("output 1x8400x85"), {"head": ("yolov5", "yolox")}),
        (facts("output0 1x300x6", classes=2), {"head": ("end2end", "rtdetr")}),
        (facts("scores 1x3000x21", "boxes 1x3000x4", classes=20), {"head": ("boxes_scores", "ssd")}),
        (facts(*zoo(18), classes=None), {"head": ("yolox_maps", "yolov5_maps")}),
        (facts("a 1x255x80x80 Mul", "b 1x255x40x40 Mul", "c 1x255x20x20 Mul"), {"activation": ("sigmoid", "none")}),
    ],
)
def test_what_may_be_several_is_refused_and_each_hint_cures(
    known: HeadFacts, choices: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(InputError, match=r"^stages.find: the model's outputs are like several heads: ") as raised:
        choose(known)
    ((option, values),) = choices.items()
    assert re.findall(rf'{option} = "(\w+)"', raised.value.hint) == list(values)
    for value in values:
        try:
            assert getattr(choose(known, **{option: value}), option) == value
        except InputError as further:
            assert 'unit = "fraction", or unit = "pixels"' in further.hint
            assert choose(known, **{option: value}, unit="fraction").unit == "fraction"


def test_classes_that_the_model_may_have_one_more_of_are_asked_for() -> None:
    with pytest.raises(InputError) as raised:
        choose(facts("logits 1x100x91", "pred_boxes 1x100x4", classes=None))
    assert 'activation = "sigmoid", or activation = "softmax"' in raised.value.hint


@pytest.mark.parametrize(
    ("known", "kind", "given", "message", "hint"),
    [
        (facts("output0 1x84x8400", classes=3), "detect", {}, "kind detect with 3 labels: output0", "give 80 labels"),
        (facts("p 1x1000", classes=None), "detect", {}, "of kind detect: p [1, 1000]", 'write kind = "classify"'),
        (facts("output0 1x84x8400"), "detect", {"head": "yolov5"}, 'head "yolov5" with 80', 'write head = "yolov8"'),
        (facts("output0 1x84x8400"), "classify", {}, "of kind classify", 'write kind = "detect"'),
        (facts("latent 1x7x9x11x13"), "detect", {}, "latent [1, 7, 9, 11, 13]", "a python stage"),
        (facts("y 1x0x84"), "detect", {}, "y [1, ?, 84]", "README"),
        (facts(), "detect", {}, ": none", "README"),
    ],
)
def test_what_is_like_no_head_is_refused(known, kind, given, message, hint) -> None:
    with pytest.raises(InputError) as raised:
        choose(known, kind, **given)
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_the_cells_of_grids() -> None:
    assert strides_for(8400, 640, 640) == (8, 16, 32)
    assert strides_for(25200, 640, 640, 3) == (8, 16, 32)
    assert strides_for(3598, 416, 416) == (8, 16, 32, 64)
    assert strides_for(2000, 160, 160) == (4, 8)
    assert strides_for(6300, 640, 480) == (8, 16, 32)
    assert strides_for(300, 640, 640) == strides_for(0, 640, 640) == strides_for(6400, 640, 640) == ()


def test_any_shapes_end() -> None:
    sizes = (0, 1, 2, 4, 6, 80, 300, 8400)
    for first in sizes:
        for second in sizes:
            for third in sizes:
                layouts_of(facts(f"a 1x{first}x{second}", f"b 1x{second}x{third}", f"c 1x{first}x{second}x{third}"))
                layouts_of(facts(f"a 1x{first}x{second}x{third}", f"b 1x{third}x{second}x{first}", classes=None))
