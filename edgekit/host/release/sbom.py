"""The release's bill of materials: CycloneDX 1.6, JSON, the same bytes for the same release."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import edgekit
from edgekit.schema.manifest import EngineEntry, WheelEntry
from edgekit.schema.recipe import Recipe

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:edgekit:sbom")


def make_sbom(recipe: Recipe, wheels: Iterable[WheelEntry], engines: Iterable[EngineEntry], site: Path) -> bytes:
    """Name everything that is in a release.

    Args:
        recipe: the application.
        wheels: its Python packages.
        engines: its compiled models.
        site: the unpacked packages, for their licences.

    Returns:
        The document. It has no time, and its serial number comes from its content.
    """
    bom = Bom()
    application = Component(
        name=recipe.name, version=recipe.version, type=ComponentType.APPLICATION, bom_ref=recipe.name
    )
    bom.metadata.component = application
    bom.components.add(_package("edgekit", edgekit.__version__, "Apache-2.0"))
    for wheel in wheels:
        component = _package(wheel.name, wheel.version, _licence(site, wheel))
        component.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256))
        component.properties.add(Property(name="edgekit:source", value=wheel.source))
        component.properties.add(Property(name="edgekit:filename", value=wheel.filename))
        if wheel.source_sha256:
            component.properties.add(Property(name="edgekit:source-sha256", value=wheel.source_sha256))
        for name, value in _how_built(site, wheel):
            component.properties.add(Property(name=name, value=value))
        bom.components.add(component)
    for engine in engines:
        model = Component(name=engine.name, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=f"model:{engine.name}")
        model.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=engine.model_sha256))
        model.properties.add(Property(name="edgekit:runner", value=engine.runner))
        if engine.tail:
            model.properties.add(Property(name="edgekit:tail", value=engine.tail))
        bom.components.add(model)
    bom.register_dependency(application, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _package(name: str, version: str, licence: str) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        purl=PackageURL(type="pypi", name=name, version=version),
        licenses=[DisjunctiveLicense(name=licence)] if licence else [],
    )


def _how_built(site: Path, wheel: WheelEntry) -> list[tuple[str, str]]:
    """What a cross-built wheel's own SBOM says of its making. Source: PEP 770."""
    file = site / f"{wheel.filename.split('-')[0]}-{wheel.version}.dist-info" / "sboms" / "edgekit.cdx.json"
    try:
        properties = json.loads(file.read_text(encoding="utf-8"))["metadata"]["component"]["properties"]
    except (OSError, ValueError, KeyError):
        return []
    return [(entry["name"], entry["value"]) for entry in properties if entry["name"] != "edgekit:source"]


def _licence(site: Path, wheel: WheelEntry) -> str:
    """What the package says of its licence in one line. Source: PyPA, Core metadata, License-Expression."""
    folder = site / f"{wheel.filename.split('-')[0]}-{wheel.version}.dist-info"
    try:
        found = HeaderParser().parsestr((folder / "METADATA").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
    licence = found.get("License-Expression") or found.get("License") or ""
    lines = str(licence).strip().splitlines()
    if lines:
        return lines[0][:200]
    named = [line for line in found.get_all("Classifier", []) if line.startswith("License ::")]
    return named[0].rsplit("::", 1)[1].strip() if named else ""
