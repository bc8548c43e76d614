"""Reads an allowed_signers file before a device gets it: who could sign releases, and whether that is you.

Source: OpenSSH, ssh-keygen(1), "ALLOWED SIGNERS"; sshsig.c, parse_principals_key_and_options and find_principals.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import hashlib
import re
import struct
import time
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.schema.manifest import SIGNATURE_NAMESPACE

_KEY_TYPE = re.compile(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+")
_WORD = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+')
_OPTION_FORMS = 'namespaces="..." or valid-before="YYYYMMDD" or valid-after="YYYYMMDD" or cert-authority'
_OPTIONS = ("cert-authority", "namespaces", "valid-after", "valid-before")
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:[^"\\]|\\.)*)")?(?:,|$)')
_TIMES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One line: who may sign, with which key, for what and when."""

    line: int
    principals: str
    key_type: str
    public: str
    """Base64, as in a .pub file."""
    authority: bool = False
    """The key certifies others, and signs nothing itself."""
    namespaces: str = ""
    """Patterns of what may be signed; empty: anything."""
    valid_after_s: float | None = None
    valid_before_s: float | None = None

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        digest = hashlib.sha256(base64.b64decode(self.public)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def why_not(self, now_s: float) -> str:
        """Why it cannot sign a release now; empty where it can."""
        if self.authority:
            return "is a certificate authority"
        if self.namespaces and not _matches(SIGNATURE_NAMESPACE, self.namespaces):
            return f'is for namespaces="{self.namespaces}", and releases are "{SIGNATURE_NAMESPACE}"'
        if self.valid_after_s is not None and now_s < self.valid_after_s:
            return f"is valid from {_day(self.valid_after_s)} on"
        if self.valid_before_s is not None and now_s > self.valid_before_s:
            return f"was valid until {_day(self.valid_before_s)}"
        return ""


def parse_signers(data: bytes, name: str) -> tuple[Signer, ...]:
    """Read an allowed_signers file.

    Args:
        data: its content.
        name: the file, for messages.

    Raises:
        InputError: it names nobody, or lines are wrong; the first ones are listed.
    """
    if len(data) > _MOST_BYTES:
        raise InputError(f"{name} is no allowed_signers file: it has {len(data)} bytes", hint=_HOW)
    signers, problems = [], []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            signers.append(_signer(line.strip(), number))
        except ValueError as error:
            problems.append(f"{name}:{number}: {error}")
            if "PRIVATE KEY" in line:
                break
    if problems:
        more = f" ({len(problems)} lines are wrong)" if len(problems) > 1 else ""
        raise InputError(problems[0] + more, hint=_HOW, details="\n".join(problems[:_MOST_TOLD]) if more else "")
    if not signers:
        raise InputError(f"{name} names nobody: no release could be signed for the device", hint=_HOW)
    return tuple(signers)


_MOST_TOLD = 10
"""Wrong lines that are listed: a file of another kind has nothing else."""
_HOW = "a line is WHO KEYTYPE KEY; yours: edgekit keys show; another's: the same there, or their name before their .pub"


def check_you(signers: tuple[Signer, ...], public: str, name: str, now_s: float) -> None:
    """Return if whoever has this public key could sign a release that a device with these signers takes.

    One line with the key that allows releases now is enough, whatever its others are for.

    Raises:
        InputError: they could not, and why.
    """
    kind, key = public.split()[:2]
    yours = [signer for signer in signers if signer.public == key]
    out = "you could not deploy to the device any more"
    alone = "or add --without-me where others are to sign for it"
    if not yours:
        you = Signer(line=0, principals="you", key_type=kind, public=key)
        raise InputError(
            f"{name} does not name your key ({you.fingerprint}): {out}",
            hint=f"edgekit keys show >> {name}, {alone}",
        )
    reasons = [signer.why_not(now_s) for signer in yours]
    if all(reasons):
        raise InputError(
            f"{name}:{yours[0].line}: your key {reasons[0]}: {out}",
            hint=f"edit that line, {alone}",
        )


def _signer(line: str, number: int) -> Signer:
    """One line. Raises ValueError with what is wrong."""
    if "PRIVATE KEY" in line:
        raise ValueError("this is a private key: never give it to anybody")
    words = _WORD.findall(line)
    if _KEY_TYPE.fullmatch(words[0]):
        raise ValueError("it begins with the key: whose is it? write a name before it, such as ann@example.org")
    has_options = len(words) > 1 and not _KEY_TYPE.fullmatch(words[1])
    options = _options(words[1]) if has_options else {}
    key_type, public = (*words[2 if has_options else 1 :], "", "")[:2]
    if not _KEY_TYPE.fullmatch(key_type) or not public:
        raise ValueError("no key stands there: a line is WHO [OPTIONS] KEYTYPE KEY")
    _check_key(key_type, public)
    after, before = _moment(options.get("valid-after", "")), _moment(options.get("valid-before", ""))
    if after is not None and before is not None and before <= after:
        raise ValueError("it ends to be valid before it begins")
    return Signer(
        line=number,
        principals=words[0].strip('"'),
        key_type=key_type,
        public=public,
        authority="cert-authority" in options,
        namespaces=options.get("namespaces", ""),
        valid_after_s=after,
        valid_before_s=before,
    )


def _options(text: str) -> dict[str, str]:
    """`cert-authority,namespaces="a,b"` and its like."""
    found, position = {}, 0
    while position < len(text):
        option = _OPTION.match(text, position)
        if option is None or (name := option["name"].lower()) not in _OPTIONS or (name in found):
            raise ValueError(f"{text[position:][:60]!r} is no option: write {_OPTION_FORMS}")
        if (option["value"] is None) != (name == "cert-authority"):
            raise ValueError(f"{name} {'takes no value' if option['value'] else 'needs a value in quotation marks'}")
        found[name] = (option["value"] or "").replace('\\"', '"')
        position = option.end()
    return found


def _check_key(key_type: str, public: str) -> None:
    """Whether a key is whole and of the kind that it is said to be. Source: RFC 4253, 6.6."""
    try:
        blob = base64.b64decode(public, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error, ValueError):
        raise ValueError("the key is damaged") from None
    if blob[4 : 4 + length].decode(errors="replace") != key_type or len(blob) < 4 + length + 32:
        raise ValueError(f"the key is damaged, or not of the type {key_type}")


def _matches(text: str, patterns: str) -> bool:
    """OpenSSH's lists of patterns: `*`, `?`, and `!` before one that must not fit. Source: ssh_config(5), PATTERNS."""
    fits = False
    for pattern in patterns.split(","):
        exact = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(exact, text):
            if pattern.startswith("!"):
                return False
            fits = True
    return fits


def _moment(text: str) -> float | None:
    """A time as ssh-keygen reads it: local, or UTC with a Z."""
    if not text:
        return None
    digits = text.removesuffix("Z")
    layout = _TIMES.get(len(digits))
    if layout is None or not digits.isdecimal():
        raise ValueError(f"{text!r} is no time: write YYYYMMDD, or YYYYMMDDHHMM, with a Z for UTC")
    try:
        parsed = time.strptime(digits, layout)
    except ValueError:
        raise ValueError(f"{text!r} is no time") from None
    return float(calendar.timegm(parsed)) if text.endswith("Z") else time.mktime(parsed)


def _day(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_s))
