"""The signing key: private, made once, and good for exactly what it is for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgekit.errors import TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.host.keys import make_key
from edgekit.host.settings import Settings
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign, verify


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        config_dir=tmp_path / "config",
        cache_dir=tmp_path,
        state_dir=tmp_path,
        data_dir=tmp_path,
        fleet_file=tmp_path / "fleet.toml",
    )


def test_a_key_is_made_once_and_is_private(settings: Settings) -> None:
    assert make_key(settings, LocalExecutor(), principal="ann@here")
    first = settings.signing_key.read_bytes()
    assert not make_key(settings, LocalExecutor(), principal="ann@here")
    assert settings.signing_key.read_bytes() == first
    assert stat.S_IMODE(settings.signing_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.config_dir.stat().st_mode) == 0o700


def test_it_signs_releases_and_nothing_else(settings: Settings) -> None:
    make_key(settings, LocalExecutor(), principal="ann@here")
    signature = sign(LocalExecutor(), b"release", key=settings.signing_key, namespace=SIGNATURE_NAMESPACE)
    allowed = settings.allowed_signers
    verified = verify(LocalExecutor(), b"release", signature, allowed_signers=allowed, namespace=SIGNATURE_NAMESPACE)
    assert verified == "ann@here"
    other = sign(LocalExecutor(), b"release", key=settings.signing_key, namespace="file")
    with pytest.raises(TrustError):
        verify(LocalExecutor(), b"release", other, allowed_signers=allowed, namespace="file")
