"""Digests, and signatures in OpenSSH's format, made and checked by `ssh-keygen -Y`.

Source: OpenSSH, ssh-keygen(1), "ALLOWED SIGNERS" and `-Y sign|verify|find-principals`; PROTOCOL.sshsig.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.executor import Executor
from edgekit.schema.trust import MAX_SIGNATURES

_TIMEOUT_S = 60.0
_HEAD_BYTES = 64 << 10
_PIECE_BYTES = 32 << 10
"""Read at once, to the same place each time: a fresh large one costs the kernel a fault for each of its pages."""
_PRINCIPALS = re.compile(r'\s*(?:"([^"]*)"|([^\s"]+))\s')
_END = b"-----END SSH SIGNATURE-----"
_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-ssh-", b"sk-ecdsa-")


def sha256_bytes(data: bytes) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, read in pieces."""
    digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
    return digest.hexdigest()


def sign(executor: Executor, message: bytes, *, key: Path, namespace: str) -> bytes:
    """Sign with a private key file, or with a public one whose private half is in the user's agent.

    Returns:
        The armoured signature. ed25519 signatures of the same bytes are the same bytes.

    Raises:
        TrustError: no such key, wrong passphrase, or the agent refused.
    """
    if not key.is_file():
        raise TrustError(f"{key} is not there", hint="edgekit keys init makes a signing key")
    check_key(key)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "message")
        file.write_bytes(message)
        argv = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(file)]
        done = executor.run(argv, timeout_s=_TIMEOUT_S)
        signature = file.with_name("message.sig")
        if done.returncode or not signature.exists():
            raise _did_not_sign(key, done.output)
        return signature.read_bytes()


def check_key(key: Path) -> None:
    """Return if a file looks like a key that can sign: a private one, or the public half of one in an agent.

    Raises:
        TrustError: it is empty, damaged or something else.
        OSError: it cannot be read.
    """
    head = key.read_bytes()[:_HEAD_BYTES]
    if head.startswith(_PUBLIC) or (b"PRIVATE KEY-----" in head and b"-----END" in head):
        return
    what = "is not a key in OpenSSH's format, or damaged" if head.strip() else "is empty"
    raise TrustError(
        f"{key} {what}",
        hint=f"name another key with --key, or make yours anew: mv {key} {key}.bad && edgekit keys init (then "
        "edgekit provision tells your devices of it)",
    )


def _did_not_sign(key: Path, output: str) -> TrustError:
    """What ssh-keygen means, and what helps against that. Source: OpenSSH, sshkey_perm_ok in authfile.c."""
    if "UNPROTECTED PRIVATE KEY" in output:
        message = f"{key} may be read by others, so ssh-keygen does not use it"
        return TrustError(message, hint=f"chmod 600 {key}", details=output)
    private = key.with_suffix("") if key.suffix == ".pub" else key
    hint = f"give the key to your agent: ssh-add {private} (where none runs, first: eval $(ssh-agent))"
    return TrustError(
        f"{key} did not sign: it is locked, or its private half is in no agent", hint=hint, details=output
    )


def verify(executor: Executor, message: bytes, signature: bytes, *, allowed_signers: Path, namespace: str) -> str:
    """Check a signature against a file in OpenSSH's allowed_signers format; of several the first that is good counts.

    Returns:
        The principal that signed.

    Raises:
        TrustError: not signed, not by an allowed signer, not valid now, or not these bytes.
    """
    if not signature.strip():
        raise TrustError("the release is not signed", hint="edgekit build signs what it makes; see edgekit keys init")
    if not allowed_signers.is_file():
        raise TrustError(f"{allowed_signers} is not there: no signer is trusted", hint="edgekit provision the device")
    refused = None
    for one in split_signatures(signature)[:MAX_SIGNATURES]:
        try:
            return _verify_one(executor, message, one, allowed_signers=allowed_signers, namespace=namespace)
        except TrustError as error:
            refused = refused or error
    assert refused is not None
    try:
        raise refused
    finally:
        del refused  # it knows this frame, and so the message: they would stay until they are looked for


def _verify_one(executor: Executor, message: bytes, signature: bytes, *, allowed_signers: Path, namespace: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "message.sig")
        file.write_bytes(signature)
        trusted = ["-f", str(allowed_signers), "-s", str(file)]
        found = executor.run(["ssh-keygen", "-Y", "find-principals", *trusted], timeout_s=_TIMEOUT_S)
        named = found.text.splitlines() if found.returncode == 0 else []
        principals = dict.fromkeys([*named, *_principals(allowed_signers.read_bytes(), signature)])
        if not principals:
            raise TrustError(
                "the release is not signed by an allowed signer",
                hint=f"sign it with a key in {allowed_signers}, or provision the device with that signer's key",
                details=found.output,
            )
        outputs = []
        for principal in principals:
            argv = ["ssh-keygen", "-Y", "verify", *trusted, "-I", principal, "-n", namespace]
            done = executor.run(argv, timeout_s=_TIMEOUT_S, stdin=message)
            if done.returncode == 0:
                return principal
            outputs.append(done.output)
        raise TrustError(
            f"the signature of {' or '.join(principals)} does not fit the release",
            hint="build the release again; if the device's clock is wrong, set it",
            details="\n".join(dict.fromkeys(outputs)),
        )


def split_signatures(signatures: bytes) -> tuple[bytes, ...]:
    """The armoured signatures that stand one after the other in a file; what is none of them stays one piece."""
    pieces = [piece + _END for piece in signatures.split(_END)]
    found = tuple(piece.lstrip() + b"\n" for piece in pieces[:-1] if piece.lstrip().startswith(b"-----BEGIN"))
    return found or (signatures,)


def signing_keys(
    executor: Executor, message: bytes, signatures: Iterable[bytes], *, keys: Mapping[str, str], namespace: str
) -> frozenset[str]:
    """Fingerprints of the keys among `keys` that have signed, each once however often and under whatever name it did.

    Args:
        executor: runs ssh-keygen, once for each signature of a known key.
        message: what they should have signed.
        signatures: armoured; what is damaged, or of another key, is left out.
        keys: `fingerprint -> "ssh-ed25519 AAAA..."` of those that are looked for.
        namespace: what they should have signed it for.
    """
    found: set[str] = set()
    for signature in signatures:
        who = fingerprint(signature)
        if who in keys and who not in found and _signed_by(executor, message, signature, keys[who], namespace):
            found.add(who)
    return frozenset(found)


def _signed_by(executor: Executor, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        signers, file = Path(folder, "signers"), Path(folder, "message.sig")
        signers.write_text(f"signer {key}\n")
        file.write_bytes(signature)
        argv = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-s", str(file), "-I", "signer", "-n", namespace]
        return executor.run(argv, timeout_s=_TIMEOUT_S, stdin=message).returncode == 0


def fits(executor: Executor, message: bytes, signature: bytes, *, namespace: str) -> bool:
    """Whether somebody, whoever it is, has signed this message with that signature."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "message.sig")
        file.write_bytes(signature)
        argv = ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(file)]
        return executor.run(argv, timeout_s=_TIMEOUT_S, stdin=message).returncode == 0


def _principals(allowed_signers: bytes, signature: bytes) -> list[str]:
    """The principals of every line with the key that signed.

    `find-principals` gives those of the first such line alone, which may be for another namespace, or over.
    """
    key = _signing_key(signature)
    lines = [line for line in allowed_signers.decode(errors="replace").splitlines() if not line.startswith("#")]
    found = [match[1] or match[2] for line in lines if key in line.split() and (match := _PRINCIPALS.match(line))]
    return [principal for principals in found for principal in principals.split(",") if principal]


def fingerprint(signature: bytes) -> str:
    """Of the key that made a signature, as `ssh-keygen -l` shows it; empty where the signature is damaged."""
    key = _signing_key(signature)
    digest = base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}" if key else ""


def _signing_key(signature: bytes) -> str:
    """The public key in a signature, in base64; empty where the signature is damaged.

    Source: OpenSSH, PROTOCOL.sshsig, sections 2 and 3.
    """
    try:
        blob = base64.b64decode(b"".join(signature.split(b"-----")[2].split()), validate=True)
        magic, _version, length = struct.unpack_from(">6sII", blob)
    except (IndexError, ValueError, struct.error):
        return ""
    return base64.b64encode(blob[14 : 14 + length]).decode() if magic == b"SSHSIG" and length else ""


def check_digest_name(text: str) -> str:
    """Return `text` if it is 64 lower-case hex digits; raise InputError otherwise: it becomes part of a path."""
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise InputError(f"{text[:80]!r} is not a SHA-256 digest", hint="give the 64 hex digits that build printed")
    return text
