"""What a user is asked of a model, and the answers: none of it is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgekit.errors import InputError
from edgekit.schema.problem import closest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """Something that a model's file does not say."""

    key: str
    """Of the answer: `order`."""
    about: str
    """The question, in a sentence."""
    choices: tuple[str, ...] = ()
    """What can be answered; none: anything that fits."""
    example: str = ""
    """An answer, where there are no choices."""
    usual: str = ""
    """Counts where nobody answers, and is told then; empty: there is no such thing."""

    @property
    def option(self) -> str:
        """How a command line answers it."""
        return f"--set {self.key}={'|'.join(self.choices) or self.example}"


SIZE = OpenQuestion(key="size", about="Width and height of the model's input, which it leaves open.", example="640x640")
LAYOUT = OpenQuestion(key="layout", about="Where the model's input has its channels.", choices=("NCHW", "NHWC"))
ORDER = OpenQuestion(key="order", about="Order of the colours that the model was trained with.", choices=("RGB", "BGR"))
PIXELS = OpenQuestion(
    key="pixels",
    about="Range that the model takes pixels in; imagenet: less its mean, by its deviation.",
    choices=("0..1", "0..255", "-1..1", "imagenet"),
)
FIT = OpenQuestion(
    key="fit",
    about="How pictures of another shape were brought to the input's in training; letterbox wants --set bars too.",
    choices=("letterbox", "stretch", "crop"),
)
BARS = OpenQuestion(
    key="bars", about="Brightness of a letterbox's bars in training: 0 is black, YOLOs have 114.", example="114"
)
ALIGN = OpenQuestion(
    key="align",
    about="Where the picture lies between a letterbox's bars.",
    choices=("centre", "top_left"),
    usual="centre",
)
HEAD = OpenQuestion(key="head", about="Which head the model has.", example="NAME")
ACTIVATION = OpenQuestion(
    key="activation", about="What makes scores of the model's numbers; none: they are scores.", example="none"
)
LABELS = OpenQuestion(
    key="labels", about="File with the classes' names, one a line, in the model's order.", example="FILE"
)
PRECISION = OpenQuestion(
    key="precision",
    about="What boards with an accelerator compute in; int8 is fastest and wants --pictures.",
    choices=("float16", "int8", "float32"),
    usual="float16",
)
THRESHOLD = OpenQuestion(key="threshold", about="Least score of a detection.", example="0.25", usual="0.25")
SURE = OpenQuestion(key="threshold", about="Least score of a class, or of a text.", example="0.5", usual="0.5")
"""Of models that say one thing of a picture."""
ALL = (SIZE, LAYOUT, ORDER, PIXELS, FIT, BARS, ALIGN, HEAD, ACTIVATION, LABELS, PRECISION, THRESHOLD)


@dataclass(slots=True)
class Answers:
    """What is answered, and what is still open."""

    given: Mapping[str, str]
    open: list[OpenQuestion] = field(default_factory=list)
    """Questions without an answer, in the order in which they came up."""
    assumed: dict[str, str] = field(default_factory=dict)
    """What counts as nobody answered, by the question's key."""

    def of(self, question: OpenQuestion, known: str = "") -> str:
        """An answer; empty where there is none, and then the question is open.

        Args:
            question: what is asked.
            known: what the model's file says; an answer counts before it.

        Raises:
            InputError: the answer is none of the choices.
        """
        answer = self.given.get(question.key) or known
        if answer and question.choices and answer not in question.choices:
            raise InputError(
                f"{question.key}: {answer!r} is none of {', '.join(question.choices)}", hint=question.option
            )
        if not answer and question.usual:
            answer = self.assumed[question.key] = question.usual
        if not answer and question.key not in {one.key for one in self.open}:
            self.open.append(question)
        return answer


def parse_answers(texts: Iterable[str]) -> dict[str, str]:
    """Read `KEY=VALUE` texts.

    Raises:
        InputError: one has another form, or a key that is none; the message names the closest.
    """
    known = {question.key: question for question in ALL}
    answers: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value or key not in known:
            closest = closest_of(key, known)
            meant = f"; did you mean {closest}?" if closest and key != closest else ""
            raise InputError(
                f"--set {text!r}: expected KEY=VALUE{meant}", hint=f"keys: {', '.join(known)}; such as {ORDER.option}"
            )
        answers[key] = value
    return answers
