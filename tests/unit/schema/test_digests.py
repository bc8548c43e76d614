"""A digest is found by its beginning where that is one digest's alone."""

from __future__ import annotations

import pytest

from edgekit.schema.digests import DigestIndex
from edgekit.trust import sha256_bytes

DIGESTS = [sha256_bytes(b"%d" % number) for number in range(500)]
TWINS = [f"{'ab' * 10}{last * 44}" for last in "01"]


def test_each_is_found_by_as_many_characters_as_tell_it_from_the_others() -> None:
    index = DigestIndex([*DIGESTS, *TWINS])
    assert index.distinct_chars == 21
    assert all(index.find(digest[:21]) == digest for digest in (*DIGESTS, *TWINS))
    assert all(index.find(digest) == digest for digest in DIGESTS)
    assert DigestIndex(DIGESTS).distinct_chars == 8
    assert DigestIndex([]).distinct_chars == 8


@pytest.mark.parametrize("begin", ["", "ab" * 10, DIGESTS[0][:7], DIGESTS[0] + "0", "../../.", "AB" * 8, "0" * 64])
def test_what_is_short_of_several_or_no_digest_finds_none(begin: str) -> None:
    assert DigestIndex([*DIGESTS, *TWINS]).find(begin) is None
