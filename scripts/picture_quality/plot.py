"""Draw docs/pictures/quality.png: what the gate does with every way of spoiling, photographs beside drawn pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.picture_quality.tables import TONES

PICTURE = Path("docs/pictures/quality.png")
_PARTS = (("accepted", "#3b7dd8", ""), ("warned", "#e0b040", "//"), ("refused", "#8a2b2b", ""))
_LABELS = {"accepted": "accepted", "warned": "accepted with a warning", "refused": "refused"}
_PANELS = (("Photographs, half “test”", ("test",)), ("Drawn skin, five tones", TONES))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the picture as PNG.

    Args:
        rows: of results/quality.json.
        path: the file.
    """
    import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - the same

    ways = list(dict.fromkeys(row["way"] for row in rows if row["way"] != "thing"))
    expects = {row["way"]: row["expect"] for row in rows}
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 7.2), sharey=True, layout="constrained")
    for axis, (title, groups) in zip(axes, _PANELS, strict=True):
        totals = [_counts(rows, way, groups) for way in ways]
        left = [0.0] * len(ways)
        for part, colour, hatch in _PARTS:
            shares = [100 * counts[part] / max(1, sum(counts.values())) for counts in totals]
            axis.barh(
                range(len(ways)), shares, left=left, color=colour, hatch=hatch, edgecolor="white", label=_LABELS[part]
            )
            left = [a + b for a, b in zip(left, shares, strict=True)]
        n = sum(totals[0].values())
        axis.set_title(f"{title} ({n} pictures)" if n else f"{title} (not measured)")
        axis.set_xlim(0, 100)
        axis.set_xlabel("share of the pictures, %")
    marks = {"refuse": "  ◂ refuse", "accept": "  ◂ accept", "report": ""}
    axes[0].set_yticks(range(len(ways)), [way + marks[expects[way]] for way in ways])
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle("What the gate does with spoiled pictures (◂ what a person would do, where that is clear)")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _counts(rows: list[dict[str, Any]], way: str, groups: tuple[str, ...]) -> dict[str, int]:
    chosen = [row for row in rows if row["way"] == way and row["group"] in groups]
    return {part: sum(row[part] for row in chosen) for part, _, _ in _PARTS}
