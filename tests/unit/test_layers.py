"""The import contracts leave nothing out: every module and room of the device has a layer and stands in every list.

``lint-imports`` (scripts/check) executes the contracts; what is asked here is that a new room cannot be forgotten in one.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "edge_agent"
# What each contract leaves open; every other module and room of edge_agent must be named in it.
OPEN = {
    "calibration uses only the device's pure and inference modules": {
        "agents", "capture", "contracts", "errors", "inference", "policy",
    },
    "fleet uses only the contracts and the errors": {"contracts", "errors"},
    "only what builds the device reaches MQTT through the uplink": {
        "__main__", "bootstrap", "casework_bootstrap", "cli", "commands", "daemon_bootstrap", "device_bootstrap",
        "uplink",
    },
    "only what builds the engine reaches OpenVINO: not the supervisor, the pages or the contracts": {
        "__main__", "bootstrap", "casework_bootstrap", "cli", "commands", "daemon_bootstrap", "device_bootstrap",
        "devices", "engine_bootstrap", "inference",
    },
}  # fmt: skip


def _contracts() -> dict[str, dict[str, Any]]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {one["name"]: one for one in told["tool"]["importlinter"]["contracts"]}


def _rooms() -> set[str]:
    modules = {path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    return modules | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_every_room_has_a_layer() -> None:
    """Each module and package of edge_agent stands in exactly one layer, and the contract asks for all of them."""
    contract = _contracts()["every room of the device has its layer"]
    placed = [name.strip() for layer in contract["layers"] for name in layer.replace(":", "|").split("|")]
    assert sorted(placed) == sorted(_rooms())
    assert contract["exhaustive"] is True


@pytest.mark.parametrize("name", OPEN)
def test_every_list_is_complete(name: str) -> None:
    """A list of modules that may not do something names all that nobody decided to leave out, and nothing that is gone."""
    contract = _contracts()[name]
    listed = (
        contract["forbidden_modules"]
        if "edge_agent.store" in contract["forbidden_modules"]
        else contract["source_modules"]
    )
    assert {one.removeprefix("edge_agent.") for one in listed} == _rooms() - OPEN[name]


@pytest.mark.parametrize("vendor", ["paho", "openvino", "sqlcipher3", "weasyprint"])
def test_one_room_alone_imports_a_vendor(vendor: str) -> None:
    """The contract is about the whole package, with the one room that may as its only exception."""
    found = [
        one for one in _contracts().values() if vendor in one.get("forbidden_modules", ()) and one.get("ignore_imports")
    ]
    assert len(found) == 1
    assert "edge_agent" in found[0]["source_modules"]
    rooms = {line.split(" -> ")[0].split(".")[1] for line in found[0]["ignore_imports"]}
    assert len(rooms) == 1
