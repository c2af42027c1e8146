"""The page is as patient as the policy allows: a configuration may only be stricter (R7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import Config, KioskConfig
from edge_agent.contracts.policy import Policy
from edge_agent.kiosk_bootstrap import by_policy


@pytest.mark.parametrize(
    ("asked", "allowed", "held"),
    [
        ((60.0, 3600.0), Policy(), (60.0, 600.0)),  # an hour is more than the strict ten minutes
        ((60.0, 3600.0), Policy(screen_blank_s=20, session_timeout_min=5), (20.0, 300.0)),
        ((15.0, 120.0), Policy(), (15.0, 120.0)),  # the operator's own wish is stricter
    ],
)
def test_the_shorter_time_holds(
    tmp_path: Path, asked: tuple[float, float], allowed: Policy, held: tuple[float, float]
) -> None:
    """Of the seconds until the screen blanks and until a person is signed out; nothing else of the page changes."""
    kiosk = KioskConfig(blank_after_s=asked[0], sign_out_after_s=asked[1], is_demo=True)
    found = by_policy(Config(state_dir=tmp_path, kiosk=kiosk), allowed).kiosk
    assert (found.blank_after_s, found.sign_out_after_s) == held
    assert found.model_copy(update={"blank_after_s": asked[0], "sign_out_after_s": asked[1]}) == kiosk
