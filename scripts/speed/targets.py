"""Judge what was measured: which ratio was promised, what it is, and what limits it where it was missed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edge_agent.contracts.manifest import Manifest
from edge_agent.workload import model_facts
from scripts.speed.decode import CONTEXT, TokenTimes
from scripts.speed.interleave import Series


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: ``value`` against ``bound``; below it is good unless ``is_share`` (then above). None: only told.

    ``value`` is infinite where nothing was measured that it could be compared with: such a promise is not kept.
    """

    name: str
    value: float
    bound: float | None
    aim: float | None = None
    is_share: bool = False

    @property
    def is_met(self) -> bool:
        """Tell whether the promise is kept; an aim is no promise."""
        return self.bound is None or self._reaches(self.bound)

    @property
    def verdict(self) -> str:
        """Return what a reader needs to know of bound and aim; nothing where neither was set."""
        if not self.is_met:
            return "NOT MET" if math.isfinite(self.value) else "NOT MET: no peer ran"
        if self.aim is not None and not self._reaches(self.aim):
            return "aim missed" if self.bound is None else "met, aim missed"
        return "" if self.bound is None and self.aim is None else "met"

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.is_share else self.value <= limit

    @property
    def line(self) -> str:
        """Return the line that a person reads."""
        sign = ">=" if self.is_share else "<="
        limits = {"bound": self.bound, "aim": self.aim}
        asked = ", ".join(f"{name} {sign} {limit:g}" for name, limit in limits.items() if limit is not None)
        return f"{self.name}: {self.value:.3f}" + (f"  {self.verdict} ({asked})" if asked else "")


def case_targets(found: Mapping[str, Series], *, workload: str) -> Iterator[Target]:
    """Compare whole cases and peak memory with the faster of GenAI's two backends; without one the promise is not kept."""
    peers = [one for name, one in found.items() if name.startswith("genai-") and one.runs]
    bound, aim = (0.65, 0.5) if workload == "paper" else (0.5, 0.33)
    label = {"paper": "case with the paper's inputs", "shared": "shared-prefix case (not the same function)"}[workload]
    if not peers:
        yield Target(f"{label}, ours / GenAI", math.inf, bound, aim)
        return
    best = min(peers, key=lambda one: one.median())
    yield Target(f"{label}, ours / {best.name}", found["ours"].median() / best.median(), bound, aim)
    free = found["ours-free"].median() / best.median()
    yield Target(f"{label}, ours without schemas / {best.name}", free, None)
    leanest = min(one.peak_bytes for one in peers)
    yield Target(f"{label}, peak memory, ours / leanest GenAI", found["ours"].peak_bytes / leanest, 0.6)


def token_targets(
    times: TokenTimes, manifest: Manifest, *, shape: str, limits: Mapping[str, float]
) -> Iterator[Target]:
    """Judge single tokens: adapters against bare, and bytes read per second against what memory gives."""
    facts = model_facts(manifest)
    bound = 1.10 if shape == "3b" else 1.15
    yield Target("token with adapters / bare backbone", times.with_adapters / times.bare, bound)
    read = facts.language_bytes / times.bare / limits["read_bytes_per_s"]
    yield Target("bare token, share of memory bandwidth", read, None, 0.75, is_share=True)
    both = (facts.language_bytes + facts.adapter_bytes) / times.with_adapters / limits["read_bytes_per_s"]
    yield Target("token with adapters, share of memory bandwidth", both, None, 0.75, is_share=True)
    flops = 2 * CONTEXT * (facts.language_weights + facts.adapter_weights) + 2 * facts.head_weights
    share = flops / times.prefill_with_adapters / limits["language_flops_per_s"]
    yield Target("prefill, share of the GEMM limit", share, None, is_share=True)


def vision_target(ours: Series, manifest: Manifest, *, views: int, side_px: int, limit: float) -> Target:
    """Compare the vision tower's linears alone, without attention, with the products that the machine can do."""
    patches = (side_px // manifest.backbone.vision.patch_size) ** 2
    done = 2 * patches * model_facts(manifest).vision_weights * views / ours.median("vision")
    return Target("vision, share of the GEMM limit", done / limit, None, is_share=True)


def own_targets(ours: Series, unskipped: Series, manifest: Manifest, *, views: int) -> Iterator[Target]:
    """Judge what needs no peer: resident weights, the price of a decision and of a Finding (one view seen and described)."""
    facts = model_facts(manifest)
    yield Target(
        "loaded model, resident / weight bytes", ours.loaded["resident_bytes"] / facts.weights_bytes, None, 1.3
    )
    yield Target("loaded model, anonymous / weight bytes", ours.loaded["anonymous_bytes"] / facts.weights_bytes, None)
    words = f"byte-level BPE of {manifest.backbone.vocab_size:,}"
    for name, series in {"skipping on": ours, "skipping off": unskipped}.items():
        spent = series.median("decode") + series.median("prefill")
        yield Target(f"ms per decision, {name}, {words}", 1000 * spent / series.runs[0]["decisions"], None)
        seen = statistics.median(run["seconds"]["vision"] + run["turns"][0] for run in series.runs)
        yield Target(f"seconds per Finding, {name}", seen / views, None)


def rows(targets: list[Target]) -> list[dict[str, Any]]:
    """Return targets as plain data; JSON has no infinity, so a value that nobody measured is null."""
    known = [one.value if math.isfinite(one.value) else None for one in targets]
    return [{**asdict(one), "value": value, "is_met": one.is_met} for one, value in zip(targets, known, strict=True)]
