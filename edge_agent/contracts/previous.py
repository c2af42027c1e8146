"""An earlier visit of the same person, as far as this visit may read it: taken from its stored report.

It holds what a person entered (surface, PGA, areas) apart from what a model answered (grades, stage, phenotype,
syndrome), because the second is comparable only within one bundle lineage; ``agents.change`` decides that. Does not
know whose report it is: reports carry no name, so whoever attaches one says that it is the same person.

Source: clinical-vocabulary sections 4 (``minimal_change``) and 5.1 (pointers ``previous.<field>``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from edge_agent.contracts.intake_parts import Lax, Record
from edge_agent.contracts.intake_values import AffectedRegion
from edge_agent.errors import CaseError

READABLE_VERSIONS = frozenset({1, 2})  # version 1 carries the band and the surface, but no regions and no PGA
POINTER_FIELDS = ("stage", "phenotype", "syndrome", "severity_band")
NOTHING = frozenset({"cannot_tell", "insufficient_information", "not_examined", "not_applicable"})
GRADES = ("erythema", "induration", "scale_amount")

Id = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}$")]
Grade = Annotated[int, Field(ge=0, le=4)]
Percent = Annotated[float, Field(ge=0, le=100)]


class PreviousRegion(Record):
    """One PASI region then: area in % of the region, area score 0-6, grades 0-4; None was not known."""

    region: AffectedRegion
    area_percent: Percent | None = None
    area_score: Annotated[int, Field(ge=0, le=6)] | None = None
    erythema: Grade | None = None
    induration: Grade | None = None
    scale_amount: Grade | None = None


class PreviousSite(Record):
    """One picture then: where it was taken, by the form, and the grades that the model answered for it."""

    body_site: Id | None = None
    laterality: Id | None = None
    erythema: Grade | None = None
    induration: Grade | None = None
    scale_amount: Grade | None = None


class PreviousVisit(Record):
    """One earlier visit; what its report does not say is None, never a normal value.

    ``lineage`` and ``release`` name the bundle that answered; both are None where the rules alone spoke.
    ``pasi`` is 0-72 and stands only where that visit could compute it.
    """

    created: datetime
    lineage: str | None = Field(default=None, max_length=256)
    release: str | None = Field(default=None, max_length=256)
    bsa_percent: Percent | None = None
    pga: Grade | None = None
    pasi: Annotated[float, Field(ge=0, le=72)] | None = None
    regions: Annotated[tuple[PreviousRegion, ...], Lax, Field(max_length=4)] = ()
    sites: Annotated[tuple[PreviousSite, ...], Lax] = ()
    severity_band: Literal["mild", "moderate", "severe"] | None = None
    stage: Id | None = None
    phenotype: Id | None = None
    syndrome: Id | None = None

    @field_validator("created")
    @classmethod
    def _time_has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("created needs a time zone")
        return value

    @field_validator("regions")
    @classmethod
    def _each_region_once(cls, rows: tuple[PreviousRegion, ...]) -> tuple[PreviousRegion, ...]:
        if len({row.region for row in rows}) != len(rows):
            raise ValueError("names a region twice")
        return rows

    def is_before(self, created: datetime) -> bool:
        """Say whether the visit is dated before a time; one of the same instant is not (it is the same case)."""
        return self.created < created

    def pointers(self) -> dict[str, str | None]:
        """Return what ``previous.<field>`` may point at: stage, phenotype, syndrome, band; None is not known."""
        return {name: getattr(self, name) for name in POINTER_FIELDS}

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> PreviousVisit:
        """Build the earlier visit from its stored report (``case_report.schema.json``, version 1 or 2).

        Withheld and undecided values stay out, so nothing that the report did not say is said now. What clinicians decided
        about it since does not stand in a report: ``agents.report.earlier`` puts it in.

        Raises:
            CaseError: not a report, of a newer version, or damaged; choose another report or go without.
        """
        version = report.get("schema_version") if isinstance(report, Mapping) else None
        if isinstance(version, bool) or version not in READABLE_VERSIONS:
            raise CaseError("the previous report is not one that this program can read: choose another or leave it out")
        try:
            return cls.model_validate_json(json.dumps(_fields_of(report)))
        except (ValidationError, AttributeError, KeyError, TypeError, ValueError) as exc:
            raise CaseError("the previous report is damaged: choose another or leave it out") from exc


def _fields_of(report: Mapping[str, Any]) -> dict[str, Any]:
    severity = report.get("severity") or {}
    pasi = severity.get("pasi") or {}
    bundle = (report.get("provenance") or {}).get("bundle") or {}
    reasoning = (report.get("reasoning") or {}).get("fields") or {}
    representation = (report.get("representation") or {}).get("fields") or {}
    return {
        "created": report["created"],
        "lineage": bundle.get("lineage"),
        "release": bundle.get("version"),
        "bsa_percent": severity.get("bsa_percent"),
        "pga": severity.get("pga"),
        "pasi": pasi.get("value"),
        "regions": [{name: row.get(name) for name in PreviousRegion.model_fields} for row in pasi.get("by_region", [])],
        "sites": [_site(row) for row in report.get("recognition") or []],
        "severity_band": severity.get("band"),
        "stage": _said(representation.get("stage")),
        "phenotype": _said(representation.get("phenotype")),
        "syndrome": _said(reasoning.get("syndrome")),
    }


def _site(view: Mapping[str, Any]) -> dict[str, Any]:
    fields = view.get("fields") or {}
    grades = {name: _said(fields.get(name)) for name in GRADES}
    return {"body_site": view.get("body_site"), "laterality": view.get("laterality"), **grades}


def _said(row: Mapping[str, Any] | None) -> Any:
    """Return a field's value if a model decided it, kept it, and it says something."""
    if row is None or not row["is_decided"] or row["is_withheld"]:
        return None
    value = row["value"]
    return None if isinstance(value, str) and value in NOTHING else value
