"""Text out of a model that reads one line, by the best sign at each step (CTC)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.device.runtime.heads.candidates import Activation, Floats, softmax


def read_line(numbers: Floats, signs: Sequence[str], *, blank_first: bool, activation: Activation) -> tuple[str, float]:
    """The text without blanks around it, and the mean score of all signs; no text has the score 0.

    Repeated signs are one, unless the sign for none stands between them. Source: Graves et al., Connectionist Temporal
    Classification, ICML 2006, section 3.2.

    Args:
        numbers: [steps, signs and none], as the model gives them; a step with what is no number counts as none.
        signs: what the model knows; where it has one more, that is a blank between words, as PaddleOCR has it.
        blank_first: whether the score of none stands before those of the signs.
        activation: what makes scores of them.
    """
    scores = softmax(numbers, axis=1) if activation == "softmax" else numbers
    scores = np.where(np.isfinite(scores).all(axis=1, keepdims=True), scores, 0)
    best = scores.argmax(axis=1)
    none = 0 if blank_first else scores.shape[1] - 1
    known = (*signs, " ")
    new = best != np.concatenate([[none], best[:-1]])
    places = np.flatnonzero(new & (best != none))
    text = "".join(known[best[place] - blank_first] for place in places).strip()
    return text, float(np.clip(scores[places, best[places]].mean(), 0, 1)) if len(places) else 0.0
