"""A release is opened only where signatures, subject and every byte are what they must be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.host.keys import make_key
from edgekit.host.release.envelope import seal
from edgekit.host.workflow.release import ReleaseParts, assemble_release
from edgekit.host.workflow.release_job import ReleaseJob
from edgekit.host.workflow.trusted_release import describe_sources, open_trusted
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign
from tests.fakes.workstations import workstation_in
from tests.unit.host.release.test_envelope import statement
from tests.unit.host.workflow.test_release import job, parts, station

__all__ = ["job", "parts", "station"]


@pytest.fixture
def release(job: ReleaseJob, parts: ReleaseParts, station: Workstation) -> Path:
    assemble_release(job, parts, station)
    return job.out


def test_a_whole_release_is_opened_with_both_signers(release: Path, station: Workstation) -> None:
    found = open_trusted(release, None, station)
    assert (found.signer, found.provenance.signer) == ("ann@desk", "ann@desk")
    stated = found.provenance.statement.predicate.buildDefinition
    source, edgekit_source = describe_sources(stated)
    assert source.startswith("source: commit ") and edgekit_source.startswith("edgekit source: commit ")


@pytest.mark.parametrize("change", ["edited", "removed", "added", "link", "mode", "fifo"])
def test_a_file_that_is_not_what_the_manifest_says_is_named(change: str, release: Path, station: Workstation) -> None:
    import os

    clip = release / "files/recipe/clip.mp4"
    match change:
        case "edited":
            content = bytearray(clip.read_bytes())
            content[100] ^= 1
            clip.write_bytes(content)
        case "removed":
            clip.unlink()
        case "added":
            (clip := release / "files/app/more.py").touch()
        case "link":
            clip.rename(release / "elsewhere")
            clip.symlink_to(release / "elsewhere")
        case "mode":
            clip.chmod(0o755)
        case "fifo":
            clip.unlink()
            os.mkfifo(clip)
    with pytest.raises(TrustError, match=clip.name):
        open_trusted(release, None, station)


@pytest.mark.parametrize("name", ["manifest.json.sig", "provenance.json"])
def test_nothing_unsigned_is_believed(name: str, release: Path, station: Workstation) -> None:
    (release / name).unlink()
    with pytest.raises(TrustError):
        open_trusted(release, None, station)


def test_a_manifest_that_was_edited_is_refused(release: Path, station: Workstation) -> None:
    raw = json.loads((release / "manifest.json").read_bytes())
    (release / "manifest.json").write_text(json.dumps(raw | {"version": "9.9.9"}))
    with pytest.raises(TrustError, match="does not fit the release"):
        open_trusted(release, None, station)


def test_the_provenance_of_another_release_is_refused(release: Path, station: Workstation) -> None:
    def by_ann(message: bytes) -> bytes:
        return sign(station.executor, message, key=station.settings.signing_key, namespace=SIGNATURE_NAMESPACE)

    (release / "provenance.json").write_bytes(seal(statement("cd" * 32), by_ann))
    with pytest.raises(TrustError, match="that of another release"):
        open_trusted(release, None, station)


def test_another_machine_trusts_whom_it_is_told_to(release: Path, station: Workstation, tmp_path: Path) -> None:
    other = workstation_in(tmp_path / "other")
    with pytest.raises(TrustError, match="no signer is trusted") as caught:
        open_trusted(release, None, other)
    assert "--allowed-signers FILE" in caught.value.hint
    make_key(other.settings, other.executor, principal="bob@bench")
    with pytest.raises(TrustError, match="not signed by an allowed signer"):
        open_trusted(release, None, other)
    signers = shutil.copy(station.settings.allowed_signers, tmp_path / "signers")
    assert open_trusted(release, Path(signers), other).signer == "ann@desk"


def test_a_folder_that_is_no_release(tmp_path: Path, station: Workstation) -> None:
    with pytest.raises(InputError, match="holds no release"):
        open_trusted(tmp_path, None, station)
