"""Golden answers on disk: whole or not at all, and never over another picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.golden.writing import answers_text, section, write_frames, write_new
from edgekit.schema.detection import Detection, read_expected
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Golden

POINT = Detection(label="disc", colour="rot", x_px=1.5, y_px=0.0, score=0.0)
BOX = Detection(label="schön", x_px=1.0, y_px=2.0, width_px=3.0, height_px=4.0, score=0.5)


def test_answers_read_back_and_points_have_no_boxes() -> None:
    answers = {"b.png": (POINT, BOX), "a.png": ()}
    text = answers_text(answers)
    assert read_expected(text, "expected.json") == answers
    assert text.count(b"width_px") == 1 and b"track" not in text and "schön".encode() in text


def test_the_section_is_what_the_schema_reads() -> None:
    golden = Golden(frames=("golden/a.png", 'golden/"b".png'), expected="golden/expected.json", position_px=1.5)
    assert from_toml(Golden, section(golden).removeprefix("[golden]"), "recipe.toml") == golden


def test_what_is_there_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "golden" / "expected.json"
    write_new(file, b"one")
    write_new(file, b"two")
    assert file.read_bytes() == b"two"
    assert [path.name for path in file.parent.iterdir()] == ["expected.json"]
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match=r"expected\.json"):
        write_new(file, b"three")
    assert [path.name for path in file.parent.iterdir()] == ["expected.json"]


def test_another_picture_of_that_name_is_not_written_over(tmp_path: Path) -> None:
    write_frames({"a.png": b"1", "b.png": b"2"}, tmp_path)
    write_frames({"a.png": b"1"}, tmp_path)
    with pytest.raises(InputError, match=r"b\.png is there already, with another picture"):
        write_frames({"a.png": b"1", "b.png": b"3"}, tmp_path)
    assert (tmp_path / "b.png").read_bytes() == b"2"
