"""Make the tables about device profiles: predicted seconds by shape, the profiles side by side, predicted beside measured."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.checkpoint.architecture import Architecture, read_architecture
from calibration.checkpoint.device_case import model_facts, usual_case
from calibration.checkpoint.factors import Factors, load_factors
from calibration.checkpoint.shape import model_config
from calibration.checkpoint.shapes import SHAPES
from calibration.checkpoint.sizes import bundle_size
from calibration.recipe import Recipe, load_recipe
from device_profiles.cost import CaseFacts, ModelFacts, Prediction, Turn, exceeds, predict
from device_profiles.loader import load_profile, load_profiles
from device_profiles.profile import Profile
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.workload import case_facts
from edge_agent.workload import model_facts as bundle_facts
from scripts.benchmarks_table import table

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "edge_agent" / "bundles" / "reference"
SHOWN = ("reference", "0.6b", "qwen2.5-vl-3b", "qwen2.5-vl-7b")
PIXELS = 448 * 448
ADAPTER_RANK = 16


@dataclass(frozen=True, slots=True)
class Check:
    """One figure that was measured beside what the cost model says of it; ``source`` names where it stands."""

    what: str
    predicted: float
    measured: float
    unit: str
    source: str


def architecture(name: str) -> Architecture:
    """Return one of the published shapes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(model_config(SHAPES[name])), encoding="utf-8")
        return read_architecture(Path(folder))


def shape_facts(name: str, recipe: Recipe, factors: Factors) -> ModelFacts:
    """Count a shape under a recipe with three INT8 adapters on all seven linears, as bundles carry them."""
    arch = architecture(name)
    keys = arch.num_key_value_heads * arch.head_dim
    wide, inner = arch.hidden_size, arch.intermediate_size
    one = arch.num_hidden_layers * ADAPTER_RANK * (4 * wide + 2 * (wide + keys) + 3 * (wide + inner))
    size = bundle_size(arch, recipe, adapter_shapes=[(one, ADAPTER_RANK)] * 3, factors=factors)
    return replace(model_facts(arch, size, ()), adapter_weights=3 * one)


def readme_table() -> str:
    """Return predicted seconds of the usual case: a row per shape, a column per profile, what is refused in words."""
    factors, recipe = load_factors(), load_recipe("int4-data-free")
    profiles = load_profiles()
    rows = []
    for name in SHOWN:
        facts = shape_facts(name, recipe, factors)
        case = usual_case(architecture(name), PIXELS, factors)
        rows.append([name, *(_cell(predict(facts, case, profile), profile) for profile in profiles)])
    return table(["shape", *(profile.name for profile in profiles)], rows)


def _cell(found: Prediction, profile: Profile) -> str:
    over = [line.partition(" ")[0] for line in exceeds(found, profile)]
    return f"{found.seconds:.0f} s" + (f", refused: {', '.join(over)}" if over else "")


def profiles_table() -> str:
    """Return the profiles side by side."""
    rows = [
        [
            one.name,
            one.title,
            one.profile_class,
            str(one.inference.threads),
            " then ".join(one.inference.device_order),
            f"{one.inference.memory_budget_bytes / 1e9:.1f} GB",
            f"{one.inference.max_pixels:,}",
            f"{one.rates.gemm_flops_per_s / 1e9:.0f}",
            f"{one.rates.read_bytes_per_s / 1e9:.1f}",
            one.sources["rates.gemm_flops_per_s"].partition(":")[0],
        ]
        for one in load_profiles()
    ]
    head = ["name", "computer", "class", "threads", "devices", "memory", "px per view", "GFLOP/s", "GB/s", "rates are"]
    return table(head, rows)


def checks_table() -> str:
    """Return what was measured beside what is predicted."""
    rows = [
        [
            one.what,
            f"{one.predicted:.3g}",
            f"{one.measured:.3g}",
            one.unit,
            f"{one.predicted / one.measured:.2f}",
            one.source,
        ]
        for one in checks()
    ]
    return table(["what", "predicted", "measured", "unit", "ratio", "source"], rows)


def checks() -> Sequence[Check]:
    """Compare the cost model, with the rates of ``generic``, to every figure that was measured on two cores."""
    factors, generic = load_factors(), load_profile("generic")
    small = shape_facts("0.6b", load_recipe("int4-data-free"), factors)
    bare = replace(small, adapter_weights=0, adapter_bytes=0)
    large = replace(_plain_3b(factors), adapter_weights=0, adapter_bytes=0)
    three = shape_facts("qwen2.5-vl-3b", load_recipe("int4-data-free"), factors)
    note, loaded = "measured on 2 AVX2 threads", "docs/benchmarks.md, Growth; 2 threads with AVX-512"
    picture = CaseFacts(1, PIXELS // 14**2, ())
    return [
        Check(
            "0.6b, one view of 448 px through the vision tower",
            predict(small, picture, generic).vision_s,
            3.7,
            "s",
            note,
        ),
        Check("0.6b, prefill of 434 tokens", _prefill(bare, 434, generic), 3.0, "s", note),
        Check("0.6b, prefill of 1,068 tokens", _prefill(bare, 1068, generic), 9.3, "s", note),
        Check("0.6b, one token alone, bare backbone", _token(bare, 1, generic), 0.032, "s", note),
        Check("0.6b, one token of three views together", _token(bare, 3, generic), 0.047, "s", note),
        Check("0.6b, peak memory of a case", _memory("0.6b", small, generic, factors) / 1e9, 1.18, "GB", loaded),
        Check("3b, peak memory of a case", _memory("qwen2.5-vl-3b", three, generic, factors) / 1e9, 4.80, "GB", loaded),
        Check("3b, prefill of 300 tokens", _prefill(large, 300, generic), 16.0, "s", note),
        Check("3b, one token alone, bare backbone", _token(large, 1, generic), 0.224, "s", note),
        _reference_check(generic),
    ]


def _plain_3b(factors: Factors) -> ModelFacts:
    """Count the 3b shape as optimum-cli compressed it for the measurements: groups of 128."""
    document = load_recipe("int4-data-free").model_dump(exclude_unset=True)
    document["language_model"] |= {"group_size": 128}
    return shape_facts("qwen2.5-vl-3b", Recipe.model_validate(document), factors)


def _prefill(model: ModelFacts, tokens: int, profile: Profile) -> float:
    return predict(model, CaseFacts(0, 0, (Turn(1, tokens, 0, 0),)), profile).prefill_s


def _token(model: ModelFacts, rows: int, profile: Profile) -> float:
    return predict(model, CaseFacts(0, 0, (Turn(rows, 0, 1, 0),)), profile).decode_s


def _memory(shape: str, model: ModelFacts, profile: Profile, factors: Factors) -> int:
    return predict(model, usual_case(architecture(shape), PIXELS, factors), profile).memory_bytes


def _reference_check(profile: Profile) -> Check:
    """Compare the shipped bundle with docs/benchmarks.md, whose cases have one or two views and no second look."""
    manifest = open_bundle(REFERENCE, keys=load_keys(shipped_key_folder())).manifest
    once = manifest.model_copy(update={"thresholds": manifest.thresholds.model_copy(update={"scope_looks": 1})})
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    row = re.search(r"^\| INT4, on \|(.*)\|$", page, re.MULTILINE)
    if row is None:
        raise RuntimeError("docs/benchmarks.md has no row of the INT4 bundle's speed")
    measured = float(row[1].split("|")[4]) / 1e3
    found = [predict(bundle_facts(once), case_facts(once, views=views), profile).seconds for views in (1, 2)]
    return Check(
        "reference bundle, a case of one or two views",
        sum(found) / 2,
        measured,
        "s",
        "docs/benchmarks.md, Speed; 2 threads with AVX-512",
    )
