"""Keep what a sweep of the reference model measured: ``python -m scripts.recipes_main --sweep DIR``.

Writes one JSON file that docs/benchmarks.md is made from, and prints it as a table. The sweep itself is
``derm-calibrate sweep`` (docs/evaluation.md); nothing is measured here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.recipes_doc import recipes

RESULTS = Path(__file__).resolve().parent / "recipes" / "reference.json"
EVERYBODY = "all cases"
KEPT = ("name", "state", "failure", "size_bytes", "accuracy", "loss", "worst_tone")


def main() -> int:
    """Copy the figures of a finished sweep.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m scripts.recipes_main", description=__doc__)
    parser.add_argument("--sweep", type=Path, required=True, help="the sweep's --out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    figures = read_sweep(options.sweep)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(recipes(figures))
    print(options.out)
    return 0


def read_sweep(folder: Path) -> dict[str, Any]:
    """Return cases and tones, and one row per recipe with losses, flips and divergences over all cases."""
    document = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    rows, cases, tones = [], 0, {}
    for row in document["recipes"]:
        kept = {name: row[name] for name in KEPT}
        if row["report"]:
            summary = json.loads((folder / row["report"]).with_name("summary.json").read_text(encoding="utf-8"))
            cases, tones = summary["cases"], summary["tones"]
            kept |= _beside(summary)
        rows.append(kept)
    return {"cases": cases, "tones": tones, "recipes": rows}


def _beside(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return shares of flipped cases and nats per decision, each over all cases; empty for the reference itself."""
    flips = {row["what"]: row["share"] for row in summary["flip_table"] if row["group"] == EVERYBODY}
    nats = {row["agent"]: row["nats"] for row in summary["divergences"] if row["group"] == EVERYBODY}
    return {"flips": flips, "nats": nats}


if __name__ == "__main__":
    sys.exit(main())
