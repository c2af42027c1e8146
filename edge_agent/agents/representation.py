"""DERM-Rep: integrate all views of a visit, then name the pathogenesis; Rec's signs are merged by code.

Rep sees pictures and, where the manifest says so, Rec's texts; never the history. The merge is not the model's.

Source: clinical-vocabulary section 3 (``dominant``: union for lists, maximum for grades, ties in ``conflicts``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge_agent.agents.abstention import GRADES, LISTS, Kept, is_nothing, nothing_of
from edge_agent.agents.prompts import DOMINANT_FIELDS, render_value
from edge_agent.agents.recognition import AgentEngine, OnEvent, listened
from edge_agent.agents.severity.pasi import REGION_OF_SITE, REGIONS
from edge_agent.contracts.case import AgentOutput, Request, View, Written
from edge_agent.contracts.manifest import AgentSpec
from edge_agent.errors import ContractError

MERGED_FIELDS = (
    "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount", "erythema", "induration",
    "border", "shape", "arrangement",
)  # fmt: skip
# Every sign of one view that a later step may point at, in Rec's order (clinical-vocabulary section 2).
POINTED_FIELDS = (
    "family", "primary_lesion", "secondary_change", "colour", "scale_type", "scale_amount", "erythema", "induration",
    "border", "shape", "arrangement", "count_in_view", "surface_share", "special",
)  # fmt: skip
# What two pictures of one visit must agree on; count, share and special signs belong to the single picture.
COMPARED_FIELDS = ("family", *MERGED_FIELDS)
ABSENT = "none"  # looked, not there: beside a sign that another view shows it would contradict itself
SITES_OF_OTHER_REGIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"nails": frozenset({"fingernail", "toenail"}), "genital": frozenset({"genital"})}
)
NOT_SKIN_SHOT = "tongue"
STEPS = 2
_MAX_ITEMS = {"primary_lesion": 3, "secondary_change": 4, "colour": 2, "shape": 2}


@dataclass(frozen=True, slots=True)
class Described:
    """One view with what Rec said of it after the thresholds, and the texts that Rec wrote, if it writes any.

    ``tone_logits``: what a side branch's tone head says of the picture; told in the report and read by no rule.
    """

    view: View
    fields: Mapping[str, Kept]
    written: tuple[Written, ...] = ()
    tone_logits: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Lead:
    """The view that leads for one sign and what it tells; ``view_index`` counts from 0, as ``View.index`` does."""

    view_index: int
    value: Any


@dataclass(frozen=True, slots=True)
class Merge:
    """Rec's signs over all views.

    ``dominant`` is the record's merge. ``leading`` holds, per sign that Reason reads, the most confident value of
    the near views (an overview counts only where no nearer view tells anything). ``conflicts`` are
    (field, view, view) where two views tell different values, all of ``COMPARED_FIELDS``: evidence is checked against
    every one of them, a report shows the first few. ``leads`` names the leading view of each of ``POINTED_FIELDS``;
    where no view tells anything it is the first one with the field's nothing-value, and without any view it is empty.
    """

    dominant: Mapping[str, Any]
    leading: Mapping[str, Any]
    conflicts: tuple[tuple[str, int, int], ...]
    leads: Mapping[str, Lead]


def merge(described: Sequence[Described]) -> Merge:
    """Merge the fields of all views; an unknown value never wins over a known one."""
    dominant = {field: _union(field, described) for field in MERGED_FIELDS}
    leads = {field: _lead(field, described) for field in POINTED_FIELDS} if described else {}
    leading = {field: leads[field].value if described else nothing_of(field) for field in DOMINANT_FIELDS}
    conflicts = [c for field in COMPARED_FIELDS if (c := _conflict(field, described)) is not None]
    return Merge(dominant, leading, tuple(conflicts), leads)


def sites_seen(described: Sequence[Described]) -> tuple[tuple[str, str | None], ...]:
    """Return the (body site, side) of the views as the form tells them, each once; the model is never asked."""
    rows = ((one.view.body_site, one.view.laterality) for one in described)
    return tuple(dict.fromkeys((site, side) for site, side in rows if site is not None))


def regions_not_seen(described: Sequence[Described]) -> tuple[str, ...]:
    """Return the ids of the list ``region`` that no view shows by the form; a view without a site shows none for sure.

    A region that is not in this list was pictured somewhere, not looked at as a whole.
    """
    views = [one.view for one in described if one.view.shot != NOT_SKIN_SHOT]
    sites = {view.body_site for view in views if view.body_site is not None}
    seen: set[str] = {REGION_OF_SITE[site] for site in sites if site in REGION_OF_SITE}
    seen |= {name for name, own in SITES_OF_OTHER_REGIONS.items() if own & sites}
    return tuple(name for name in (*REGIONS, *SITES_OF_OTHER_REGIONS) if name not in seen)


def represent(
    engine: AgentEngine,
    encoded: Sequence[Any],
    *,
    spec: AgentSpec,
    described: Sequence[Described],
    on_field: OnEvent | None = None,
) -> tuple[AgentOutput, AgentOutput]:
    """Run Rep's two steps on all views of the visit.

    Args:
        engine: the engine that holds the representation adapter.
        encoded: the encoded views that may be read, in the order of ``described``.
        spec: the manifest's declaration; ``findings`` among its texts asks for Rec's fields, ``recognition_text`` for
            what Rec wrote, unchanged.
        described: the same views after the thresholds.
        on_field: told of every field as it is written; None for nobody.

    Returns:
        The integrated description and the pathogenesis that was conditioned on it.

    Raises:
        ContractError: the bundle declares another number of steps.
    """
    texts = {"findings": render_findings(described), "recognition_text": view_texts(described, spec.inputs.view_text)}
    request = Request(views=tuple(encoded), texts={name: texts[name] for name in spec.inputs.text if name in texts})
    steps = listened(engine, "representation", [request], on_field=on_field)[0]
    if len(steps) != STEPS:
        raise ContractError(f"representation answered {len(steps)} steps, 2 are declared; check the bundle")
    return steps[0], steps[1]


def view_texts(described: Sequence[Described], template: str) -> str:
    """Return Rec's texts, one view after the other, each as the bundle wants it (``AgentInputs.view_text``)."""
    rows = ((one.view.index + 1, own_text(one.written)) for one in described)
    return "\n".join(template.replace("{n}", str(number)).replace("{text}", text) for number, text in rows)


def own_text(written: Sequence[Written]) -> str:
    """Return an agent's texts for the next agent: as written, without blanks around them."""
    return "\n".join(one.raw.strip() for one in written)


def render_findings(described: Sequence[Described]) -> str:
    """Render Rec's decided fields per view, one line each, for bundles whose Rep reads texts."""
    rows = []
    for one in described:
        decided = {field: row.value for field, row in one.fields.items() if row.is_decided}
        told = " ".join(f"{field} {render_value(value, nothing='cannot_tell')}" for field, value in decided.items())
        rows.append(f"view {one.view.index + 1} {told}")
    return "\n".join(rows)


def _told(field: str, described: Sequence[Described]) -> list[tuple[View, Kept]]:
    rows = [(one.view, one.fields[field]) for one in described if field in one.fields]
    return [(view, row) for view, row in rows if not is_nothing(row.value)]


def _union(field: str, described: Sequence[Described]) -> Any:
    rows = _told(field, described)
    if not rows:
        return nothing_of(field)
    if field in GRADES:
        return max(row.value for _, row in rows)
    if field in LISTS:
        ranked = sorted(rows, key=_confidence, reverse=True)
        items = list(dict.fromkeys(item for _, row in ranked for item in row.value))
        return [item for item in items if item != ABSENT or items == [ABSENT]][: _MAX_ITEMS[field]]
    return max(rows, key=_confidence)[1].value


def _lead(field: str, described: Sequence[Described]) -> Lead:
    rows = _told(field, described)
    near = [(view, row) for view, row in rows if view.shot != "overview"]
    best = near or rows
    if not best:
        return Lead(described[0].view.index, nothing_of(field))
    view, row = max(best, key=_confidence)
    return Lead(view.index, row.value)


def _confidence(row: tuple[View, Kept]) -> float:
    return row[1].probability or 0.0


def _conflict(field: str, described: Sequence[Described]) -> tuple[str, int, int] | None:
    """Return the first pair of views that tell different values of one field."""
    rows = _told(field, described)
    for view, row in rows[1:]:
        if row.value != rows[0][1].value:
            return (field, rows[0][0].index, view.index)
    return None
