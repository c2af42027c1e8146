"""Somebody brings back an older policy that was signed once."""

from __future__ import annotations

from edge_agent.errors import VersionRejected
from edge_agent.policy.load import load_policy
from tests.attacks.policy.refused import refused
from tests.simulators.policies import Ministry, policy_text


def test_an_older_version(signed: Ministry) -> None:
    """A valid signature does not make a replaced file valid again."""
    signed.publish(policy_text(version=4))
    refused(signed, VersionRejected, "version 4, this device accepted 5")


def test_another_text_under_the_accepted_version(signed: Ministry) -> None:
    """One version is one text; else two devices with one number would follow two policies."""
    signed.publish(policy_text('tongue_photo = "ask_each_time"', version=5))
    refused(signed, VersionRejected, "says something else")


def test_the_same_file_again_is_fine(signed: Ministry) -> None:
    """A restart loads what it loaded before."""
    assert signed.load().origin == "file"


def test_removing_the_file_does_not_undo_it(signed: Ministry) -> None:
    """The defaults are laxer than this ministry: a deleted file leaves the accepted copy in force."""
    signed.file.unlink()
    found = signed.without_file().load()
    assert (found.origin, found.policy.intimate_photo_adult) == ("accepted", "never")


def test_version_nought_is_never_signed(signed: Ministry) -> None:
    """It is the number of the built-in defaults."""
    signed.publish(policy_text(version=0))
    refused(signed, VersionRejected, "1 or higher")


def test_looking_at_a_file_accepts_nothing(signed: Ministry) -> None:
    """``derm-edge policy show`` must not raise the number under which the daemon's next file would be refused."""
    signed.publish(policy_text(version=9))
    assert load_policy(signed.config, remember=False).policy.version == 9
    signed.publish(policy_text('intimate_photo_adult = "never"', version=6))
    assert signed.load().policy.version == 6
