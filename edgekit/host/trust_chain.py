"""A fleet's trust file on the workstation: every version of it, each a file in one folder.

A device that was away follows version by version, so none is ever removed. Who holds the folder is not trusted with
anything: devices judge what comes from it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.executor import Executor
from edgekit.host.disk import read_small, write_whole
from edgekit.judging.keys import by_fingerprint, check_document, missing_signatures
from edgekit.schema.trust import (
    MAX_TRUST_BYTES,
    TRUST_NAMESPACE,
    SignedDocument,
    TrustDocument,
    parse_signed,
    read_document,
    unsigned,
)
from edgekit.trust import sign, signing_keys

_NAME = re.compile(r"([1-9][0-9]{0,8})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLink:
    """One version of a trust file."""

    document: TrustDocument
    signed: SignedDocument
    signers: frozenset[str]
    """Fingerprints of those of its own keys, and of the version's before it, that have signed."""
    missing: int
    """How many more have to before devices take it."""


class TrustChain:
    """The versions in a folder, which need not be there yet."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        self.folder = folder
        self._executor = executor

    @property
    def newest_version(self) -> int:
        """The highest there is, whoever has signed it; 0 where there is none. Asks no other program."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return max((int(match[1]) for match in map(_NAME.fullmatch, names) if match), default=0)

    def link(self, version: int) -> TrustLink:
        """One version, with who has signed it.

        Raises:
            InputError: its file is not there, or is none.
        """
        signed, document = self._read(version)
        before = self._read(version - 1)[1] if version > 1 else None
        known = {**by_fingerprint(document), **(by_fingerprint(before) if before else {})}
        signers = signing_keys(
            self._executor,
            signed.message,
            [one.encode() for one in signed.signatures],
            keys={one: key.key for one, key in known.items()},
            namespace=TRUST_NAMESPACE,
        )
        missing = missing_signatures(before, document, signers)
        return TrustLink(document=document, signed=signed, signers=signers, missing=missing)

    def newest(self) -> TrustLink | None:
        """The newest version, also one that others have yet to sign; None where there is none. Raises InputError."""
        version = self.newest_version
        return self.link(version) if version else None

    def in_force(self) -> TrustLink | None:
        """The newest that enough have signed: what devices are given. Raises InputError."""
        for version in range(self.newest_version, 0, -1):
            link = self.link(version)
            if not link.missing:
                return link
        return None

    def after(self, version: int) -> tuple[bytes, ...]:
        """What a device with this version has to be brought, one after the other. Raises InputError."""
        if self.newest_version <= version:
            return ()
        links = [self.link(one) for one in range(version + 1, self.newest_version + 1)]
        return tuple(link.signed.to_bytes() for link in links if not link.missing)

    def write(self, document: TrustDocument, keys: Sequence[Path]) -> TrustLink:
        """Sign a version with some keys, and keep it in place of an unfinished one of the same number.

        Raises:
            TrustError: no device could follow it, or a key does not sign.
            OSError: the folder cannot be written.
        """
        check_document(document)
        return self._keep(document.version, self._with_signatures(unsigned(document), keys))

    def add_signature(self, version: int, key: Path) -> TrustLink:
        """Add one's own signature to a version. Raises as `write`, and InputError where it is not there."""
        return self._keep(version, self._with_signatures(self._read(version)[0], [key]))

    def _with_signatures(self, signed: SignedDocument, keys: Sequence[Path]) -> SignedDocument:
        made = [sign(self._executor, signed.message, key=key, namespace=TRUST_NAMESPACE).decode() for key in keys]
        return replace(signed, signatures=tuple(dict.fromkeys([*signed.signatures, *made])))

    def _keep(self, version: int, signed: SignedDocument) -> TrustLink:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._file(version), signed.to_bytes())
        return self.link(version)

    def _read(self, version: int) -> tuple[SignedDocument, TrustDocument]:
        file = self._file(version)
        problem = "is not there"
        with contextlib.suppress(FileNotFoundError):
            try:
                signed = parse_signed(read_small(file, MAX_TRUST_BYTES), str(file))
                document = read_document(TrustDocument, signed, str(file))
                check_document(document)
                if document.version == version:
                    return signed, document
                problem = f"is version {document.version}"
            except (TrustError, OSError) as error:
                if isinstance(error, FileNotFoundError):
                    raise
                problem = f"cannot be followed: {error}"
        raise InputError(
            f"{file} {problem}", hint="take it again from whoever made it, or from git; none may be missing"
        )

    def _file(self, version: int) -> Path:
        return self.folder / f"{version}.json"
