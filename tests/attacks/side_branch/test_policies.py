"""Policies under which the branch would be ignored."""

from __future__ import annotations

from edge_agent.errors import RejectedError
from tests.simulators.bundles import SignedFolder
from tests.simulators.side_branch import rejected


def test_policies_that_would_ignore_the_branch(bundle: SignedFolder) -> None:
    """One picture where an agent sees all; a first token that a schema forces; no picture at all."""
    bundle.document["agents"]["representation"]["inputs"] = {"images": "all"}
    rejected(bundle, RejectedError, "takes one picture, but representation sees all")
    step = bundle.document["agents"]["recognition"]["steps"][0]
    for agent in bundle.document["agents"].values():
        agent["inputs"] = {"images": "one"}
        agent["steps"] = [{**step, "contract": "schema", "output_schema": {"type": "object", "properties": {}}}]
    rejected(bundle, RejectedError, "first_token` would be ignored")
    for agent in bundle.document["agents"].values():
        agent["inputs"] = {"images": "none"}
    rejected(bundle, RejectedError, "no agent sees a picture")
