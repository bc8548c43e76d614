"""What git says of a folder: commit, changes, and where it is from without anybody's password."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.host.git import GitState, clean_remote, git_files, git_state
from edgekit.host.snapshot import stat_numbers

_ME = (
    "-c",
    "user.name=ann",
    "-c",
    "user.email=ann@desk",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "init.defaultBranch=main",
)


def git(folder: Path, *words: str) -> str:
    argv = ["git", *_ME, "-C", str(folder), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A recipe in a repository, committed."""
    git(tmp_path, "init", "-q")
    folder = tmp_path / "recipes" / "line"
    folder.mkdir(parents=True)
    for name in ("recipe.toml", "model.onnx"):
        (folder / name).write_text(name)
    (tmp_path / "README").write_text("of the repository")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return folder


def state(folder: Path, *used: str) -> GitState:
    return git_state(folder, used, LocalExecutor())


def test_a_committed_folder_is_at_its_commit_and_clean(line: Path) -> None:
    assert state(line) == GitState(commit=git(line, "rev-parse", "HEAD"), path="recipes/line")


@pytest.mark.parametrize("change", ["edited", "added", "removed", "staged", "renamed"])
def test_what_is_not_as_it_was_committed_is_named(change: str, line: Path) -> None:
    match change:
        case "edited" | "staged":
            (line / "recipe.toml").write_text("another")
            if change == "staged":
                git(line, "add", ".")
            expected = ("recipe.toml",)
        case "added":
            (line / "new ä\n.png").touch()
            expected = ("new ä\n.png",)
        case "removed":
            (line / "model.onnx").unlink()
            expected = ("model.onnx",)
        case _:
            git(line, "mv", "model.onnx", "other.onnx")
            expected = ("model.onnx", "other.onnx")
    assert state(line).changed == expected


def test_what_others_changed_elsewhere_in_the_repository_does_not_count(line: Path) -> None:
    (line.parent.parent / "README").write_text("edited")
    assert state(line).changed == ()


def test_a_file_that_git_ignores_counts_where_the_build_uses_it(line: Path) -> None:
    (line / ".gitignore").write_text("*.onnx\nclips/\n")
    git(line, "add", ".gitignore")
    git(line, "commit", "-q", "-m", "ignore")
    (line / "clips").mkdir()
    for name in ("big.onnx", "clips/a.mp4", "clips/b.mp4"):
        (line / name).touch()
    assert state(line).changed == ()
    assert state(line, "big.onnx", "clips/b.mp4").changed == ("big.onnx", "clips/b.mp4")


def test_outside_of_a_repository_and_before_the_first_commit_nothing_is_claimed(tmp_path: Path) -> None:
    assert state(tmp_path).commit == "" and "not a git repository" in state(tmp_path).unknown
    git(tmp_path, "init", "-q")
    assert state(tmp_path).commit == "" and state(tmp_path).unknown


def test_a_machine_without_git_says_so(line: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert state(line).commit == "" and state(line).unknown


def test_a_build_that_a_git_hook_starts_asks_of_its_own_folder(
    line: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert state(line).path == "recipes/line"


def test_a_repository_runs_no_program_of_its_own(line: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    git(line, "config", "core.fsmonitor", str(hook))
    assert state(line).commit and not ran.exists()


def test_asking_changes_nothing(line: Path) -> None:
    before = [stat_numbers(file.stat()) for file in git_files(line)]
    os.utime(line / "recipe.toml", (1, 1))  # git would write into its index that only the time is another
    assert state(line).changed == ()
    assert [stat_numbers(file.stat()) for file in git_files(line)] == before


def test_a_commit_and_a_staged_file_show_in_the_files_that_are_looked_at(line: Path, tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    git(line, "worktree", "add", "-q", "-b", "side", str(worktree))
    for folder in (line, worktree / "recipes" / "line"):
        (folder / "recipe.toml").write_text("another")
        for words in (("add", "."), ("commit", "-q", "-m", "second")):
            before = [stat_numbers(file.stat()) for file in git_files(folder)]
            git(folder, *words)
            assert [stat_numbers(file.stat()) for file in git_files(folder)] != before
    (tmp_path / "nowhere" / "deep").mkdir(parents=True)
    assert git_files(Path("/proc/self")) == ()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:secret@example.org:8443/line.git?token=1#x", "git+https://example.org:8443/line.git"),
        ("https://token@example.org/line", "git+https://example.org/line"),
        ("ssh://git:secret@example.org/line.git", "git+ssh://example.org/line.git"),
        ("git@example.org:team/line.git", "git+ssh://example.org/team/line.git"),
        ("/srv/git/line.git", ""),
        ("file:///srv/line.git", ""),
        ("../line", ""),
        ("https://[bad/x", ""),
        ("ext::sh -c touch% /tmp/x", ""),
        ("", ""),
    ],
)
def test_a_remote_is_shown_without_what_only_its_user_may_know(url: str, shown: str, line: Path) -> None:
    assert clean_remote(url) == shown
    if url:
        git(line, "remote", "add", "origin", url)
        assert state(line).remote == shown
