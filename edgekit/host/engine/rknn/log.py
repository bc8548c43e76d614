"""The toolkit's output as data. Pure. Source: measured on rknn-toolkit2 2.3.2 and 2.5.0 with `verbose=True`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgekit.host.engine.record import PlacedOperator
from edgekit.host.engine.verify.verdict import LayerError

_LAYER = re.compile(
    r"^D RKNN: \[[\d:.]+\] +\d+ +(?P<kind>\S+) +(?P<dtype>\S+) +(?P<place>[A-Z]+) +\S+ +\S+ +"
    r"\d+/\d+/(?P<cycles>\d+) +(?P<kib>\d+)\b.* [^\s:]+:(?P<name>\S+) *$"
)
_MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB")
_ACCURACY = re.compile(r"^\[(\w+)\] (\S+) +(\S+) *\| *\S+ +(\S+) *\|")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HEAD = re.compile(
    r"^(?:[A-Z] (?:\S+: )?|(?:\w+\.)*\w*(?:Error|Exception|Fail|Warning)(?:: ?|$)|"
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |\[[\d:.]{8,}\] ?)"
)
"""Levels, times and names of exceptions in front of a message."""
_DUMP = re.compile(r"\s*[{\[(]\s*(?:'|\"|array|\d+, ).*")
"""A dictionary or an array as Python prints it."""
_MAX_LINE = 200
_REGISTER = re.compile(r"REGTASK: .*limit: (0x[0-9a-f]+), value: (0x[0-9a-f]+)")
_WARNING = re.compile(r"^W (?:\S+: )?(\S.*)")
_ERROR = re.compile(r"^E (?:RKNN: \[[\d:.]+\] |\S+: )?(\S.*)")
_NOISE = (
    "Unkown op target: 0",
    "Traceback",
    "The default input dtype",
    "The default output dtype",
    "The mapping of",
    "The MMSE will consume",
    "LayoutMatchManager:",
)
_NOISE_INSIDE = ("need parameter qtype", "initializer tensor data is empty", "will fallback", "regtask", "Regtasks")
"""Of use to the compiler's developers alone: an operator that it leaves to the CPU is in the table of layers."""
_WORDS = (
    ("found outlier value", "some weights have outliers, which costs int8 accuracy"),
    ("The QAT model is loaded", "the ranges are those that the model brings"),
)
"""Known warnings, in words for the user."""
_ENDS = frozenset({"InputOperator", "OutputOperator"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerLog:
    """The compiler's report of an engine."""

    layers: tuple[PlacedOperator, ...]
    internal_bytes: int
    weight_bytes: int
    warnings: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def cycles(self) -> int:
        """Of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def on_cpu(self) -> tuple[PlacedOperator, ...]:
        """Layers that the NPU leaves to the CPU."""
        return tuple(layer for layer in self.layers if layer.place == "CPU")


def read_log(text: str) -> CompilerLog:
    """Everything of use in what the toolkit printed."""
    lines = [_COLOUR.sub("", line).strip("\r") for line in re.split(r"[\r\n]+", text)]
    memory = {kind: int(float(size) * 1024) for line in lines for kind, size in _MEMORY.findall(line)}
    return CompilerLog(
        layers=tuple(layer for line in lines if (layer := _layer(line)) and layer.kind not in _ENDS),
        internal_bytes=memory.get("Internal", 0),
        weight_bytes=memory.get("Weight", 0),
        warnings=(*_messages(_WARNING, lines), *_registers(lines)),
        errors=_messages(_ERROR, lines),
    )


def clean_line(text: str) -> str:
    """The last line with a message, without control sequences, log levels and dumps; may be empty."""
    for line in reversed(re.split(r"[\r\n]+", text)):
        words = _CONTROL.sub("", _COLOUR.sub("", line)).strip()
        while (shorter := _HEAD.sub("", words)) != words:
            words = shorter.strip()
        words = _DUMP.sub(" ...", words).strip()
        if words.strip(". "):
            return words if len(words) <= _MAX_LINE else words[: _MAX_LINE - 3] + "..."
    return ""


def _registers(lines: list[str]) -> tuple[str, ...]:
    """A warning where a size does not fit the NPU's registers: the compiler goes on all the same."""
    found = [match for line in lines if (match := _REGISTER.search(line))]
    if not found:
        return ()
    largest = max(int(match[2], 16) for match in found)
    limit = int(found[0][1], 16)
    return (f"a size of {largest + 1} does not fit the NPU's registers ({limit + 1} do): try this engine on a board",)


def read_accuracy(text: str) -> tuple[LayerError, ...]:
    """The rows of an accuracy analysis, in the order of execution."""
    found = (_ACCURACY.match(line) for line in text.splitlines())
    return tuple(
        LayerError(kind=row[1], name=row[2], cosine=_cosine(row[3]), cosine_alone=_cosine(row[4]))
        for row in found
        if row
    )


def _cosine(text: str) -> float:
    """A figure; nan for what the toolkit writes of a layer that is infinite, all zero or no number."""
    return float(text) if _NUMBER.fullmatch(text) else float("nan")


def _layer(line: str) -> PlacedOperator | None:
    found = _LAYER.match(line)
    if found is None:
        return None
    return PlacedOperator(
        kind=found["kind"],
        name=found["name"],
        dtype=found["dtype"],
        place=found["place"],
        cycles=int(found["cycles"]),
        traffic_bytes=int(found["kib"]) * 1024,
    )


def _messages(pattern: re.Pattern[str], lines: list[str]) -> tuple[str, ...]:
    """Each sentence once, without noise."""
    found = [clean_line(match[1]) for line in lines if (match := pattern.match(line)) and "REGTASK" not in line]
    useful = (text for text in found if not text.startswith(_NOISE) and not any(one in text for one in _NOISE_INSIDE))
    return tuple(dict.fromkeys(_words(text) for text in useful if text))


def _words(text: str) -> str:
    return next((words for part, words in _WORDS if part in text), text)
