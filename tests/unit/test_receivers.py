"""Whom pictures are encrypted to: a named certificate that holds, and nobody else can read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from subprocess import run

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge_agent.errors import ConfigError
from edge_agent.interop.receivers import load_receiver
from tests.simulators.receivers import BITS, Hospital, certificate, private_key

NOW = datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    """A hospital whose folder on the device is still empty."""
    return Hospital(tmp_path / "receivers")


def test_only_the_receiver_can_read_it(hospital: Hospital) -> None:
    """The bytes do not hold the content, and twice is never the same."""
    hospital.enrol()
    receiver = load_receiver(hospital.folder, "hospital", now=NOW)
    sealed = receiver.seal(b"the close-up of a knee\r\n\n")
    assert b"knee" not in sealed and sealed != receiver.seal(b"the close-up of a knee\r\n\n")
    assert hospital.open(sealed) == b"the close-up of a knee\r\n\n"


def test_openssl_opens_it(hospital: Hospital, tmp_path: Path) -> None:
    """The command of docs/interop.md, as the receiver types it."""
    crt = hospital.enrol()
    key = tmp_path / "hospital.key.pem"
    key.write_bytes(private_key(BITS).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    sealed = tmp_path / "case.p7m"
    sealed.write_bytes(load_receiver(hospital.folder, "hospital", now=NOW).seal(b"a\r\nb\n"))
    words = [
        "openssl",
        "cms",
        "-decrypt",
        "-binary",
        "-inform",
        "DER",
        "-in",
        str(sealed),
        "-recip",
        str(crt),
        "-inkey",
        str(key),
    ]
    assert run(words, capture_output=True, check=True).stdout == b"a\r\nb\n"


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"until": datetime(2026, 3, 4, tzinfo=UTC)}, "ended on 2026-03-04: ask hospital for its new certificate"),
        ({"bits": 1024}, "RSA key of 2048 bits or more"),
        ({"key": Ed25519PrivateKey.generate()}, "RSA key of 2048 bits or more"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused(hospital: Hospital, given: dict[str, object], line: str) -> None:
    """Over, too weak, or of a kind that cannot encrypt; the line says what to ask for."""
    hospital.enrol(certificate(**given))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=line):
        load_receiver(hospital.folder, "hospital", now=NOW)


def test_a_name_that_nobody_has_is_refused(hospital: Hospital) -> None:
    """With the names that there are; a path is no name."""
    with pytest.raises(ConfigError, match="set receivers_dir"):
        load_receiver(None, "hospital", now=NOW)
    hospital.enrol()
    for name in ("clinic", "../receivers/hospital", ""):
        with pytest.raises(ConfigError, match="there are: hospital"):
            load_receiver(hospital.folder, name, now=NOW)
    (hospital.folder / "broken.crt.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="can be read: ask broken"):
        load_receiver(hospital.folder, "broken", now=NOW)
