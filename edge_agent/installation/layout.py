"""Where the installed program, its slots and its neighbours lie; knows names only, touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SLOT_NAMES = ("a", "b")
_BY_SUFFIX = (  # the first that fits; what the file is called there
    (".service", "usr/lib/systemd/system", ".service"),
    (".rules", "usr/lib/udev/rules.d", ".rules"),
    (".sysusers.conf", "usr/lib/sysusers.d", ".conf"),
    (".tmpfiles.conf", "usr/lib/tmpfiles.d", ".conf"),
    (".journald.conf", "usr/lib/systemd/journald.conf.d", ".conf"),
    (".chromium.json", "etc/chromium/policies/managed", ".json"),  # as Debian builds it
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Name every place that an installation touches.

    Args:
        root: ``/``, or a folder that stands for it: nothing outside it is written then.
    """

    root: Path

    @property
    def prefix(self) -> Path:
        """Return the folder of slots, journal and lock."""
        return self.root / "opt" / "derm-edge"

    @property
    def slots(self) -> Path:
        """Return the folder that holds slot a and slot b."""
        return self.prefix / "slots"

    @property
    def current(self) -> Path:
        """Return the link that names the slot in use."""
        return self.prefix / "current"

    @property
    def incoming(self) -> Path:
        """Return the folder that a package is unpacked into; empty between installations."""
        return self.prefix / "incoming"

    @property
    def journal(self) -> Path:
        """Return the file that says what is under way."""
        return self.prefix / "installation.json"

    @property
    def command(self) -> Path:
        """Return the link by which people and units call the program."""
        return self.root / "usr" / "bin" / "derm-edge"

    @property
    def settings(self) -> Path:
        """Return the folder of the operator's files; what stands there is never overwritten."""
        return self.root / "etc" / "derm-edge"

    @property
    def config(self) -> Path:
        """Return the configuration."""
        return self.settings / "config.toml"

    @property
    def policy_keys(self) -> Path:
        """Return the folder of the policy authority's public keys; empty until a person puts one there."""
        return self.settings / "policy-keys"

    @property
    def state(self) -> Path:
        """Return the state folder: store, keys, logs."""
        return self.root / "var" / "lib" / "derm-edge"

    @property
    def sealed_key(self) -> Path:
        """Return the store's key where it is sealed to this computer (systemd-creds); often absent."""
        return self.root / "etc" / "credstore.encrypted" / "store.key"

    def system_place(self, name: str) -> Path:
        """Return where a file of ``edge_agent/system`` belongs."""
        for suffix, folder, kept in _BY_SUFFIX:
            if name.endswith(suffix):
                return self.root / folder / (name.removesuffix(suffix) + kept)
        return self.root / "usr" / "lib" / "derm-edge" / name
