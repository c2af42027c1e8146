"""The program in another folder with other default gates: what a release with those limits would do."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PACKAGES = ("calibration", "edge_agent", "device_profiles")

# Two random cases can tell this much: INT8 keeps every weight, and what is asked of answers excludes nothing.
FEW_CASES = """[[gate]]
metric = "weight_error"
part = "language_model"
limit = 0.02
min_cases = 1

[[gate]]
metric = "flips"
part = "family"
limit = 1.0
min_cases = 1
"""


def copy_program(folder: Path, *, gates: str = FEW_CASES) -> Path:
    """Copy the packages.

    Args:
        folder: for the copy; it is made.
        gates: the text of ``calibration/evaluation/gates.toml``.

    Returns:
        The folder, for ``PYTHONPATH``.
    """
    for name in _PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "calibration" / "evaluation" / "gates.toml").write_text(gates, encoding="utf-8")
    return folder
