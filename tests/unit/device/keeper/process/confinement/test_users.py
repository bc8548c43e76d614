"""Each application has a user of its own, and keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.device.keeper.process.confinement import users
from edgekit.device.keeper.process.confinement.users import Owner, Users

TEMPLATE = Owner(uid=950, gid=951, groups=(951, 44, 106))


def work(root: Path, application: str) -> Path:
    path = root / application / "work"
    path.mkdir(parents=True)
    return path


def test_two_applications_are_two_users_in_the_same_groups(tmp_path: Path) -> None:
    given = Users(TEMPLATE, tmp_path)
    one, other = given.owner(work(tmp_path, "one")), given.owner(work(tmp_path, "other"))
    assert one.numbers() == (60_800, 60_800, 44, 106)
    assert other.numbers() == (60_801, 60_801, 44, 106)
    assert given.owner(tmp_path / "one/work") == one
    assert not given.shared(one)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give folders away")
def test_a_keeper_that_starts_anew_finds_them_again(tmp_path: Path) -> None:
    os.chown(work(tmp_path, "one"), 60_807, 60_807)
    os.chown(work(tmp_path, "old"), 950, 951)
    given = Users(TEMPLATE, tmp_path)
    assert given.owner(tmp_path / "one/work").uid == 60_807
    assert given.owner(tmp_path / "old/work").uid == 60_800, "that all workers shared before"
    assert given.owner(work(tmp_path, "new")).uid == 60_801


def test_the_user_of_one_that_is_gone_is_given_again(tmp_path: Path) -> None:
    given = Users(TEMPLATE, tmp_path)
    given.owner(work(tmp_path, "one"))
    (tmp_path / "one/work").rmdir()
    assert given.owner(work(tmp_path, "other")).uid == 60_800


def test_one_that_comes_back_does_not_get_the_user_that_another_one_has_by_now(tmp_path: Path) -> None:
    given = Users(TEMPLATE, tmp_path)
    given.owner(work(tmp_path, "one"))
    (tmp_path / "one/work").rmdir()
    (tmp_path / "one").rmdir()
    other = given.owner(work(tmp_path, "other"))
    again = given.owner(work(tmp_path, "one"))
    assert (other.uid, again.uid) == (60_800, 60_801)


def test_past_the_last_number_workers_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_USERS", range(60_800, 60_801))
    given = Users(TEMPLATE, tmp_path)
    given.owner(work(tmp_path, "one"))
    other = given.owner(work(tmp_path, "other"))
    assert other == TEMPLATE
    assert given.shared(other)
