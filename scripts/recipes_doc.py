"""Write the section on recipes of docs/benchmarks.md: what each leaves of the reference model beside FP32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.benchmarks_table import share_of, table

Data = Mapping[str, Any]
RECIPES = """## Recipes

One sweep over every recipe: the backbone as named, adapters INT8 (FP32: none), data-aware recipes on 48 calibration cases.
{cases} drawn cases ({tones} of each tone), which no other table reads. *lost* is in points of mean field accuracy against
FP32; *at most* is the one-sided 95 % bound (bootstrap over cases): what these cases do not exclude. *worst tone* is the tone
that lost most. *flips*: share of cases whose answer differs from FP32's, whoever is right. *nats*: divergence per decision
along FP32's own answers, adapters on. The build's own gates judge logits and golden decisions; the quality gates of an
evaluation ask for 2,000 cases per tone and judge nothing here (`docs/evaluation.md`).

Made by `derm-calibrate sweep` with `--per-tone {tones}`, then `python -m scripts.recipes_main --sweep DIR`.
"""
FLIPS = ("decision", "family", "syndrome")
AGENTS = ("recognition", "representation", "reasoning")


def recipes(figures: Data | None) -> str:
    """Return the section; without a sweep it says so."""
    if figures is None:
        return "## Recipes\n\nNot measured.\n"
    tones = min(figures["tones"].values(), default=0)
    head = ["recipe", "MB", "accuracy", "lost", "at most", "worst tone", "lost there", "at most there"]
    head += [f"flips {name}" for name in FLIPS] + [f"nats {name}" for name in AGENTS]
    rows = [_row(one) for one in figures["recipes"]]
    failed = [f"`{one['name']}`: {one['failure']}\n" for one in figures["recipes"] if one["accuracy"] is None]
    intro = RECIPES.format(cases=f"{figures['cases']:,}", tones=tones)
    return "\n".join([intro, table(head, rows), *failed])


def _row(one: Data) -> list[str]:
    size = "–" if one["size_bytes"] is None else f"{one['size_bytes'] / 1e6:.2f}"
    lost, worst = one["loss"], one["worst_tone"]
    flips, nats = one.get("flips", {}), one.get("nats", {})
    return [
        one["name"],
        size,
        share_of(one["accuracy"]),
        *_points(lost),
        "–" if worst is None else worst["group"],
        *_points(worst),
        *(share_of(flips.get(name)) for name in FLIPS),
        *("–" if name not in nats else f"{nats[name]:.4f}" for name in AGENTS),
    ]


def _points(loss: Data | None) -> list[str]:
    if loss is None:
        return ["–", "–"]
    return [f"{loss['points']:+.2f}", "–" if loss["bound"] is None else f"{loss['bound']:.2f}"]
