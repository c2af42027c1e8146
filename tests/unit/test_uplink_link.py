"""The pipe over paho against a real mosquitto: reason codes as they are, nothing kept while offline."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent.commands.doctor import checked, checks_of
from edge_agent.config import BrokerConfig, Config
from edge_agent.errors import ConfigError, UplinkError
from edge_agent.uplink.clock import SystemClock
from edge_agent.uplink.link import Event, MqttLink, Taken
from edge_agent.uplink.settings import UplinkSettings
from edge_agent.uplink.tls import tls_context
from tests.simulators.broker import Broker, find_mosquitto, free_port, wait_for_port

pytestmark = pytest.mark.skipif(
    find_mosquitto() is None, reason="mosquitto is not installed (apt-get install mosquitto)"
)
DEVICE = "ab" * 16


def _settings(port: int, *, connect_timeout_s: float = 10.0) -> UplinkSettings:
    return UplinkSettings(host="127.0.0.1", port=port, device=DEVICE, connect_timeout_s=connect_timeout_s)


def _events(link: MqttLink, *, tries: int = 50) -> list[Event]:
    for _ in range(tries):
        if found := link.poll(0.1):
            return found
    return []


def test_a_publish_that_nobody_hears_is_not_a_success(tmp_path: Path) -> None:
    """Mosquitto takes a message for nobody with 0x10, which paho calls published; the link tells 0x10."""
    with Broker(tmp_path) as broker, contextlib.closing(MqttLink(_settings(broker.port), SystemClock())) as link:
        message_id = link.publish(b"x")
        assert _events(link) == [Taken(message_id, 0x10)]


def test_a_broker_that_is_away_is_an_uplink_error() -> None:
    """No listener: an error that names the address, at once."""
    port = free_port()
    with pytest.raises(UplinkError, match=f"127.0.0.1:{port}"):
        MqttLink(_settings(port), SystemClock())


def test_a_server_that_never_answers_is_given_up() -> None:
    """Something that accepts the connection and says nothing costs the connect timeout, not for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UplinkError, match="did not answer"):
            MqttLink(_settings(port, connect_timeout_s=0.5), SystemClock())


def test_a_killed_broker_is_noticed_and_nothing_is_kept(tmp_path: Path) -> None:
    """After SIGKILL polling and publishing raise; a new connection does not bring the refused message."""
    with Broker(tmp_path) as broker:
        link = MqttLink(_settings(broker.port), SystemClock())
        broker.kill()
        with pytest.raises(UplinkError, match="gone"):
            _events(link)
        with pytest.raises(UplinkError, match="gone"):
            link.publish(b"lost")
        link.close()
        broker.restart()
        assert "PUBLISH" not in broker.log


def test_the_same_device_twice_ends_the_older_connection(tmp_path: Path) -> None:
    """A second connection with the same id takes over, and the first one is told so instead of waiting."""
    with Broker(tmp_path) as broker:
        first = MqttLink(_settings(broker.port), SystemClock())
        with contextlib.closing(MqttLink(_settings(broker.port), SystemClock())) as second:
            with pytest.raises(UplinkError):
                _events(first)
            assert second.publish(b"x") > 0
        first.close()


def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate(name, key, issuer=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), signer=key), key


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, *, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    is_authority = key is signer
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / f"{name}.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[int]:
    """Run mosquitto with TLS that wants a device certificate; ``ca``, ``device`` and ``other`` lie in tmp_path."""
    authority, authority_key = _authority("test authority")
    _write(tmp_path, "ca", authority, authority_key)
    for name in ("server", "device"):
        key = ec.generate_private_key(ec.SECP256R1())
        issued = _certificate(name, key, issuer=authority.subject, signer=authority_key)
        _write(tmp_path, name, issued, key)
    _write(tmp_path, "other", *_authority("another authority"))
    port, config = free_port(), tmp_path / "tls.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\nrequire_certificate true\n"
        f"cafile {tmp_path}/ca.pem\ncertfile {tmp_path}/server.pem\nkeyfile {tmp_path}/server.key\n",
        encoding="utf-8",
    )
    with subprocess.Popen([find_mosquitto() or "mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        wait_for_port(port)
        yield port
        process.kill()


def _tls(port: int, folder: Path, *, ca: str = "ca", device: str | None = "device") -> UplinkSettings:
    return UplinkSettings.from_url(
        f"mqtts://127.0.0.1:{port}",
        device=DEVICE,
        ca_file=folder / f"{ca}.pem",
        certificate_file=None if device is None else folder / f"{device}.pem",
        key_file=None if device is None else folder / f"{device}.key",
    )


def test_tls_proves_both_sides(tls_broker: int, tmp_path: Path) -> None:
    """With the right CA and a device certificate the link opens; a wrong CA or no certificate is refused."""
    MqttLink(_tls(tls_broker, tmp_path), SystemClock()).close()
    for settings in (_tls(tls_broker, tmp_path, ca="other"), _tls(tls_broker, tmp_path, device=None)):
        with pytest.raises(UplinkError):
            MqttLink(settings, SystemClock())
    with pytest.raises(UplinkError):
        MqttLink(_tls(tls_broker, tmp_path, device="other"), SystemClock())


def test_a_missing_tls_file_is_a_config_error(tmp_path: Path) -> None:
    """A CA file that is not there is the operator's to mend, and is not retried."""
    with pytest.raises(ConfigError, match="TLS file"):
        MqttLink(_tls(1, tmp_path, device=None), SystemClock())


def _doctor(port: int, folder: Path, **files: Path) -> tuple[int, str]:
    """Return what ``derm-edge doctor`` says of the broker."""
    broker = BrokerConfig.model_validate({"url": f"mqtts://127.0.0.1:{port}", **files})
    name, check = next(one for one in checks_of(is_quick=True) if one[0] == "broker")
    return checked(name, check, Config(state_dir=folder / "state", broker=broker))


def test_doctor_speaks_tls_to_the_broker(tls_broker: int, tmp_path: Path) -> None:
    """A tick only where both sides take the other's certificate; else which file to look at."""
    ca, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    own = {"certificate_file": tmp_path / "device.pem", "key_file": tmp_path / "device.key"}
    assert _doctor(tls_broker, tmp_path, ca_file=ca, **own) == (
        0,
        f"✓ broker   mqtts://127.0.0.1:{tls_broker} answers, and {ca} vouches for it",
    )
    refused = {
        "ca_file": _doctor(tls_broker, tmp_path, ca_file=other, **own),
        "certificate_file and key_file": _doctor(tls_broker, tmp_path, ca_file=ca),
    }
    for word, (code, line) in refused.items():
        assert code == UplinkError.exit_code, line
        assert word in line


def test_doctor_says_that_a_port_without_tls_is_none(tmp_path: Path) -> None:
    """A plain broker on the port of the configuration: it answers TCP, and nothing could ever be sent."""
    _write(tmp_path, "ca", *_authority("test authority"))
    with Broker(tmp_path) as broker:
        code, line = _doctor(broker.port, tmp_path, ca_file=tmp_path / "ca.pem")
    assert code == UplinkError.exit_code
    assert f"127.0.0.1:{broker.port} answers and breaks off TLS" in line
    assert "look at port" in line


def test_tls_without_an_authority_is_a_config_error(tls_broker: int, tmp_path: Path) -> None:
    """The computer's own list of authorities never vouches for a hub; doctor says which key is missing."""
    code, line = _doctor(tls_broker, tmp_path)
    assert code == ConfigError.exit_code
    assert "[broker] ca_file" in line


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ("ca", "ca_file"),
        ("device", "certificate_file"),
        ("absent", "ca_file"),
        ("stranger", "key_file"),
        ("locked", "certificate_file"),
    ],
)
def test_each_tls_file_is_named_with_its_fault(tmp_path: Path, broken: str, named: str) -> None:
    """The technician reads key and path, not only that some file is wrong; a password is never asked for."""
    authority, key = _authority("test authority")
    for name in ("ca", "device", "stranger"):
        _write(tmp_path, name, *((authority, key) if name == "ca" else _authority(name)))
    if broken == "absent":
        (tmp_path / "ca.pem").unlink()
    elif broken == "stranger":
        (tmp_path / "device.key").write_bytes((tmp_path / "stranger.key").read_bytes())
    elif broken == "locked":
        form, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
        (tmp_path / "device.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))
    else:
        (tmp_path / f"{broken}.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"\[broker\] {named}: the TLS file {tmp_path}") as found:
        tls_context(_tls(1, tmp_path))
    assert "\n" not in str(found.value)
