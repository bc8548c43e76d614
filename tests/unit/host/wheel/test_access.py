"""Credentials: where they come from, and that they reach their own server alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.executor import Completed
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.wheel.access import Access
from edgekit.host.wheel.cross.downloads import Credentials, Downloads
from edgekit.host.wheel.needs import Index
from tests.fakes.package_index import PackageIndex, wheel_bytes

ME = Credentials(user="me", password="s3cret")
OTHER = Credentials(user="other", password="p@ss/word")
NAMELESS = "https://a.example/"
HERE = "https://index.example/simple"


class Keyring(LocalExecutor):
    """A machine whose keyring knows one password."""

    def run(self, argv: Sequence[str], **_: object) -> Completed:  # type: ignore[override]
        known = list(argv) == ["keyring", "get", HERE, "me"]
        return Completed(argv=tuple(argv), returncode=0 if known else 1, stdout=b"s3cret\n" * known, stderr=b"")


def access(folder: Path, variables: Mapping[str, str], url: str = HERE, netrc: str = "") -> Access:
    (folder / "netrc").write_text(netrc)
    (folder / "netrc").chmod(0o600)
    index = Index(name="our-own", url=url)
    return Access(indexes=(index,), variables=variables, netrc=folder / "netrc", executor=Keyring())


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({"UV_INDEX_OUR_OWN_USERNAME": "me", "UV_INDEX_OUR_OWN_PASSWORD": "s3cret"}, HERE, ME),
        ({"UV_INDEX_OUR_OWN_USERNAME": "me", "UV_INDEX_OUR_OWN_PASSWORD": "s3cret"}, "https://other.example/", None),
        ({"UV_INDEX_OUR_OWN_USERNAME": "me", "UV_INDEX_OUR_OWN_PASSWORD": "s3cret"}, "http://index.example/", None),
        ({"UV_DEFAULT_INDEX": "https://other:p%40ss%2Fword@a.example/"}, "https://a.example:443/a.whl", OTHER),
        ({"UV_INDEX": "https://a.example/ team=https://b.example/", "UV_INDEX_TEAM_PASSWORD": "x"}, NAMELESS, None),
        (
            {"UV_INDEX": "team=https://b.example/", "UV_INDEX_TEAM_USERNAME": "me", "UV_INDEX_TEAM_PASSWORD": "s3cret"},
            "https://b.example/files/a.whl",
            ME,
        ),
        ({"UV_INDEX_OUR_OWN_USERNAME": "me"}, HERE, Credentials(user="me", password="")),
        ({"UV_KEYRING_PROVIDER": "subprocess", "UV_INDEX_OUR_OWN_USERNAME": "me"}, f"{HERE}/gate/", ME),
        ({}, "file:///tmp/a.whl", None),
    ],
)
def test_credentials_are_uvs(
    variables: Mapping[str, str], url: str, expected: Credentials | None, tmp_path: Path
) -> None:
    assert access(tmp_path, variables).login(url) == expected


def test_netrc_comes_last_and_may_be_broken(tmp_path: Path) -> None:
    text = "machine index.example login me password s3cret\n"
    assert access(tmp_path, {}, netrc=text).login(f"{HERE}/a.whl") == ME
    variables = {"UV_INDEX_OUR_OWN_USERNAME": "other", "UV_INDEX_OUR_OWN_PASSWORD": "p@ss/word"}
    assert access(tmp_path, variables, netrc=text).login(f"{HERE}/a.whl") == OTHER
    assert access(tmp_path, {}, netrc="machine").login(f"{HERE}/a.whl") is None


def test_of_two_indexes_on_one_server_the_nearer_counts(tmp_path: Path) -> None:
    variables = {
        "UV_INDEX": "far=https://index.example/team",
        "UV_INDEX_FAR_USERNAME": "other",
        "UV_INDEX_FAR_PASSWORD": "p@ss/word",
        "UV_INDEX_OUR_OWN_USERNAME": "me",
        "UV_INDEX_OUR_OWN_PASSWORD": "s3cret",
    }
    found = access(tmp_path, variables)
    assert found.login("https://index.example/simple/gate/") == ME
    assert found.login("https://index.example/team/gate/") == OTHER


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    found = access(tmp_path, {"UV_INDEX_OUR_OWN_PASSWORD": "s3cret"})
    assert "s3cret" not in repr(found) + repr(found.login(HERE)) + repr(Downloads(folder=tmp_path, progress=Silent()))


def test_a_download_gives_its_credentials_to_its_server_and_not_to_where_that_sends_it(tmp_path: Path) -> None:
    name, content = wheel_bytes("gate", "1.0", {"gate.py": ""})
    sha256 = hashlib.sha256(content).hexdigest()
    with PackageIndex((name, content)) as store, PackageIndex(login=("me", "s3cret")) as index:
        index.sent_on = {f"/files/{name}": f"{store.root}/files/{name}"}
        downloads = Downloads(folder=tmp_path, progress=Silent())
        url = f"{index.root}/files/{name}"
        with pytest.raises(WheelError, match=r"got no credentials, or wrong ones \(401\)") as refused:
            downloads.fetch(url, sha256)
        assert "UV_INDEX_NAME_PASSWORD" in refused.value.hint
        known = Downloads(folder=tmp_path, progress=Silent(), login=lambda _: ME)
        assert known.fetch(url, sha256).read_bytes() == content
        assert [authorization for _, authorization in store.requests] == [""]
