"""TLS to the hub's broker: one context for the link and for ``derm-edge doctor``, and each file's fault by its name.

The hub's certificate is vouched for by the authority of ``ca_file`` alone, never by the computer's own list: no public
authority may stand in for the ministry's. Does not speak MQTT.

Source: TLS 1.3 (RFC 8446) section 4.4.2.4: a server refuses a client's certificate after the handshake is complete for the
client, so the refusal is only seen by listening.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from edge_agent.errors import ConfigError, UplinkError
from edge_agent.uplink.settings import UplinkSettings

REFUSAL_WAIT_S = 1.0  # how long a refusal of the device's certificate may take after the handshake


def tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    """Return how this device proves itself and the broker; None where the address is without TLS.

    Raises:
        ConfigError: a file cannot be used; names it and its key in the configuration.
    """
    if settings.ca_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # wants a certificate that fits the host's name
    named = {"ca_file": settings.ca_file, "certificate_file": settings.certificate_file, "key_file": settings.key_file}
    for key, path in named.items():
        if path is not None:
            _check_readable(key, path)
    try:
        context.load_verify_locations(cafile=str(settings.ca_file))
    except ssl.SSLError as exc:
        raise _unusable("ca_file", settings.ca_file, "it holds no certificate in PEM form") from exc
    if settings.certificate_file is not None and settings.key_file is not None:
        _prove(context, settings.certificate_file, settings.key_file)
    return context


def reach(settings: UplinkSettings, *, timeout_s: float) -> None:
    """Look whether the broker answers, and with TLS whether each side takes the other's certificate. Sends nothing.

    Raises:
        ConfigError: a TLS file cannot be used.
        UplinkError: it does not answer, or one side refuses the other.
    """
    context, where = tls_context(settings), f"{settings.host}:{settings.port}"
    try:
        channel = socket.create_connection((settings.host, settings.port), timeout=timeout_s)
    except OSError as exc:
        why = exc.strerror or exc
        raise UplinkError(f"{where} does not answer ({why}); records stay queued until it does") from exc
    with channel:
        if context is not None:
            _agree(context, channel, settings)


def _agree(context: ssl.SSLContext, channel: socket.socket, settings: UplinkSettings) -> None:
    where, files = f"{settings.host}:{settings.port}", "look at port, certificate_file and key_file of [broker]"
    try:
        _shake_hands(context, channel, settings.host)
    except ssl.SSLCertVerificationError as exc:
        raise UplinkError(
            f"{where} shows a certificate that {settings.ca_file} does not vouch for ({exc.verify_message});"
            " name the hub's own as ca_file"
        ) from exc
    except ssl.SSLError as exc:
        raise UplinkError(f"{where} and this device do not agree on TLS ({exc.reason or exc}); {files}") from exc
    except OSError as exc:
        raise UplinkError(f"{where} answers and breaks off TLS ({exc.strerror or exc}); {files}") from exc


def _shake_hands(context: ssl.SSLContext, channel: socket.socket, host: str) -> None:
    """Complete the handshake and listen for a refusal; a broker that waits for the first packet says nothing."""
    with context.wrap_socket(channel, server_hostname=host) as secured:
        secured.settimeout(REFUSAL_WAIT_S)
        try:
            heard = secured.recv(1)
        except TimeoutError:
            return
        if not heard:
            raise OSError("closed after the handshake")


def _check_readable(key: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as exc:
        raise _unusable(key, path, str(exc.strerror)) from exc


def _prove(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load the device's certificate and key; a key under a password cannot be used, for nobody is there to type it."""
    try:
        context.load_cert_chain(str(certificate), str(key), password=lambda: "")
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            raise _unusable("key_file", key, f"it is not the key of {certificate}") from exc
        raise _unusable(
            "certificate_file",
            certificate,
            f"it and {key} must be PEM, certificate and key, the key without a password ({exc.reason or exc})",
        ) from exc


def _unusable(key: str, path: Path, why: str) -> ConfigError:
    return ConfigError(f"[broker] {key}: the TLS file {path} cannot be used: {why}")
