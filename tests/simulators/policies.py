"""A ministry in a folder: its key, its policy text, and a device that is configured to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_agent.config import Config
from edge_agent.contracts.dsse import seal
from edge_agent.contracts.policy import PAYLOAD_TYPE
from edge_agent.policy.load import PolicyInForce, load_policy, policy_in_force
from tests.simulators.bundles import write_key

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

    def without_file(self) -> Ministry:
        """Return the same device with the file's name gone from its configuration."""
        return Ministry(self.folder, self.private_key, self.config.model_copy(update={"policy_file": None}))


def ministry(folder: Path) -> Ministry:
    """Make the keys of a ministry and a device that trusts them."""
    private = write_key(folder / "keys", "ministry")
    state = folder / "state"
    state.mkdir()
    config = Config(
        state_dir=state, policy_keys_dir=folder / "keys", policy_file=folder / "policy.dsse.json", bundle_dir=folder
    )
    return Ministry(folder, private, config)
