"""``derm-edge policy show | verify``: which policy holds here, who signed it, and whether a file would be accepted.

Signing is no business of a device: ``derm-calibrate sign-policy`` does it where the authority's key is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.config import Config

if TYPE_CHECKING:
    from edge_agent.commands.screen import Screen
    from edge_agent.policy.load import PolicyInForce


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its two actions."""
    parser = commands.add_parser("policy", help="what the ministry's signed policy says here")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="print the policy in force and where it comes from")
    show.add_argument("--json", action="store_true", help="print as JSON")
    show.set_defaults(command=run_show)
    verify = actions.add_parser(
        "verify", help="check whether this device would accept a signed policy; changes nothing"
    )
    verify.add_argument("file", type=Path, metavar="POLICY.dsse.json")
    verify.set_defaults(command=run_verify)


def run_show(options: argparse.Namespace, config: Config, screen: Screen) -> int:
    """Print every value of the policy in force; a refused file is named and does not count.

    Does not accept anything: a new file is remembered when the daemon loads it.

    Returns:
        0, or 1 where a file was refused.
    """
    from edge_agent.policy.load import policy_in_force

    found = policy_in_force(config, remember=False)
    if found.refusal is not None:
        screen.note(f"refused: {found.refusal}")
    if options.json:
        facts = {"origin": found.origin, "signed_by": found.signed_by, "refusal": found.refusal}
        json.dump(facts | {"policy": found.policy.model_dump(mode="json")}, sys.stdout, ensure_ascii=False, indent=2)
        sys.stdout.write("\n")
    else:
        _print(found)
    return 0 if found.refusal is None else 1


def run_verify(options: argparse.Namespace, config: Config, screen: Screen) -> int:  # noqa: ARG001  (same shape for all)
    """Check a signed file as the daemon would: signature, version, strictness, consent texts.

    Raises:
        RejectedError: the device would refuse it; the line says why.
        ConfigError: the key folder cannot be used.
    """
    from edge_agent.policy.load import check_file

    found = check_file(options.file, config, mend="name a signed policy file that this account may read")
    print(f"{options.file}: version {found.policy.version} of {found.policy.authority} for {found.policy.country}")
    print(f"signed by the {found.signed_by}; this device would accept it")
    return 0


def _print(found: PolicyInForce) -> None:
    where = {
        "file": f"signed by the {found.signed_by}",
        "accepted": f"accepted before, signed by the {found.signed_by}",
        "built_in": "no accepted file",
    }
    print(f"policy {found.policy.version}: {found.policy.authority} ({where[found.origin]})")
    for key, value in found.policy.model_dump(mode="json").items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {version}" for name, version in value.items())  # noqa: PLW2901
        elif isinstance(value, list):
            value = ", ".join(value) or "none"  # noqa: PLW2901
        print(f"  {key:<40} {'–' if value is None else value}")
