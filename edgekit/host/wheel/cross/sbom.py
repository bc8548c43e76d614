"""The bill of materials inside a cross-built wheel. Source: PEP 770; CycloneDX 1.6."""

from __future__ import annotations

import json
from email.parser import HeaderParser

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from edgekit.host.wheel.cross.provenance import Provenance


def wheel_sbom(metadata: bytes, provenance: Provenance) -> bytes:
    """The document: without a time, so that the same wheel has the same.

    Args:
        metadata: the wheel's METADATA.
        provenance: how it was made.
    """
    headers = HeaderParser().parsestr(metadata.decode(errors="replace"))
    name, version = canonicalize_name(headers["Name"]), headers["Version"]
    licence = (headers.get("License-Expression") or headers.get("License") or "").strip().splitlines()
    component = Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}=={version}",
        purl=PackageURL(type="pypi", name=name, version=version),
        licenses=[DisjunctiveLicense(name=licence[0][:200])] if licence else [],
        external_references=[_source(provenance)],
        properties=[Property(name=f"edgekit:{key}", value=value) for key, value in _properties(provenance)],
    )
    bom = Bom()
    bom.metadata.component = component
    for entry in provenance.grafted:
        package, _, its_version = entry.partition(" ")
        bom.components.add(Component(name=package, version=its_version, type=ComponentType.LIBRARY, bom_ref=entry))
    bom.register_dependency(component, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _source(provenance: Provenance) -> ExternalReference:
    digest = HashType(alg=HashAlgorithm.SHA_256, content=provenance.source_sha256)
    url = XsUri(provenance.source)
    return ExternalReference(type=ExternalReferenceType.SOURCE_DISTRIBUTION, url=url, hashes=[digest])


def _properties(provenance: Provenance) -> list[tuple[str, str]]:
    return [
        ("backend", provenance.backend),
        ("compiler", provenance.compiler),
        ("c++", provenance.runtime),
        ("abi", provenance.abi),
        ("headers", provenance.headers),
        ("built-with", " ".join(provenance.built_with)),
    ]
