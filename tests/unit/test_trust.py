"""Digests, and signatures by the real ssh-keygen: who is believed, and who is not."""

from __future__ import annotations

import re
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.trust import check_digest_name, fingerprint, sha256_bytes, sha256_file, sign, verify
from tests.fakes.agent import running_agent

LOCAL = LocalExecutor()
MESSAGE = b'{"a": 1}\n'
SPACE = "edgekit-release"


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ann's key, the world's, and a file that believes ann."""
    folder = tmp_path_factory.mktemp("trust")
    make_key(folder / "ann")
    make_key(folder / "eve")
    allow(folder, "")
    return folder


def allow(folder: Path, options: str) -> Path:
    kind, key, *_ = (folder / "ann.pub").read_text().split()
    file = folder / "allowed_signers"
    file.write_text(f"ann@desk {options}{kind} {key}\n")
    return file


def check(folder: Path, signature: bytes, message: bytes = MESSAGE, options: str = "") -> str:
    return verify(LOCAL, message, signature, allowed_signers=allow(folder, options), namespace=SPACE)


def test_a_signature_is_believed_and_always_the_same(folder: Path) -> None:
    signature = sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE)
    assert check(folder, signature) == "ann@desk"
    assert sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE) == signature


def test_a_signature_names_its_key_as_openssh_does(folder: Path) -> None:
    argv = ["ssh-keygen", "-l", "-f", str(folder / "ann.pub")]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert fingerprint(sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE)) == shown.split()[1]
    assert fingerprint(b"") == fingerprint(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END") == ""


def test_other_bytes_other_signers_other_purposes_other_times(folder: Path) -> None:
    good = sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE)
    with pytest.raises(TrustError, match="does not fit"):
        check(folder, good, MESSAGE + b" ")
    with pytest.raises(TrustError, match="not signed by an allowed signer"):
        check(folder, sign(LOCAL, MESSAGE, key=folder / "eve", namespace=SPACE))
    with pytest.raises(TrustError, match="does not fit"):
        check(folder, sign(LOCAL, MESSAGE, key=folder / "ann", namespace="git"))
    with pytest.raises(TrustError):
        check(folder, good, options='valid-before="20200101" ')
    with pytest.raises(TrustError):
        check(folder, good, options='namespaces="git" ')


@pytest.mark.parametrize(
    "first", ['git@x namespaces="git" ', '"git@x,other@x" namespaces="git" ', 'old@x valid-before="20200101" ']
)
@pytest.mark.parametrize("second", ["ann@desk ", '"ann@desk,ann@lap" ', 'ann@desk namespaces="edgekit-*" '])
def test_a_key_on_two_lines_is_believed_by_the_one_that_is_for_releases(
    first: str, second: str, folder: Path, tmp_path: Path
) -> None:
    kind, key, *_ = (folder / "ann.pub").read_text().split()
    file = tmp_path / "allowed_signers"
    lines = [f"# {kind} {key}", f"{first}{kind} {key}", f"{second}{kind} {key} comment"]
    good = sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE)
    for order in (lines, lines[::-1]):
        file.write_text("\n".join(order) + "\n")
        assert verify(LOCAL, MESSAGE, good, allowed_signers=file, namespace=SPACE) == "ann@desk"
    file.write_text(lines[0] + "\n" + lines[1] + "\n")
    with pytest.raises(TrustError):
        verify(LOCAL, MESSAGE, good, allowed_signers=file, namespace=SPACE)


@pytest.mark.parametrize("signature", [b"", b"\n", b"not a signature"])
def test_what_is_no_signature(signature: bytes, folder: Path) -> None:
    with pytest.raises(TrustError, match="not signed"):
        check(folder, signature)


def test_nobody_is_believed_where_nobody_is_named(folder: Path) -> None:
    good = sign(LOCAL, MESSAGE, key=folder / "ann", namespace=SPACE)
    with pytest.raises(TrustError, match="no signer is trusted"):
        verify(LOCAL, MESSAGE, good, allowed_signers=folder / "nowhere", namespace=SPACE)


def test_a_key_that_is_not_there_or_is_none(folder: Path) -> None:
    with pytest.raises(TrustError, match="is not there") as caught:
        sign(LOCAL, MESSAGE, key=folder / "nobody", namespace=SPACE)
    assert "edgekit keys init" in caught.value.hint
    for content, words in (
        ("no key\n", "is not a key in OpenSSH's format"),
        ("", "is empty"),
        ("-----BEGIN", "is not a key"),
    ):
        (folder / "odd").write_text(content)
        (folder / "odd").chmod(0o600)
        with pytest.raises(TrustError, match=words) as caught:
            sign(LOCAL, MESSAGE, key=folder / "odd", namespace=SPACE)
        assert f"mv {folder / 'odd'} {folder / 'odd'}.bad && edgekit keys init" in caught.value.hint


def test_a_key_that_others_may_read_signs_once_the_hint_was_followed(folder: Path) -> None:
    key = make_key(folder / "open")
    key.chmod(0o644)
    with pytest.raises(TrustError, match="may be read by others") as caught:
        sign(LOCAL, MESSAGE, key=key, namespace=SPACE)
    subprocess.run(caught.value.hint.split(), check=True)
    assert sign(LOCAL, MESSAGE, key=key, namespace=SPACE)


def test_a_locked_key_signs_once_an_agent_has_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = folder / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(TrustError, match="it is locked") as caught:
        sign(LOCAL, MESSAGE, key=key, namespace=SPACE)
    with running_agent(tmp_path, password="secret") as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        command = re.search(r"ssh-add \S+", caught.value.hint)
        assert command
        subprocess.run(command[0].split(), check=True, stdin=subprocess.DEVNULL, capture_output=True)
        assert sign(LOCAL, MESSAGE, key=key, namespace=SPACE)
        assert sign(LOCAL, MESSAGE, key=key.with_name("locked.pub"), namespace=SPACE)


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(MESSAGE)
    assert sha256_file(tmp_path / "file") == sha256_bytes(MESSAGE)


def test_a_large_file_is_digested_in_little_memory(tmp_path: Path) -> None:
    """The kernel maps a large buffer anew for each piece, page by page: on a board that was most of an installation."""
    (tmp_path / "large").write_bytes(content := b"0123456789abcdef" * 500_000)
    tracemalloc.start()
    try:
        assert sha256_file(tmp_path / "large") == sha256_bytes(content)
        assert tracemalloc.get_traced_memory()[1] < 60 << 10
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["", "ab", "A" * 64, "../" + "a" * 61, "g" * 64, "a" * 65])
def test_digest_names_never_leave_their_folder(text: str) -> None:
    assert check_digest_name("0a" * 32) == "0a" * 32
    with pytest.raises(InputError):
        check_digest_name(text)
