"""A ministry whose file a device trusts; every attack starts from one that is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.policies import Ministry, ministry, policy_text


@pytest.fixture
def signed(tmp_path: Path) -> Ministry:
    """Return a device with an accepted policy, version 5, stricter than the defaults in one value."""
    found = ministry(tmp_path)
    found.publish(policy_text('intimate_photo_adult = "never"', version=5))
    assert found.load().policy.version == 5
    return found
