"""What every attack must end in: one class of error, one line, and a device that keeps the strict values."""

from __future__ import annotations

import pytest

from tests.simulators.policies import Ministry


def refused(device: Ministry, error: type[Exception], match: str) -> None:
    """Check the refusal, and that the accepted policy goes on with the refusal told."""
    with pytest.raises(error, match=match) as caught:
        device.load()
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    found = device.in_force()
    assert (found.origin, found.policy.version, found.policy.intimate_photo_adult) == ("accepted", 5, "never")
    assert found.refusal == str(caught.value)
