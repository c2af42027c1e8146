"""A sound checkpoint for every attack to damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators import hf_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound checkpoint."""
    return hf_folder.write_folder(tmp_path / "base")
