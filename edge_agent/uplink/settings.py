"""What the uplink needs to know about its broker, and this device's name there."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge_agent.errors import ConfigError, StoreError
from edge_agent.store.durable import publish_once
from edge_agent.uplink.hours import ALL_DAY

MAX_WINDOW = 16
_DEVICE = re.compile(r"[0-9a-f]{32}")
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where to send and how patiently.

    ``device`` is the random enrolment id, 32 hexadecimal digits; it is the client id and part of both topics.
    With ``ca_file`` the connection is TLS; ``certificate_file`` and ``key_file`` prove the device to the broker.
    ``window``: batches that may wait for the hub's answer at once; the broker's Receive Maximum may lower it.
    ``hours``: when results leave by themselves (``uplink.hours``).

    Raises:
        ConfigError: a value that cannot work.
    """

    host: str
    port: int
    device: str
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    window: int = MAX_WINDOW
    hours: tuple[str, ...] = ALL_DAY
    keepalive_s: int = 60
    connect_timeout_s: float = 10.0
    ack_timeout_s: float = 30.0
    idle_poll_s: float = 1.0
    backoff_first_s: float = 1.0
    backoff_max_s: float = 300.0

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise ConfigError("the device id must be 32 hexadecimal digits, as given at enrolment")
        if not 1 <= self.window <= MAX_WINDOW:
            raise ConfigError(f"uplink window must be 1 to {MAX_WINDOW}")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ConfigError("the device certificate and its key belong together: name both files or neither")
        if self.certificate_file is not None and self.ca_file is None:
            raise ConfigError("a device certificate needs TLS: name the CA file too")

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        device: str,
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
    ) -> UplinkSettings:
        """Read a broker address such as ``mqtt://10.0.0.5:1883`` or, with a CA file, ``mqtts://hub.example``.

        Raises:
            ConfigError: not such an address; or ``mqtts`` without a CA file, or a CA file without ``mqtts``.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise ConfigError(f"not a broker address: {url!r}; write mqtt://host:port") from exc
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.username:
            raise ConfigError(f"not a broker address: {url!r}; write mqtt://host:port")
        if parts.scheme == "mqtts" and ca_file is None:
            raise ConfigError(
                f"{url} needs [broker] ca_file, the certificate of the authority behind the hub's: no other is trusted"
            )
        if parts.scheme != "mqtts" and ca_file is not None:
            raise ConfigError(
                f"{url} is without TLS, but [broker] ca_file is set: write mqtts://, or leave ca_file out"
            )
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            device=device,
            ca_file=ca_file,
            certificate_file=certificate_file,
            key_file=key_file,
        )


def load_or_create_device_id(path: Path) -> str:
    """Return the device's random id, made at the first start and kept beside the store.

    Carries nothing about the machine: 128 random bits.

    Raises:
        ConfigError: the file holds something else.
        StoreError: the file cannot be read or written.
    """
    if not path.exists():
        publish_once(path, secrets.token_hex(16).encode("ascii") + b"\n")
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as exc:
        raise StoreError(f"cannot read the device id {path}: {exc.strerror}") from exc
    if not _DEVICE.fullmatch(text):
        raise ConfigError(f"{path} does not hold a device id: restore it, or delete it to enrol anew")
    return text
