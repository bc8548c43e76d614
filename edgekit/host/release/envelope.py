"""The envelope that a provenance statement is signed in: DSSE, with OpenSSH's signatures.

What is signed is DSSE's pre-authentication encoding of type and payload, in the manifest's namespace: such bytes begin
with `DSSEv1` and a manifest's with a brace, so neither can be taken for the other. `keyid` is the key's fingerprint, a
hint to people; who is trusted is asked of the allowed_signers file alone. `sig` holds the armoured signature, so that
`ssh-keygen -Y verify` takes what base64 gives.

Source: DSSE 1.0.2, protocol.md and envelope.md; OpenSSH, PROTOCOL.sshsig.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error
from securesystemslib.signer import Signature

from edgekit.errors import InputError, TrustError
from edgekit.executor import Executor
from edgekit.schema.manifest import MAX_SIGNATURE_BYTES, SIGNATURE_NAMESPACE
from edgekit.schema.message import to_line
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES, PAYLOAD_TYPE, Statement, read_statement
from edgekit.trust import fingerprint, verify

_HINT = "build the release again: edgekit build RECIPE --target T --out DIR"
_MOST_SIGNATURES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedStatement:
    """A statement whose signature and subject were checked."""

    statement: Statement
    signer: str
    """As the allowed_signers file names them."""
    key: str
    """The key's fingerprint."""


def seal(statement: Statement, sign: Callable[[bytes], bytes]) -> bytes:
    """A statement in its envelope.

    Args:
        statement: what is stated.
        sign: makes an armoured signature.

    Raises:
        InputError: it names more inputs than may travel.
    """
    envelope = Envelope(payload=to_line(statement), payload_type=PAYLOAD_TYPE, signatures={})
    signature = sign(envelope.pae())
    key = fingerprint(signature)
    envelope.signatures[key] = Signature(key, signature.hex())
    sealed = (json.dumps(envelope.to_dict()) + "\n").encode()
    if len(sealed) > MAX_PROVENANCE_BYTES:
        raise InputError(
            f"the provenance takes {len(sealed)} bytes, allowed are {MAX_PROVENANCE_BYTES}",
            hint="keep the recipe's pictures and code in fewer folders: a folder with many files is one input",
        )
    return sealed


def open_sealed(sealed: bytes, digest: str, executor: Executor, allowed_signers: Path) -> TrustedStatement:
    """Check an envelope and read its statement.

    Args:
        sealed: the envelope; empty where the release has none.
        digest: of the release that it must be about.
        executor: runs ssh-keygen.
        allowed_signers: who is trusted.

    Raises:
        TrustError: there is none, its signature is not a trusted one, or it is about something else.
    """
    if not sealed:
        raise TrustError("the release has no provenance", hint=_HINT)
    envelope = _read_envelope(sealed)
    signer, key = _check_signatures(envelope, executor, allowed_signers)
    return TrustedStatement(statement=read_statement(envelope.payload, digest), signer=signer, key=key)


def unseal(sealed: bytes) -> tuple[bytes, bytes]:
    """A statement and the signatures over it, one after the other, as they travel to a device, which judges them.

    Raises:
        TrustError: it is no envelope.
    """
    envelope = _read_envelope(sealed)
    return envelope.payload, b"".join(bytes.fromhex(one.signature) for one in envelope.signatures.values())


def add_signature(sealed: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The same envelope with one signature more. Raises TrustError where it is no envelope."""
    envelope = _read_envelope(sealed)
    signature = sign(envelope.pae())
    key = fingerprint(signature)
    envelope.signatures[key] = Signature(key, signature.hex())
    return (json.dumps(envelope.to_dict()) + "\n").encode()


def _read_envelope(sealed: bytes) -> Envelope:
    """The library raises what its parts raise: everything that damaged JSON can cause is caught here."""
    try:
        envelope = Envelope.from_dict(json.loads(sealed))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Error) as error:
        raise TrustError("the provenance is damaged", hint=_HINT, details=f"{type(error).__name__}: {error}") from None
    if envelope.payload_type != PAYLOAD_TYPE or not 0 < len(envelope.signatures) <= _MOST_SIGNATURES:
        raise TrustError("the provenance is no signed in-toto statement", hint=_HINT)
    return envelope


def _check_signatures(envelope: Envelope, executor: Executor, allowed_signers: Path) -> tuple[str, str]:
    """Who signed, and with which key: the first signature that is trusted counts. Raises the last one's TrustError."""
    refused = TrustError("the provenance is not signed", hint=_HINT)
    for one in envelope.signatures.values():
        signature = bytes.fromhex(one.signature)
        if len(signature) > MAX_SIGNATURE_BYTES:
            continue
        try:
            signer = verify(
                executor,
                envelope.pae(),
                signature,
                allowed_signers=allowed_signers,
                namespace=SIGNATURE_NAMESPACE,
            )
        except TrustError as error:
            message = error.message.replace("the release", "the provenance")
            refused = TrustError(message, hint=error.hint, details=error.details)
        else:
            return signer, fingerprint(signature)
    raise refused
