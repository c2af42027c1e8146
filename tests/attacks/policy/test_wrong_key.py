"""Somebody signs a policy with a key that is not the authority's."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.sign import development_key
from edge_agent.contracts.keys import shipped_key_folder
from edge_agent.contracts.manifest import PAYLOAD_TYPE as BUNDLE_TYPE
from edge_agent.errors import RejectedError, SignatureRejected
from tests.attacks.policy.refused import refused
from tests.simulators.bundles import write_key
from tests.simulators.policies import Ministry, ministry, policy_text


def test_a_foreign_key(signed: Ministry, tmp_path: Path) -> None:
    """A valid signature of somebody else counts for nothing."""
    signed.publish(policy_text(version=9), key=write_key(tmp_path / "foreign", "ministry"))
    refused(signed, SignatureRejected, "configured: ministry key")


def test_the_development_key_where_the_ministrys_is_configured(signed: Ministry) -> None:
    """A key whose private half everybody has is trusted only where somebody configured it."""
    signed.publish(policy_text(version=9), key=development_key())
    refused(signed, SignatureRejected, "configured: ministry key")


def test_a_bundles_signature_is_no_policys(signed: Ministry) -> None:
    """The media type is signed: who may release models cannot pass one envelope off as the other."""
    signed.publish(policy_text(version=9), payload_type=BUNDLE_TYPE)
    refused(signed, SignatureRejected, "not application/vnd.derm-edge.policy")


@pytest.mark.parametrize("line", ["age_of_consent_years = 16", 'tongue_photo = "ask_each_time"'])
def test_the_development_key_never_loosens(tmp_path: Path, line: str) -> None:
    """A device as it is shipped trusts the public key; with it anybody can tighten, and nobody can loosen."""
    found = ministry(tmp_path)
    device = Ministry(
        tmp_path, development_key(), found.config.model_copy(update={"policy_keys_dir": shipped_key_folder()})
    )
    device.publish(policy_text('face_photo = "off"'))
    assert device.load().policy.face_photo == "off"
    device.publish(policy_text(line, version=2))
    with pytest.raises(RejectedError, match=f"loosens {line.split(maxsplit=1)[0]} .*development key"):
        device.load()
    found.publish(policy_text(line, version=2))
    assert found.load().policy.version == 2
