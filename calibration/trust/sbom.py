"""Write and check the bundle's SBOM: CycloneDX 1.6 in JSON, validated against the schema that the library brings along.

Describes the bundle: its weights, its calibration data, and the third-party software that made it and runs it. It is not
the SBOM of a device's installation. Nothing is looked up on a network.

Source: CycloneDX 1.6 (ECMA-424); IEC 81001-5-1 and IEC 62304, 8.1.2; NTIA, The Minimum Elements For a Software Bill of
Materials (2021): supplier, name, version, identifier, relationship, author, time. The time is there when
``SOURCE_DATE_EPOCH`` is set (reproducible-builds.org), so that the same input gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_supported_id
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from calibration.package import dump_json
from calibration.trust.outcome import Findings, findings
from calibration.trust.reading import read_text
from calibration.trust.soup import SoupItem, installed_version, load_soup
from edge_agent.contracts.bundle import SBOM_ROLE, Bundle
from edge_agent.errors import ExportError, RejectedError

_VENDOR = "derm-edge"
_PYPI = "pkg:pypi/"


@dataclass(frozen=True, slots=True)
class BundleIdentity:
    """What an SBOM says of the bundle itself: name, version, the backbone's content digest, licences by part."""

    name: str
    version: str
    content_digest: str
    licences: Mapping[str, str]


def make_sbom(identity: BundleIdentity, *, recipe: Mapping[str, Any], epoch_s: int | None) -> bytes:
    """Return the SBOM as JSON; the same arguments in the same installation give the same bytes.

    Args:
        identity: of the bundle under construction.
        recipe: the document ``recipe.json``; the versions in its ``tools`` are named.
        epoch_s: seconds since 1970, UTC; None leaves the time out.

    Raises:
        ExportError: a listed package is not installed, or the result does not fit CycloneDX's schema.
    """
    tools: Mapping[str, str] = recipe["tools"]
    libraries = [_library(item, tools.get(item.name) or installed_version(item.name)) for item in load_soup()]
    components = [*_parts(identity), *libraries]
    root = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=identity.name,
        version=identity.version,
        bom_ref="bundle",
        supplier=OrganizationalEntity(name=_VENDOR),
        properties=[Property(name=f"{_VENDOR}:recipe", value=str(recipe["name"]))],
    )
    names = sorted(f"{part.name}@{part.version}" for part in components)
    seed = "\n".join([identity.name, identity.version, identity.content_digest, str(recipe["name"]), *names])
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"{_VENDOR}:{seed}"),
        components=components,
        metadata=BomMetaData(component=root, supplier=OrganizationalEntity(name=_VENDOR), timestamp=_time(epoch_s)),
    )
    bom.register_dependency(root, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    if epoch_s is None:
        del document["metadata"]["timestamp"]  # the library always writes one; the schema does not ask for it
    data = dump_json(document)
    if (fault := schema_fault(data.decode("utf-8"))) is not None:
        raise ExportError(f"the SBOM does not fit CycloneDX 1.6: {fault}; mend calibration/trust/soup.toml")
    return data


def schema_fault(text: str) -> str | None:
    """Return in one line how a text departs from CycloneDX 1.6 (unknown keys too), or None where it fits."""
    try:
        error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    except (ValueError, RecursionError) as exc:
        return f"not JSON ({' '.join(str(exc).split())[:120]})"
    if error is None:
        return None
    found = error.data
    where = ".".join(str(part) for part in found.absolute_path) or "the document"
    return f"{where}: {' '.join(str(found.message).split())[:160]}"


def packages_of(bundle: Bundle) -> dict[str, str]:
    """Return the version of every PyPI package that a bundle's SBOM names; empty where it cannot be read.

    Does not validate: ``check_sbom`` does, and a change plan counts packages that nobody names as gone.
    """
    try:
        return _packages(json.loads(read_text(bundle, SBOM_ROLE)))
    except (RejectedError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return {}


def _packages(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(row["name"]): str(row.get("version", ""))
        for row in document.get("components", [])
        if str(row.get("purl", "")).startswith(_PYPI)
    }


def read_sbom(bundle: Bundle) -> dict[str, Any]:
    """Return a bundle's SBOM as JSON values.

    Raises:
        RejectedError: missing, or not valid CycloneDX 1.6.
    """
    text = read_text(bundle, SBOM_ROLE)
    if (fault := schema_fault(text)) is not None:
        raise RejectedError(f"the SBOM is not valid CycloneDX 1.6: {fault}; build the bundle again")
    document: dict[str, Any] = json.loads(text)
    return document


def check_sbom(bundle: Bundle) -> Findings:
    """Check the SBOM: valid, about this very bundle, complete, and naming the versions that recipe.json names."""
    document = read_sbom(bundle)
    packages = _packages(document)
    faults = [*_identity_faults(bundle, document), *_recipe_faults(bundle)]
    tools = bundle.manifest.recipe.get("tools")
    if not isinstance(tools, dict) or not tools:
        faults.append(
            RejectedError("recipe.json names no tools, so nobody can tell what made the bundle; build it again")
        )
        tools = {}
    for name, version in sorted(tools.items()):
        if name not in packages:
            faults.append(
                RejectedError(f"the SBOM does not name {name}, recipe.json has {version}; build the bundle again")
            )
        elif packages[name] != version:
            faults.append(
                RejectedError(f"the SBOM names {name} {packages[name]}, recipe.json {version}; build the bundle again")
            )
    for row in document.get("components", []):
        missing = [key for key in ("version", "licenses", "supplier") if not row.get(key)]
        if missing:
            faults.append(RejectedError(f"SBOM component {row['name']} has no {missing[0]}; build the bundle again"))
    return findings(
        f"CycloneDX {document['specVersion']}, {len(packages)} packages, versions as in recipe.json", faults
    )


def _identity_faults(bundle: Bundle, document: Mapping[str, Any]) -> list[RejectedError]:
    root = document.get("metadata", {}).get("component", {})
    manifest = bundle.manifest
    faults = []
    if (root.get("name"), root.get("version")) != (manifest.name, manifest.version):
        faults.append(
            RejectedError(
                f"the SBOM is about {root.get('name')} {root.get('version')}, the bundle is {manifest.name} "
                f"{manifest.version}; build it again"
            )
        )
    rows = {row["name"]: row for row in document.get("components", [])}
    digests = {
        one["value"] for one in rows.get("base", {}).get("properties", []) if one["name"].endswith("content-digest")
    }
    if digests != {manifest.backbone.content_digest}:
        faults.append(RejectedError("the SBOM names another backbone than the manifest; build the bundle again"))
    for part, expression in sorted(manifest.licences.items()):
        if _licence_in(rows.get(part, {})) != expression:
            faults.append(
                RejectedError(
                    f"the SBOM gives {part} the licence {_licence_in(rows.get(part, {})) or 'none'}, the manifest "
                    f"{expression}; build the bundle again"
                )
            )
    return faults


def _recipe_faults(bundle: Bundle) -> list[RejectedError]:
    try:
        written = json.loads(read_text(bundle, "recipe"))
    except ValueError:
        return [RejectedError("recipe.json is not JSON; build the bundle again")]
    if written != bundle.manifest.recipe:
        return [RejectedError("recipe.json and the manifest's recipe differ; build the bundle again")]
    return []


def _licence_in(row: Mapping[str, Any]) -> str:
    for entry in row.get("licenses", []):
        return str(entry.get("expression") or entry.get("license", {}).get("id") or "")
    return ""


def _library(item: SoupItem, version: str) -> Component:
    purl = PackageURL("pypi", name=item.name, version=version)
    return Component(
        type=ComponentType.LIBRARY,
        name=item.name,
        version=version,
        bom_ref=purl.to_string(),
        purl=purl,
        supplier=OrganizationalEntity(name=item.manufacturer),
        description=item.purpose,
        licenses=[_licence(item.licence)],
        properties=[Property(name=f"{_VENDOR}:used", value=where) for where in item.used],
    )


def _parts(identity: BundleIdentity) -> list[Component]:
    """Return the bundle's own parts, one per declared licence; the backbone carries its content digest."""
    parts = []
    for part, expression in sorted(identity.licences.items()):
        is_data = part.endswith("data")
        digest = [Property(name=f"{_VENDOR}:content-digest", value=identity.content_digest)] if part == "base" else []
        parts.append(
            Component(
                type=ComponentType.DATA if is_data else ComponentType.MACHINE_LEARNING_MODEL,
                name=part,
                version=identity.version,
                bom_ref=f"part:{part}",
                supplier=OrganizationalEntity(name=identity.name),
                licenses=[_licence(expression)] if expression.strip() else [],
                properties=digest,
            )
        )
    return parts


def _licence(expression: str) -> DisjunctiveLicense | LicenseExpression:
    return DisjunctiveLicense(id=expression) if is_supported_id(expression) else LicenseExpression(expression)


def _time(epoch_s: int | None) -> datetime:
    return datetime.fromtimestamp(epoch_s or 0, tz=UTC)
