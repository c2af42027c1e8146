"""``derm-calibrate``: what its process may and may not do, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("huggingface_hub")

from calibration.cli import main

PROBE = """
import sys
from calibration.cli import main
early = {"huggingface_hub", "transformers", "peft"} & set(sys.modules)
code = main(["keygen", "not-a-key-name"])  # the shortest command: refused, nothing is written
from huggingface_hub import constants
print(code, sorted(early), constants.HF_HUB_OFFLINE)
"""


@pytest.mark.parametrize(("given", "is_offline"), [(None, True), ("0", False)])
def test_no_command_asks_a_hub_on_the_network(given: str | None, is_offline: bool) -> None:
    """The hub client is told to stay offline before anything loads it; only the caller's own wish changes that."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    if given is not None:
        environment["HF_HUB_OFFLINE"] = given
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == f"10 [] {is_offline}"


@pytest.mark.parametrize(("command", "takes_labelled"), [("build", False), ("sweep", True), ("accept", True)])
def test_calibration_cases_have_one_name(
    command: str, takes_labelled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--cases`` are labelled cases wherever it stands; a build has none, and refuses the word."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    words = capsys.readouterr().out.replace("[", " ").split()
    assert "--calibration-cases" in words
    assert ("--cases" in words) is takes_labelled
