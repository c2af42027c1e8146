"""What doctor says of the policy file: which rules hold, and for each thing that is wrong what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError, ExpiredRejected, RejectedError
from edge_agent.policy.load import PolicyInForce, awaits_restart
from edge_agent.policy.standing import standing
from tests.simulators.bundles import write_key
from tests.simulators.policies import Ministry, ministry, policy_text

TODAY = date(2026, 6, 1)


@pytest.fixture
def device(tmp_path: Path) -> Ministry:
    """A device that trusts one ministry and has seen no file."""
    return ministry(tmp_path)


def _line(found: PolicyInForce, device: Ministry) -> str:
    return standing(found, today=TODAY, default=device.folder / "etc" / "policy.dsse.json")


def test_without_a_file_the_built_in_rules_hold(device: Ministry) -> None:
    """No fault: many posts have no authority that signs."""
    told = _line(device.without_file().in_force(), device)
    assert told == "no authority has signed a policy for this device: the built-in strict rules hold"


def test_a_sound_file_is_named_with_its_signer(device: Ministry) -> None:
    """Version, authority, country, key and last day."""
    device.publish(policy_text("valid_until = 2026-06-01", version=3))
    told = _line(device.in_force(), device)
    assert told == "version 3 of Ministry of the tests (CN), signed by the ministry key, until 2026-06-01"


def test_a_new_file_is_not_said_to_hold_before_the_daemon_has_read_it(device: Ministry) -> None:
    """The daemon remembers what it has loaded; a newer file beside it waits for the next start."""
    device.publish(policy_text(version=3))
    assert awaits_restart(device.in_force_looked_at(), device.config)
    device.load()
    assert not awaits_restart(device.in_force_looked_at(), device.config)
    device.publish(policy_text(version=4))
    assert awaits_restart(device.in_force_looked_at(), device.config)
    assert not awaits_restart(device.without_file().in_force_looked_at(), device.config)


def test_a_named_file_that_is_missing(device: Ministry) -> None:
    """Says which file, and which rules hold meanwhile."""
    with pytest.raises(
        RejectedError, match=r"policy\.dsse\.json cannot be read .*; meanwhile the built-in strict rules hold"
    ):
        _line(device.in_force(), device)


def test_a_file_that_is_gone(device: Ministry) -> None:
    """What was accepted holds, and the technician brings the file back."""
    device.publish(policy_text(version=2))
    device.load()
    with pytest.raises(ConfigError, match=r"file is gone, version 2 of Ministry of the tests \(CN\).*copy it to"):
        _line(device.without_file().in_force(), device)


def test_a_text_that_nobody_signed(device: Ministry) -> None:
    """Somebody wrote a policy.toml and believes that it holds."""
    place = device.folder / "etc"
    place.mkdir()
    (place / "policy.toml").write_text(policy_text())
    with pytest.raises(ConfigError, match=r"policy\.toml is not signed and counts for nothing.*sign-policy"):
        _line(device.without_file().in_force(), device)


def test_a_file_by_another_key(device: Ministry, tmp_path: Path) -> None:
    """Refused, and the version accepted before is named."""
    device.publish(policy_text(version=4))
    device.load()
    device.publish(policy_text(version=5), key=write_key(tmp_path / "others", "stranger"))
    with pytest.raises(RejectedError, match=r"no configured key signed this policy.*meanwhile version 4 of Ministry"):
        _line(device.in_force(), device)


def test_a_file_whose_time_is_over(device: Ministry) -> None:
    """Its rules hold on: a kiosk must not lose its emergency number over a date. But it is said."""
    device.publish(policy_text('emergency_number = "120"', "valid_until = 2026-05-31"))
    found = device.in_force()
    assert found.policy.emergency_number == "120"
    with pytest.raises(ExpiredRejected, match="ended on 2026-05-31, its rules hold on: ask the authority"):
        _line(found, device)
