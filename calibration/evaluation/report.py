"""Write an evaluation down: ``report.html``, readable offline by a stranger, and ``summary.json`` with every figure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from calibration.evaluation.answers import bundle_digest
from calibration.evaluation.beside_reference import divergences, finite, flip_table, losses
from calibration.evaluation.bounds import RESAMPLES
from calibration.evaluation.case_folder import cases_digest
from calibration.evaluation.comparison import Estimate, Group
from calibration.evaluation.evaluate import Evaluation, Measured
from calibration.evaluation.figures import field_figures, groups_of, mean_accuracy, reliability, text_figures
from calibration.evaluation.gates import GateResult, worst_groups
from calibration.evaluation.judge import Judged
from calibration.evaluation.limits import WORDS, default_gates, widened
from calibration.evaluation.outcomes import Outcome, outcomes_of
from calibration.evaluation.plots import Point, bars_svg, gates_svg, pareto_svg, reliability_svg
from calibration.evaluation.text_scope import advice, text_scope_figures
from calibration.evaluation.text_scores import CORPUS_BLEU, SENTENCE_SCORES
from edge_agent.errors import CalibrationError

REPORT, SUMMARY = "report.html", "summary.json"
FLIPS_SHOWN = 200
_FALLEN_SHOWN = 12
_EVERYBODY = Group("all", "all").name


def write_report(
    evaluation: Evaluation, out: Path, *, points: Sequence[Point] = (), judged: Judged | None = None
) -> dict[str, Any]:
    """Write both files and return the summary.

    Args:
        evaluation: what ``evaluate`` returned.
        out: folder for the files; it is made.
        points: further bundles for the picture of trade-offs (a sweep's).
        judged: the judge's scores, if one was asked.

    Raises:
        CalibrationError: the folder cannot be written.
    """
    summary = summarise(evaluation, judged=judged)
    page = _page(evaluation, summary, points=points)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / SUMMARY).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (out / REPORT).write_text(page, encoding="utf-8")
    except OSError as exc:
        raise CalibrationError(f"cannot write the report to {out}: {exc.strerror}; choose another --out") from exc
    return summary


def point_of(measured: Measured, fields: Mapping[str, Any]) -> Point:
    """Return a bundle's place in the picture of trade-offs."""
    return Point(measured.name, mean_accuracy(fields), measured.size_bytes, measured.case_ms)


def summarise(evaluation: Evaluation, *, judged: Judged | None = None) -> dict[str, Any]:
    """Return every figure as plain data: the same document that ``summary.json`` holds."""
    measured = {"candidate": evaluation.candidate}
    if evaluation.reference is not None:
        measured["reference"] = evaluation.reference
    comparison, digest = evaluation.comparison, cases_digest(evaluation.cases)
    words = text_scope_figures(evaluation.cases, evaluation.candidate.answers, split=f"cases {digest[:16]}")
    return {
        "cases": len(evaluation.cases),
        "cases_digest": digest,
        "tones": dict(sorted(Counter(case.file.tone_group for case in evaluation.cases).items())),
        "bundles": {role: _bundle(one) for role, one in measured.items()},
        "fields": {role: field_figures(rows) for role, rows in _outcomes(evaluation).items()},
        "texts": {role: text_figures(evaluation.cases, one.answers) for role, one in measured.items()},
        "losses": [] if comparison is None else list(losses(comparison)),
        "gates": [gate_row(row) for row in evaluation.gates],
        "flips": None if comparison is None else [asdict(flip) for flip in comparison.flips],
        "flip_table": [] if comparison is None else list(flip_table(comparison)),
        "divergences": [] if comparison is None else list(divergences(comparison)),
        "text_scope": words,
        "judge": None if judged is None else judged.as_data(),
    }


def _outcomes(evaluation: Evaluation) -> dict[str, list[Outcome]]:
    """Return the rows by role: beside a reference the paired ones, which the gates count too."""
    if evaluation.comparison is not None:
        return {"candidate": evaluation.comparison.after, "reference": evaluation.comparison.before}
    return {"candidate": outcomes_of(evaluation.cases, evaluation.candidate.answers)}


def gate_row(row: GateResult) -> dict[str, Any]:
    """Return one gate as plain data; ``reason`` is empty where it could be computed."""
    figures: dict[str, Any] = {"reason": getattr(row.result, "reason", "")}
    if isinstance(row.result, Estimate):
        figures |= {"value": finite(row.result.value), "bound": finite(row.result.bound), "n": row.result.n}
        figures["method"] = row.result.method
        if figures["bound"] is None:
            figures["reason"] = "the sample tells nothing"
    asked = {"metric": row.gate.metric, "part": row.part, "group": row.group.name, "limit": row.limit}
    return {
        **asked, "where": row.where, "is_hard": row.gate.is_hard, "is_met": row.is_met, "substitute": row.substitute,
        **figures,
    }  # fmt: skip


def _bundle(measured: Measured) -> dict[str, Any]:
    manifest = measured.bundle.manifest
    return {
        "name": measured.name,
        "bundle": f"{manifest.name} {manifest.version}",
        "notice": manifest.notice,
        "recipe": str(manifest.recipe.get("name", "")),
        "digest": bundle_digest(measured.bundle.path, manifest)[:16],
        "size_bytes": measured.size_bytes,
        "census": [row.model_dump(mode="json") for row in manifest.census],
        "case_ms": None if measured.case_ms is None else round(measured.case_ms, 1),
    }


def _page(evaluation: Evaluation, summary: Mapping[str, Any], *, points: Sequence[Point]) -> str:
    folder = Path(__file__).resolve().parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["share"] = lambda value: "–" if value is None or math.isnan(value) else f"{value:.3f}"
    own, flips, words = summary["bundles"]["candidate"], summary["flips"], summary["text_scope"]
    return environment.get_template(
        "report.html.j2"
    ).render(
        title=f"Evaluation of {evaluation.candidate.name}",
        subtitle=own["bundle"],
        notice=own["notice"],
        verdict=_verdict(evaluation),
        plots={name: Markup(text) for name, text in _plots(evaluation, summary, points).items()},  # noqa: S704 - our own SVG
        gates=summary["gates"],
        flips=None if flips is None else flips[:FLIPS_SHOWN],
        flip_count=0 if flips is None else len(flips),
        losses=summary["losses"],
        flip_table=summary["flip_table"],
        divergences=summary["divergences"],
        text_scores=(CORPUS_BLEU, *SENTENCE_SCORES),
        text_scope=words,
        text_scope_advice="" if words is None else advice(words),
        judged=summary["judge"],
        case_count=summary["cases"],
        tones=summary["tones"],
        cases_digest=summary["cases_digest"][:16],
        resamples=RESAMPLES,
        words={row.gate.metric: WORDS[row.gate.metric] for row in evaluation.gates},
        **_tables(summary),
    )


def _tables(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of the tables of bundles, fields and texts."""
    ours, theirs = summary["fields"]["candidate"], summary["fields"].get("reference", {})
    return {
        "bundles": [
            {**row, "accuracy": mean_accuracy(summary["fields"][role]), "size_mb": row["size_bytes"] / 1e6}
            for role, row in summary["bundles"].items()
        ],
        "fields": [
            {"name": name, **row, "reference": theirs.get(name, {}).get("accuracy")} for name, row in ours.items()
        ],
        "groups": groups_of(ours),
        "texts": [
            {"step": step, "bundle": role, "group": group, **row}
            for role, steps in summary["texts"].items()
            for step, whole in steps.items()
            for group, row in {_EVERYBODY: whole, **whole["groups"]}.items()
        ],
    }


def _verdict(evaluation: Evaluation) -> dict[str, Any]:
    if evaluation.reference is None:
        return {"is_good": False, "headline": "Measured, not judged: no FP32 bundle stands beside it.", "fallen": []}
    fallen = [row for row in evaluation.gates if not row.is_met]
    if not evaluation.gates:
        return {"is_good": False, "headline": "Not judged: there are no gates.", "fallen": []}
    if not fallen:
        asked = widened([row.gate for row in evaluation.gates], defaults=default_gates())
        note = f" Asked less than by default: {', '.join(asked)}." if asked else ""
        return {"is_good": True, "headline": f"All {len(evaluation.gates)} gates are met.{note}", "fallen": []}
    worst = sorted(worst_groups(fallen), key=lambda row: not row.gate.is_hard)
    lines = [_fall(row, fallen) for row in worst[:_FALLEN_SHOWN]]
    more = [f"and {len(worst) - _FALLEN_SHOWN} more, see Gates"] if len(worst) > _FALLEN_SHOWN else []
    headline = f"{len(fallen)} of {len(evaluation.gates)} gates are NOT met. Do not ship this bundle."
    return {"is_good": False, "headline": headline, "fallen": lines + more}


def _fall(row: GateResult, fallen: Sequence[GateResult]) -> str:
    """Say in words what fell and in which groups, with the figures of the worst one."""
    same = [one for one in fallen if (one.gate, one.part) == (row.gate, row.part)]
    part = "" if row.part == "mean" else f" ({row.part})"
    kind = "Hard gate: " if row.gate.is_hard else ""
    groups = ", ".join(one.group.name for one in same)
    if not isinstance(row.result, Estimate):
        why = f"cannot be computed: {row.result.reason}"
    elif row.result.value > row.limit:
        why = (
            f"worst {row.group.name}: lost {row.result.value:.3f} (up to {row.result.bound:.3f}), allowed {row.limit:g}"
        )
    else:
        why = f"{row.result.n} cases ({row.group.name}) do not exclude {row.result.bound:.3f}, allowed {row.limit:g}"
    return f"{kind}{WORDS[row.gate.metric]}{part}: {groups}; {why}"


def _plots(evaluation: Evaluation, summary: Mapping[str, Any], points: Sequence[Point]) -> dict[str, str]:
    measured = [one for one in (evaluation.reference, evaluation.candidate) if one is not None]
    roles = ["candidate"] if evaluation.reference is None else ["reference", "candidate"]
    fields = [summary["fields"][role] for role in roles]
    names = [f"{role}: {one.name}" for role, one in zip(roles, measured, strict=True)]
    groups = groups_of(fields[-1])
    own = [point_of(one, row) for one, row in zip(measured, fields, strict=True)]
    return {
        "pareto": pareto_svg([*points, *own]),
        "bars": bars_svg(
            groups,
            {
                name: [mean_accuracy(row, group=group) for group in groups]
                for name, row in zip(names, fields, strict=True)
            },
        ),
        "reliability": reliability_svg(
            {
                name: reliability(outcomes_of(evaluation.cases, one.answers))
                for name, one in zip(names, measured, strict=True)
            }
        ),
        "gates": gates_svg(worst_groups(evaluation.gates)) if evaluation.gates else "",
    }
