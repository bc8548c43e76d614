"""Workers' figures in one text: what is right goes through with its application's name, nothing else does."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgekit.device.keeper.worker_text import MAX_BYTES, MAX_WORKER_CHARACTERS, WorkerTexts

HEAD = "# HELP edgekit_frames_total Frames.\n# TYPE edgekit_frames_total counter\n"
LATENCY = """\
# HELP edgekit_frame_latency_seconds From capture to sink.
# TYPE edgekit_frame_latency_seconds histogram
edgekit_frame_latency_seconds_bucket{stream="a",le="0.1"} 1.0
edgekit_frame_latency_seconds_bucket{stream="a",le="+Inf"} 2.0
edgekit_frame_latency_seconds_count{stream="a"} 2.0
edgekit_frame_latency_seconds_sum{stream="a"} 1.5e-01
"""


def put(*texts: str) -> tuple[str, list[int]]:
    """What is made of the texts of workers a, b, ..."""
    made = WorkerTexts(["edgekit_healthy"])
    refused = [made.add(name, text) for name, text in zip("abcdefgh", texts, strict=False)]
    return "\n".join(made.lines()) + "\n", refused


def test_families_of_several_workers_stand_together() -> None:
    text, refused = put(HEAD + "edgekit_frames_total 3\n" + LATENCY, HEAD + 'edgekit_frames_total{stream="x"} 4.0\n')
    assert refused == [0, 0]
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert sorted(families) == ["edgekit_frame_latency_seconds", "edgekit_frames"]
    assert [(one.labels, one.value) for one in families["edgekit_frames"].samples] == [
        ({"application": "a"}, 3),
        ({"application": "b", "stream": "x"}, 4),
    ]
    latency = {one.name.rpartition("_")[2]: one for one in families["edgekit_frame_latency_seconds"].samples}
    assert latency["bucket"].labels == {"application": "a", "stream": "a", "le": "+Inf"}
    assert latency["sum"].value == 0.15


@pytest.mark.parametrize(
    "line",
    [
        "edgekit_frames_total",
        "edgekit_frames_total 1 2",
        "edgekit_frames_total 1.2.3",
        "edgekit_frames_total NaNs",
        "edgekit_other_total 1",
        'edgekit_frames_total{application="b"} 1',
        'edgekit_frames_total{a="1",application="b"} 1',
        'edgekit_frames_total{a="1} 1',
        'edgekit_frames_total{a="\\x"} 1',
        'edgekit_frames_total{a="\x1b[2J"} 1',
        'edgekit_frames_total{a="\ud800"} 1',
        'edgekit_frames_total{a="' + "x" * 5000 + '"} 1',
        "edgekit_frames_total_bucket 1",
        "# TYPE edgekit_frames_total gauge",
        "# HELP edgekit_healthy What only the keeper says.",
        "# HELP edgekit_board_throttled What only the keeper says.",
        "# HELP edgekit_worker_up What only the keeper says.",
        "# HELP node_load1 What is not ours.",
        "# a comment",
    ],
)
def test_what_is_not_right_is_left_out_and_counted(line: str) -> None:
    text, refused = put(f"{HEAD}edgekit_frames_total 7\n{line}\n")
    assert refused == [1]
    assert text == f'{HEAD}edgekit_frames_total{{application="a"}} 7\n'


def test_a_family_of_the_keeper_s_is_left_out_with_its_samples() -> None:
    spoken = '# HELP edgekit_healthy 1.\n# TYPE edgekit_healthy gauge\nedgekit_healthy{application="b"} 1\n'
    assert put(spoken + HEAD + "edgekit_frames_total 7\n") == (
        f'{HEAD}edgekit_frames_total{{application="a"}} 7\n',
        [3],
    )


def test_two_kinds_under_one_name_are_one_kind() -> None:
    other = HEAD.replace("counter", "gauge")
    text, refused = put(HEAD + "edgekit_frames_total 7\n", other + "edgekit_frames_total 8\n")
    assert (text.count("# TYPE"), refused) == (1, [0, 2])
    assert '"b"' not in text


def test_the_same_series_twice_is_one() -> None:
    text, refused = put(f"{HEAD}edgekit_frames_total 7\nedgekit_frames_total 8\n")
    assert (text.count("\nedgekit_frames_total{"), refused) == (1, [1])


def test_a_worker_s_text_has_an_end() -> None:
    line = 'edgekit_frames_total{{n="{}"}} 1\n'
    count = MAX_WORKER_CHARACTERS // len(line.format(10**6)) + 1000
    text, refused = put(HEAD + "".join(line.format(10**6 + number) for number in range(count)))
    taken = text.count("\nedgekit_frames_total{")
    assert refused == [count - taken] and 0 < taken < count
    assert len([*text_string_to_metric_families(text)]) == 1


def test_all_texts_together_have_an_end() -> None:
    wide = HEAD + "".join(f'edgekit_frames_total{{n="{"ä" * 1000}{number}"}} 1\n' for number in range(500))
    text, refused = put(*[wide] * 8)
    assert MAX_BYTES * 0.9 < len(text.encode()) <= MAX_BYTES
    assert refused[0] == 0 and refused[-1] >= 500
