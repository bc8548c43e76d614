"""Files of allowed signers: read as ssh-keygen reads them, and judged as a device's keeper would."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import EdgekitError, InputError
from edgekit.executor.local import LocalExecutor
from edgekit.host.signers import check_you, parse_signers
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign, verify

LOCAL = LocalExecutor()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("signers")
    kinds = {"ann": "ed25519", "bob": "ed25519", "rsa": "rsa", "ec": "ecdsa"}
    for name, kind in kinds.items():
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    return {name: folder / name for name in kinds}


def public(key: Path) -> str:
    return " ".join(key.with_name(f"{key.name}.pub").read_text().split()[:2])


def test_fingerprints_are_those_of_ssh_keygen(keys: dict[str, Path]) -> None:
    text = "# who\n\n" + "".join(f"{name}@x {public(key)} a comment\n" for name, key in keys.items())
    for signer, key in zip(parse_signers(text.encode(), "f"), keys.values(), strict=True):
        shown = subprocess.run(["ssh-keygen", "-l", "-f", str(key)], capture_output=True, text=True, check=True).stdout
        assert signer.fingerprint == shown.split()[1]
        assert signer.why_not(time.time()) == ""


OPTIONS = [
    "",
    'namespaces="edgekit-release" ',
    'namespaces="git,file" ',
    'namespaces="git,edgekit-*" ',
    'namespaces="*,!edgekit-release" ',
    'namespaces="edgekit-releas?" ',
    'valid-before="20200101" ',
    'valid-after="20200101",valid-before="20991231Z" ',
    'valid-after="209901010000" ',
    'VALID-BEFORE="20200101000000Z",namespaces="edgekit-release" ',
    "cert-authority ",
    'namespaces="edgekit-release",valid-after="20200101Z" ',
]


def verdicts(text: str, keys: dict[str, Path], tmp_path: Path) -> tuple[bool, bool]:
    """Whether Ann could deploy: in our opinion, and in ssh-keygen's."""
    file = tmp_path / "allowed_signers"
    file.write_text(text)
    try:
        check_you(parse_signers(text.encode(), "f"), public(keys["ann"]), "f", time.time())
        ours = True
    except InputError:
        ours = False
    signature = sign(LOCAL, b"release", key=keys["ann"], namespace=SIGNATURE_NAMESPACE)
    try:
        verify(LOCAL, b"release", signature, allowed_signers=file, namespace=SIGNATURE_NAMESPACE)
        theirs = True
    except EdgekitError:
        theirs = False
    return ours, theirs


@pytest.mark.parametrize("options", OPTIONS)
def test_we_judge_a_line_as_ssh_keygen_does(options: str, keys: dict[str, Path], tmp_path: Path) -> None:
    text = f"bob@x {public(keys['bob'])}\nann@desk,ann@lap {options}{public(keys['ann'])} comment\n"
    ours, theirs = verdicts(text, keys, tmp_path)
    assert ours == theirs


@pytest.mark.parametrize(("first", "second"), list(itertools.product(OPTIONS[:4] + OPTIONS[6:7], OPTIONS[:4])))
@pytest.mark.parametrize("names", [("ann", "ann"), ("git@ann", "ann")])
def test_we_judge_two_lines_with_one_key_as_the_device_does(
    first: str, second: str, names: tuple[str, str], keys: dict[str, Path], tmp_path: Path
) -> None:
    text = "".join(
        f"{name} {options}{public(keys['ann'])}\n" for name, options in zip(names, (first, second), strict=True)
    )
    ours, theirs = verdicts(text, keys, tmp_path)
    assert ours == theirs


WRONG = [
    ("", "names nobody"),
    ("# nobody\n\n", "names nobody"),
    ("{ann}", "f:1: it begins with the key: whose is it"),
    ("ann@x\n", "f:1: no key stands there"),
    ("ann@x ssh-ed25519\n", "f:1: no key stands there"),
    ("ann@x ssh-ed25519 AAAA\n", "f:1: the key is damaged"),
    ("ann@x {ann_as_rsa}\n", "f:1: the key is damaged, or not of the type ssh-rsa"),
    ("ann@x namespaces=git {ann}\n", "f:1: 'namespaces=git' is no option: write namespaces="),
    ('ann@x colour="red" {ann}\n', "is no option: write namespaces="),
    ('ann@x valid-before="soon" {ann}\n', "'soon' is no time"),
    ('ann@x valid-before="20201399" {ann}\n', "'20201399' is no time"),
    ('ann@x valid-after="20300101",valid-before="20200101" {ann}\n', "ends to be valid before it begins"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END\n", "f:1: this is a private key"),
    ('{{"json": true}}\n<html>\n', "2 lines are wrong"),
    ("\x00\x01\x02" * 50, "f:1: "),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_no_such_file(text: str, message: str, keys: dict[str, Path]) -> None:
    ann = public(keys["ann"])
    content = text.format(ann=ann, ann_as_rsa=ann.replace("ssh-ed25519", "ssh-rsa"))
    with pytest.raises(InputError) as caught:
        parse_signers(content.encode(), "f")
    assert message in caught.value.message
    assert "PRIVATE" not in caught.value.message + caught.value.details


@given(st.binary(max_size=300))
def test_any_bytes_are_signers_or_an_error(data: bytes) -> None:
    try:
        assert parse_signers(data, "f")
    except InputError as error:
        assert error.hint


def test_a_huge_file_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="no allowed_signers file"):
        parse_signers(b"x" * (2 << 20), "f")


def test_being_left_out_names_the_cure_that_works(keys: dict[str, Path], tmp_path: Path) -> None:
    text = f"bob@x {public(keys['bob'])}\n"
    with pytest.raises(InputError, match="does not name your key") as caught:
        check_you(parse_signers(text.encode(), "f"), public(keys["ann"]), "f", time.time())
    assert caught.value.hint.startswith("edgekit keys show >> f, or add --without-me")
    assert verdicts(f"{text}ann {public(keys['ann'])}\n", keys, tmp_path) == (True, True)
