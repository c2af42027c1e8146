"""``scripts/package --policy``: a policy that kiosks would refuse is refused where the package is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import RejectedError
from scripts.package_main import check_policy
from tests.simulators.policies import ministry, policy_text


def test_a_sound_policy_is_taken_without_its_key(tmp_path: Path) -> None:
    """The authority's key is on the kiosks, not where the package is made."""
    authority = ministry(tmp_path)
    authority.publish(policy_text(version=3))
    assert check_policy(authority.file).version == 3


@pytest.mark.parametrize("line", ["retention_record_years = 1", 'training_use = "separate_consent"', "no_such_key = 1"])
def test_what_kiosks_would_refuse_is_refused_here(tmp_path: Path, line: str) -> None:
    """Laxer than the floor, opening a purpose further than its text, or with an unknown key."""
    authority = ministry(tmp_path)
    authority.publish(policy_text(line))
    with pytest.raises(RejectedError, match=line.split(" ", maxsplit=1)[0]):
        check_policy(authority.file)


def test_an_unsigned_text_is_no_policy(tmp_path: Path) -> None:
    """``policy.toml`` itself is not what a kiosk reads."""
    (tmp_path / "policy.toml").write_text(policy_text())
    with pytest.raises(RejectedError, match="envelope"):
        check_policy(tmp_path / "policy.toml")
