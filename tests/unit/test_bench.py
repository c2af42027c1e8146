"""The benchmark of the engine: what every contender is given, how targets are judged, what the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device_profiles.cost import predict
from device_profiles.loader import load_profile
from edge_agent.contracts.bundle import open_bundle
from edge_agent.contracts.keys import load_keys, shipped_key_folder
from edge_agent.contracts.manifest import Manifest
from edge_agent.workload import model_facts
from scripts.speed.case import CaseResult
from scripts.speed.doc import HEADING, engine_section, replace_section
from scripts.speed.fit import case_of, fit
from scripts.speed.growth import slope
from scripts.speed.interleave import Series
from scripts.speed.schemas import schema_of
from scripts.speed.targets import Target, case_targets
from scripts.speed.targets import rows as kept_rows
from scripts.speed.workload import Turn, load_workload, prompt_of, workload_named
from tests.simulators.reference import BUNDLE

PAD = "<|image_pad|>"


def series(name: str, seconds: list[float], *, peak: int = 100) -> Series:
    """A contender that took these seconds."""
    runs: list[dict[str, Any]] = [{"total": one, "seconds": {}, "peak_bytes": peak} for one in seconds]
    return Series(name, loaded={"peak_bytes": peak // 2}, runs=runs)


def shipped_manifest() -> Manifest:
    """The shipped bundle's."""
    return open_bundle(BUNDLE, keys=load_keys(shipped_key_folder())).manifest


def turn(step: str) -> Turn:
    """The committed turn of this step."""
    return next(one for one in load_workload().turns if one.step == step)


def test_the_paper_shows_each_agent_what_it_may_see() -> None:
    """One picture for Rec, all for Rep, none for Reason, none again in a turn that goes on."""
    shown = {one.step: prompt_of(one, "words", views=3).count(PAD) for one in load_workload().turns}
    assert shown == {"describe": 1, "integrate": 3, "pathogenesis": 0, "assess": 0}


def test_a_shared_beginning_is_the_same_for_every_agent() -> None:
    """System and all views come first in every conversation that begins, word for word."""
    turns = [one for one in workload_named("shared").turns if one.pictures != "before"]
    prompts = [prompt_of(one, f"question of {one.step}", views=3) for one in turns]
    heads = {prompt.split("question")[0] for prompt in prompts}
    assert len(heads) == 1
    assert heads.pop().count(PAD) == 3


def test_cases_have_pictures_of_their_own() -> None:
    """Two cases share no picture, and the same case is drawn alike twice: a cache from the last patient wins nothing."""
    held = load_workload()
    first, second, again = (held.frames(case) for case in (0, 1, 0))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not any((a == b).all() for a in first for b in second)


def test_length_multiplies_answers() -> None:
    """Twice the length is twice the tokens of every answer."""
    usual, longer = (workload_named("paper", length=length) for length in (1.0, 2.0))
    assert [2 * one.answer_tokens for one in usual.turns] == [one.answer_tokens for one in longer.turns]


@pytest.mark.parametrize("step", ["describe", "integrate", "pathogenesis", "assess"])
def test_no_schema_has_a_list_of_open_length(step: str) -> None:
    """Else random weights would decide how long an answer is."""
    lists = [value for value in schema_of(turn(step))["properties"].values() if value.get("type") == "array"]
    assert all(one["minItems"] == one["maxItems"] for one in lists)


def test_the_faster_backend_of_genai_counts() -> None:
    """Ours is divided by the smaller of GenAI's two medians, not by the slower one."""
    found = {
        "ours": series("ours", [6.0, 5.0, 70.0]),
        "ours-free": series("ours-free", [8.0]),
        "genai-sdpa": series("genai-sdpa", [20.0]),
        "genai-paged": series("genai-paged", [12.0, 10.0, 11.0]),
    }
    case = next(one for one in case_targets(found, workload="paper"))
    assert case.value == pytest.approx(6 / 11)


def test_the_leanest_backend_of_genai_counts() -> None:
    """Peak memory is compared with the smaller of the two."""
    found = {name: series(name, [1.0], peak=60) for name in ("ours", "ours-free")}
    found |= {"genai-sdpa": series("genai-sdpa", [1.0], peak=200), "genai-paged": series("genai-paged", [2.0], peak=80)}
    memory = list(case_targets(found, workload="paper"))[-1]
    assert memory.value == pytest.approx(0.75)
    assert not memory.is_met


def test_a_backend_that_could_not_run_is_not_compared() -> None:
    """A contender without runs neither wins nor fails the others."""
    found = {name: series(name, [1.0]) for name in ("ours", "ours-free", "genai-sdpa")}
    found["genai-paged"] = Series("genai-paged", error="ended with code -9")
    assert next(one for one in case_targets(found, workload="paper")).value == pytest.approx(1.0)


@pytest.mark.parametrize(("value", "is_share", "is_met"), [(0.6, False, True), (0.7, False, False), (0.7, True, True)])
def test_a_target_is_below_its_bound_and_a_share_above(value: float, is_share: bool, is_met: bool) -> None:
    """A ratio must not exceed its bound; a share must reach it."""
    assert Target("x", value, 0.65, is_share=is_share).is_met is is_met


@pytest.mark.parametrize("workload", ["paper", "shared"])
def test_without_a_peer_that_ran_the_promise_is_not_kept(workload: str) -> None:
    """Both backends of GenAI ended: nothing was compared, so nothing is met, and the line says why."""
    found = {name: series(name, [1.0]) for name in ("ours", "ours-free")}
    found |= {name: Series(name, error="ended with code -9") for name in ("genai-sdpa", "genai-paged")}
    targets = list(case_targets(found, workload=workload))
    assert not CaseResult([], targets, is_same_function=True).is_good
    assert "NOT MET: no peer ran" in targets[0].line


def test_a_value_that_nobody_measured_is_null_in_the_records() -> None:
    """JSON has no infinity: another program must be able to read the lines."""
    found = {name: series(name, [1.0]) for name in ("ours", "ours-free")}
    kept = kept_rows(list(case_targets(found, workload="paper")))
    assert json.loads(json.dumps(kept, allow_nan=False))[0]["value"] is None


def test_a_missed_target_says_so() -> None:
    """The line names bound and aim and says NOT MET."""
    assert Target("case", 0.71, 0.65, 0.5).line == "case: 0.710  NOT MET (bound <= 0.65, aim <= 0.5)"


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (None, "resident: 1.680  aim missed (aim <= 1.3)"),
        (2.0, "resident: 1.680  met, aim missed (bound <= 2, aim <= 1.3)"),
    ],
)
def test_a_missed_aim_says_so(bound: float | None, verdict: str) -> None:
    """An aim that is missed is told in words, and fails nothing."""
    target = Target("resident", 1.68, bound, 1.3)
    assert (target.line, target.is_met) == (verdict, True)


def test_the_slope_of_a_line_is_found() -> None:
    """Seconds 2 + 3 x give slope 3, start 2, no deviation; a bent series deviates."""
    rows = [{"shape": "s", "axis": "views", "views": x, "total": 2.0 + 3 * x} for x in (1, 2, 4)]
    start, per_view, off = slope(rows, axis="views", shape="s")
    assert (start, per_view) == pytest.approx((2.0, 3.0))
    assert off == pytest.approx(0.0, abs=1e-9)
    rows[1]["total"] = 16.0
    assert slope(rows, axis="views", shape="s")[2] > 0.2


def test_the_page_says_when_nothing_was_measured(tmp_path: Path) -> None:
    """No file of results: the section is there and says so."""
    assert "Not measured." in engine_section(tmp_path)


def test_the_page_marks_a_missed_target(tmp_path: Path) -> None:
    """A target above its bound stands in the table as not met."""
    head = {"shape": "0.6b", "views": 3, "side_px": 448}
    rows = [
        {"kind": "machine", **head, "date": "2026-01-01", "cores": 2, "flags": ["avx2"], "isa_limit": ""},
        {"kind": "parity", **head, "equal_answers": 5, "answers": 5},
        {"kind": "limits", **head, "language_flops_per_s": 1e11, "vision_flops_per_s": 1e11, "read_bytes_per_s": 1e10},
        {"kind": "target", **head, "name": "case", "value": 0.8, "bound": 0.65, "aim": 0.5, "is_share": False},
    ]
    (tmp_path / "case-a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert "| case | 0.800 | ≤ 0.65 | ≤ 0.5 | **not met** |" in engine_section(tmp_path)


def test_only_the_engine_section_is_replaced() -> None:
    """What stands before it stays, the old section goes."""
    document = f"# Benchmarks\n\n## Speed\n\nkept\n\n{HEADING}\n\nold\n"
    found = replace_section(document, f"{HEADING}\n\nnew\n")
    assert found == f"# Benchmarks\n\n## Speed\n\nkept\n\n{HEADING}\n\nnew\n"


def test_rates_are_found_again() -> None:
    """Seconds that the cost model itself gives for known rates: the fit returns these rates and is nowhere off."""
    profile = load_profile("generic")
    rates = profile.rates.model_copy(update={"gemm_flops_per_s": 2e11, "read_bytes_per_s": 5e9, "call_s": 0.004})
    known = profile.model_copy(update={"rates": rates})
    model = model_facts(shipped_manifest())
    rows: list[dict[str, Any]] = []
    for views, side in ((1, 224), (3, 448), (8, 448), (3, 896)):
        row: dict[str, Any] = {"shape": "s", "views": views, "side_px": side, "length": 1.0}
        found = predict(model, case_of(row), known)
        rows.append({**row, "vision": found.vision_s, "prefill": found.prefill_s, "decode": found.decode_s})
    fitted = fit(rows, {"s": model})
    assert fitted.gemm_flops_per_s == pytest.approx(2e11, rel=1e-3)
    assert fitted.read_bytes_per_s == pytest.approx(5e9, rel=1e-3)
    assert fitted.call_s == pytest.approx(0.004, rel=1e-3)
    assert fitted.most_off < 1e-3
