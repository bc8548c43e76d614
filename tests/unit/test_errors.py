"""The tree of errors keeps the exit codes that scripts rely on."""

from __future__ import annotations

import pytest

from edgekit import errors

CODES = {
    "InputError": 2,
    "NothingSelected": 3,
    "WheelError": 4,
    "EngineError": 5,
    "TrustError": 6,
    "Unreachable": 7,
    "RolloutError": 8,
    "LockHeld": 9,
    "Interrupted": 130,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes(name: str, code: int) -> None:
    error = getattr(errors, name)("the thing broke", hint="mend it", details="more")
    assert (error.exit_code, error.message, error.hint, error.details) == (code, "the thing broke", "mend it", "more")
    assert errors.BY_EXIT_CODE[code] is type(error)


def test_every_error_has_a_code_of_its_own() -> None:
    assert len(errors.BY_EXIT_CODE) == len(CODES) + 1


def test_a_hint_is_required() -> None:
    with pytest.raises(TypeError):
        errors.InputError("the thing broke")  # type: ignore[call-arg]
