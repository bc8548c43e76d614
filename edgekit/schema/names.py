"""Texts with a form of their own, as the files that users write hold them: names, versions, paths, addresses."""

from __future__ import annotations

import re
from typing import Annotated

from edgekit.schema.bounds import Matches

_APPLICATION = "[a-z][a-z0-9-]{0,62}"
ApplicationName = Annotated[str, Matches(_APPLICATION, "lower-case letters, digits and dashes, a letter first")]
"""Of an application: its folder and its cgroup on a device go by it."""
TableName = Annotated[str, Matches("[A-Za-z][A-Za-z0-9_-]{0,62}", "a name of letters, digits, - and _, a letter first")]
FileName = Annotated[str, Matches("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, ., - and _")]
"""Of a target or a device: files and folders go by it."""
LabelName = Annotated[str, Matches("[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", "a name of letters, digits, ., /, - and _")]
OneLine = Annotated[str, Matches(r"[^\u0000-\u001f\u007f]{1,1000}", "a text on one line")]

_NUMBER = "(?:0|[1-9][0-9]{0,17})"
_WORDS = "[0-9A-Za-z-]+(?:[.][0-9A-Za-z-]+)*"
SemanticVersion = Annotated[
    str,
    Matches(f"{_NUMBER}[.]{_NUMBER}[.]{_NUMBER}(?:-{_WORDS})?(?:[+]{_WORDS})?", 'a version such as "1.4.0"'),
]
"""Source: Semantic Versioning 2.0.0, its grammar."""
MinorVersion = Annotated[str, Matches("[0-9]{1,4}[.][0-9]{1,4}", 'a version such as "3.11"')]

_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
ClassEntry = Annotated[
    str, Matches(f"{_IDENTIFIER}(?:[.]{_IDENTIFIER})*:{_IDENTIFIER}", '"module:Class" in the recipe\'s app/ folder')
]

_PART = r"(?![.][.]?(?:/|$))[^/\\\u0000-\u001f\u007f]{1,255}"
InnerPath = Annotated[str, Matches(f"{_PART}(?:/{_PART}){{0,99}}", "a path inside the recipe's folder")]
"""Relative, `/`-separated, without `.` and `..`."""
OutputPath = Annotated[
    str, Matches(f"{_PART}(?:/{_PART}){{0,99}}", "a path inside the worker's folder, or - for the log")
]
FolderPath = Annotated[str, Matches(r"/[^\u0000-\u001f\u007f]*", "a path that begins with /")]

_HOST_PART = "[0-9A-Za-z_](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z_])?"
HostName = Annotated[
    str,
    Matches(
        rf"{_HOST_PART}(?:[.]{_HOST_PART}){{0,20}}[.]?|[0-9A-Fa-f]{{0,4}}:[0-9A-Fa-f:.]{{1,45}}(?:%[0-9A-Za-z]{{1,15}})?",
        "a machine's name or address",
    ),
]
"""Of a server on the network; an IPv6 address stands without brackets."""
_URL_PORT = "(?::[1-9][0-9]{0,4})?"
HttpUrl = Annotated[
    str,
    Matches(
        rf"https?://(?:{_HOST_PART}(?:[.]{_HOST_PART}){{0,20}}|\[[0-9A-Fa-f:.]{{2,45}}\]){_URL_PORT}(?:/[!-\"$-~]{{0,2000}})?",
        'an address such as "https://10.0.0.9/events", without a login and #',
    ),
]
HeaderName = Annotated[str, Matches("[A-Za-z][A-Za-z0-9-]{0,62}", "a header's name: letters, digits and -")]
_LEVEL = r"[^+#/\u0000-\u001f\u007f]{1,100}"
Topic = Annotated[str, Matches(rf"(?![$]){_LEVEL}(?:/{_LEVEL}){{0,9}}", "an MQTT topic without +, # and $ before it")]

_LETTER = r"[^ /,@:\[\]\u0000-\u001f\u007f]"
_PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
Address = Annotated[
    str,
    Matches(
        rf"(?:(?!-){_LETTER}+@)?(?:(?!-){_LETTER}+|\[[0-9A-Za-z:.%]+\])(?::{_PORT})?",
        "USER@HOST, USER@HOST:PORT, a name from ssh_config, or local",
    ),
]
"""An IPv6 address stands in brackets."""


def is_application_name(text: str) -> bool:
    """Whether a text can be an application's name."""
    return re.fullmatch(_APPLICATION, text) is not None
