"""The release's bill of materials names every package with hash and licence, and how it was built where it was."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.host.release.sbom import make_sbom
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.sbom import wheel_sbom
from edgekit.schema.manifest import WheelEntry
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe

RECIPE = Path(__file__).parents[4] / "recipes" / "sorting-line" / "recipe.toml"
METADATA = b"Metadata-Version: 2.1\nName: spidev\nVersion: 3.8\nLicense: MIT\n"


def test_a_cross_built_wheel_tells_how_it_was_made_in_the_release_too(tmp_path: Path) -> None:
    provenance = Provenance(
        source="spidev-3.8.tar.gz",
        source_sha256="b" * 64,
        backend="setuptools.build_meta",
        compiler="zig 0.17.1",
        runtime="libstdc++ 12",
        abi="cp311-aarch64-glibc2.36",
        headers="Debian",
        built_with=("setuptools==84.2.1",),
        grafted=("libcap2 1:2.66-4",),
    )
    info = tmp_path / "spidev-3.8.dist-info"
    (info / "sboms").mkdir(parents=True)
    (info / "METADATA").write_bytes(METADATA)
    (info / "sboms/edgekit.cdx.json").write_bytes(wheel_sbom(METADATA, provenance))
    wheels = [
        WheelEntry(
            name="spidev",
            version="3.8",
            filename="spidev-3.8-cp311-cp311-manylinux_2_17_aarch64.whl",
            sha256="a" * 64,
            source="cross-built",
            source_sha256="b" * 64,
        ),
        WheelEntry(name="numpy", version="2", filename="numpy-2-x.whl", sha256="c" * 64, source="downloaded"),
    ]
    recipe = from_toml(Recipe, RECIPE.read_text(), "recipe.toml")
    text = make_sbom(recipe, wheels, (), tmp_path)
    assert make_sbom(recipe, wheels, (), tmp_path) == text
    components = {component["name"]: component for component in json.loads(text)["components"]}
    said = {entry["name"]: entry["value"] for entry in components["spidev"]["properties"]}
    assert said["edgekit:compiler"] == "zig 0.17.1" and said["edgekit:source-sha256"] == "b" * 64
    assert said["edgekit:source"] == "cross-built" and said["edgekit:built-with"] == "setuptools==84.2.1"
    assert components["spidev"]["licenses"] == [{"license": {"name": "MIT"}}]
    assert components["numpy"]["hashes"][0]["content"] == "c" * 64


def test_a_wheels_own_bill_names_what_was_put_into_it() -> None:
    provenance = Provenance(
        source="python-prctl-1.8.1.tar.gz",
        source_sha256="b" * 64,
        backend="setuptools.build_meta:__legacy__",
        compiler="zig 0.17.1",
        runtime="libstdc++ 12",
        abi="cp311-aarch64-glibc2.36",
        headers="Debian",
        built_with=(),
        grafted=("libcap2 1:2.66-4",),
    )
    said = json.loads(wheel_sbom(METADATA, provenance))
    assert [(part["name"], part["version"]) for part in said["components"]] == [("libcap2", "1:2.66-4")]
    assert said["metadata"]["component"]["externalReferences"][0]["hashes"][0]["content"] == "b" * 64
    assert "timestamp" not in said["metadata"] and "serialNumber" not in said
