"""``derm-edge bundle show``: what the installed model says about itself, after its signature was verified."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.config import Config

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.contracts.bundle import Bundle
    from edge_agent.contracts.manifest import Manifest


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser("bundle", help="look at the installed bundle")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="verify the bundle and print what it says")
    show.add_argument("--bundle", type=Path, help="bundle folder (default: the configured one)")
    show.add_argument("--json", action="store_true", help="print as JSON")
    show.set_defaults(command=run)


def run(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Verify and print.

    Raises:
        RejectedError: the bundle is not trusted or is damaged.
    """
    from edge_agent.bootstrap import engine_wish
    from edge_agent.engine_bootstrap import verify_bundle

    facts = _facts(verify_bundle(engine_wish(config, bundle_dir=options.bundle)))
    if options.json:
        json.dump(facts, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
        return 0
    for name, value in facts.items():
        print(f"{name:<22} {', '.join(value) if isinstance(value, list) else value}")
    return 0


def _facts(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "signed by": bundle.signed_by,
        "clinical use": "yes" if manifest.clinical_use else "NOT for clinical use",
        "notice": manifest.notice,
        "backbone": f"{manifest.backbone.architecture} {manifest.backbone.content_digest[:12]}",
        "adapters": [f"{a.name} (r {a.r}, {a.precision}, {a.activation.kind})" for a in manifest.adapters],
        "vocabulary": manifest.vocabulary_version,
        "languages": manifest.languages,
        "licences": [f"{part} {licence}" for part, licence in sorted(manifest.licences.items())],
        "papers": _papers(manifest) or ["none: no SBOM, no change plan, no licence text"],
        "size": f"{sum(entry.size_bytes for entry in manifest.files) / 1e6:.1f} MB in {len(manifest.files)} files",
        "folder": str(bundle.path),
    }


def _papers(manifest: Manifest) -> list[str]:
    """Name the papers that the bundle brings along; ``derm-calibrate verify`` judges them, on a workstation."""
    from edge_agent.contracts.bundle import CHANGE_PLAN_ROLE, LICENCE_ROLE_PREFIX, SBOM_ROLE

    roles = {entry.role: entry.path for entry in manifest.files}
    texts = sorted(path for role, path in roles.items() if role.startswith(LICENCE_ROLE_PREFIX))
    named = [(SBOM_ROLE, "SBOM"), (CHANGE_PLAN_ROLE, "change plan")]
    return [f"{what} {roles[role]}" for role, what in named if role in roles] + texts
