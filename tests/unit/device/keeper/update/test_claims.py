"""What deployments under way need, by connection."""

from __future__ import annotations

import threading

from edgekit.device.keeper.update.claims import Claims


def claimed(claims: Claims) -> tuple[set[str], set[str]]:
    with claims.all() as found:
        return found


def test_each_connection_has_one_release_with_its_blobs() -> None:
    claims = Claims()
    claims.put("ann", "r1", ["a", "b"])
    claims.put("bob", "r2", ["b", "c"])
    assert claimed(claims) == ({"r1", "r2"}, {"a", "b", "c"})
    claims.drop("ann")
    claims.drop("ann")
    assert claimed(claims) == ({"r2"}, {"b", "c"})


def test_the_same_release_again_keeps_its_blobs_and_another_frees_them() -> None:
    claims = Claims()
    claims.put("ann", "r1", ["a"])
    claims.put("ann", "r1")
    assert claimed(claims) == ({"r1"}, {"a"})
    claims.put("ann", "r1", ["b"])
    assert claimed(claims) == ({"r1"}, {"b"})
    claims.put("ann", "r2")
    assert claimed(claims) == ({"r2"}, set())


def test_nothing_is_claimed_while_somebody_clears_out() -> None:
    claims = Claims()
    thread = threading.Thread(target=claims.put, args=("ann", "r1"))
    with claims.all() as (releases, _):
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and not releases
    thread.join()
    assert claimed(claims)[0] == {"r1"}
