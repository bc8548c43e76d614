"""Rules for packages agree with the field's own comparison of versions, and refuse what they cannot read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from edgekit.judging.packages import check_rule, denies

number = st.integers(0, 30).map(str)
release = st.lists(number, min_size=1, max_size=4).map(".".join)
suffix = st.sampled_from(["", "a1", "b2", "rc3", ".dev4", ".post5", "-6", "+local.1", "rc1.dev2"])
epoch = st.sampled_from(["", "", "1!"])
version = st.builds(lambda a, b, c: a + b + c, epoch, release, suffix)


@given(found=version, bound=st.builds(lambda a, b: a + b, epoch, release))
def test_bounds_are_those_of_packaging(found: str, bound: str) -> None:
    without_local = Version(Version(found).public)
    for operator, holds in (
        ("<", without_local < Version(bound)),
        ("<=", without_local <= Version(bound)),
        (">", without_local > Version(bound)),
        (">=", without_local >= Version(bound)),
        ("==", without_local == Version(bound)),
    ):
        assert denies(f"numpy{operator}{bound}", "numpy", found) == holds, operator


@pytest.mark.parametrize(
    ("rule", "name", "version", "denied"),
    [
        ("evil", "Evil", "1", True),
        ("evil", "evil-twin", "1", False),
        ("some.thing_else", "some-thing-else", "0", True),
        ("numpy >= 2, < 2.2.5", "numpy", "2.2.4", True),
        ("numpy>=2,<2.2.5", "numpy", "2.2.5", False),
        ("numpy>=2,<2.2.5", "numpy", "1.26.4", False),
        ("numpy<2", "numpy", "whatever", True),
    ],
)
def test_rules(rule: str, name: str, version: str, denied: bool) -> None:
    assert denies(rule, name, version) == denied


@pytest.mark.parametrize("rule", ["", "<2", "numpy<", "numpy=2", "numpy~=2", "numpy<2;evil", "numpy<2rc1", "a b", "é"])
def test_what_is_no_rule(rule: str) -> None:
    with pytest.raises(ValueError, match="no rule"):
        check_rule(rule)
