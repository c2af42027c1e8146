"""A ministry in a folder: its key, its policy text, a device that trusts it; and consents as people give them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_agent.config import Config
from edge_agent.contracts.consent_values import PURPOSES, ConsentPurpose
from edge_agent.contracts.dsse import seal
from edge_agent.contracts.intake import Consent, Purpose
from edge_agent.contracts.policy import PAYLOAD_TYPE
from edge_agent.policy.load import PolicyInForce, load_policy, policy_in_force
from tests.simulators.bundles import write_key

VISIT = datetime(2026, 3, 5, 9, 0, tzinfo=UTC)
HEAD = 'schema_version = 1\nversion = {}\ncountry = "CN"\nauthority = "Ministry of the tests"\nissued = 2026-03-01\n'


def policy_text(*lines: str, version: int = 1) -> str:
    """Write a policy of which only some values differ from the strict defaults."""
    return "\n".join([HEAD.format(version), *lines, ""])


@dataclass(frozen=True)
class Ministry:
    """A key pair, a file on a device and the device's configuration."""

    folder: Path
    private_key: Path
    config: Config

    @property
    def file(self) -> Path:
        """Return the place of the signed policy."""
        return self.folder / "policy.dsse.json"

    def publish(self, text: str, *, key: Path | None = None, payload_type: str = PAYLOAD_TYPE) -> None:
        """Sign a text as it is and put it on the device, whatever it says."""
        self.file.write_bytes(seal(text.encode(), payload_type=payload_type, private_key=key or self.private_key))

    def load(self) -> PolicyInForce:
        """Load as a device does."""
        return load_policy(self.config, default=self.folder / "none")

    def in_force(self) -> PolicyInForce:
        """Load as the daemon does, which never stops on a refused file."""
        return policy_in_force(self.config, default=self.folder / "none")

    def in_force_looked_at(self) -> PolicyInForce:
        """Look as a command does: nothing is remembered as accepted."""
        return policy_in_force(self.config, default=self.folder / "none", remember=False)

    def without_file(self) -> Ministry:
        """Return the same device with the file's name gone from its configuration."""
        return Ministry(self.folder, self.private_key, self.config.model_copy(update={"policy_file": None}))


def ministry(folder: Path) -> Ministry:
    """Make the keys of a ministry and a device that trusts them."""
    private = write_key(folder / "keys", "ministry")
    state = folder / "state"
    state.mkdir(parents=True)
    config = Config(
        state_dir=state, policy_keys_dir=folder / "keys", policy_file=folder / "policy.dsse.json", bundle_dir=folder
    )
    return Ministry(folder, private, config)


def consent(*refused: ConsentPurpose, **changes: Any) -> Consent:
    """Return a real consent of an adult who reads; training is refused, as the strict policy wants it."""
    yes, no = Purpose(granted=True, version="1"), Purpose(granted=False, version="1")
    granted: dict[str, Purpose] = {
        purpose: no if purpose in refused or purpose == "training" else yes for purpose in PURPOSES
    }
    told: dict[str, Any] = dict(granted) | {
        "given_by": "person",
        "language": "en",
        "read_aloud": True,
        "recorded_by": "worker-1",
        "recorded_at": VISIT,
        "can_read": True,
    }
    return Consent.model_validate(told | changes)


def care_only(**changes: Any) -> Consent:
    """Return a consent as an emergency basis allows it."""
    return consent("deidentified_result", "referral_package", **({"emergency_reason": "not awake"} | changes))
